// Package demo is a whole Taba in one process, for people who want to see it
// move: a server on a temporary embedded store, an agent with a spool, and a
// simulated fleet that posts to the agent over HTTP. What it shows it has asked
// the server's public API, and when it ends it compares what the fleet recorded
// with what the server counted.
//
// # Concurrency and back-pressure
//
// Run owns everything it starts and returns when all of it has stopped and the
// temporary directory is gone. It stops in the direction of the data: fleet,
// agent, server.
package demo
