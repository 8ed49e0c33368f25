// Package chaos runs a private cluster of real processes, one server and
// several agents of the same binary on loopback, and mistreats it: processes
// are killed as by kill -9 and started again, or stopped by SIGSTOP and
// resumed, in turn and overlapping. A verify.Session sends and reads all the
// while; what it finds is the result.
//
// The topology has one server because an embedded store belongs to one server,
// and agents never mix stores.
//
// # Concurrency and back-pressure
//
// Run owns everything it starts and returns when all processes have ended.
// Should this process itself be killed, the kernel ends its children. A
// process is mistreated in one way at a time.
package chaos
