// Package statsdtext reads the lines of statsd and DogStatsD:
//
//	name:value|type[|@rate][|#tag:value,tag]…
//
// Parse is the grammar, written to be read. Cut, Number and ParseHead are the
// same grammar in pieces for those who read millions of lines per second: Cut
// finds the parts of a line and reads a plain number; what the other parts say
// is the same for every line of a metric, so a reader looks it up by their
// bytes and asks ParseHead only once. The two are fuzzed against each other.
//
// # Concurrency and back-pressure
//
// Functions only: nothing here keeps anything, blocks or does I/O.
package statsdtext
