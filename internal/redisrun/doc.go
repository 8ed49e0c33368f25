// Package redisrun runs real servers and Sentinels of Redis or Valkey, whichever
// is installed, that are ours for a while, on loopback and in directories of their
// own: for tests, for measurements and for the demonstration of a cluster. What is
// done to them is its callers' business.
//
// # Concurrency and back-pressure
//
// A Server is started, killed and signalled by one goroutine at a time, and may
// be asked by any number: each question has a connection of its own, as a server
// may hang or be another one the next time. A question waits for ten seconds at
// most. Should this process be killed, the kernel ends what it has started (on
// Linux).
package redisrun
