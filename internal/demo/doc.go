// Package demo is a whole Taba, for people who want to see it move: a server on
// a temporary embedded store, an agent with a spool, and a simulated fleet that
// posts to the agent over HTTP. What it shows it has asked the server's public
// API, and when it ends it compares what the fleet recorded with what the server
// counted.
//
// Run has it all in one process. RunCluster starts a process for each of several
// servers and agents, and for Redis and its Sentinels, and kills or stops one of
// them every few seconds.
//
// # Concurrency and back-pressure
//
// Run owns everything it starts and returns when all of it has stopped and the
// temporary directory is gone. It stops in the direction of the data: fleet,
// agent, server.
package demo
