// Package app wires the stages into processes: Server and Agent. It is the
// only place that knows every stage, reads the configuration, and decides in
// which order things start and stop: in the direction of the data, from the
// store outwards at a start and from the door inwards at a stop.
//
// # Concurrency and back-pressure
//
// RunServer and RunAgent may be called several times in one process, for
// several servers and agents. All back-pressure is that of the stages; the
// byte budget of what is in flight is shared by the doors of one process.
package app
