// Package bench measures what Taba costs on the machine it runs on. It offers
// load to real processes over real sockets, in v1, v2 or statsd, and tells
// what every side paid for an event: processor time, allocations, copies,
// context switches, system calls, waiting for locks. Figures of a machine say
// nothing without the machine, so a calibration of the same moments is part of
// every report.
//
// # Concurrency and back-pressure
//
// A connection is one goroutine that writes and, where there are
// acknowledgements, one that reads them. What is made beforehand, frames,
// bodies and packets, belongs to one connection. A connection has a bounded
// number of bytes that are not acknowledged, and waits beyond that; of
// statsd, which acknowledges nothing, the socket is what pushes back, or loses.
package bench
