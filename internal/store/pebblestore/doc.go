// Package pebblestore is the embedded store engine: everything in one
// directory, a commit log and Pebble as its index, nothing to install.
//
// One call of Append is one synced record of the log, whatever the number of its
// parts, and one batch for Pebble: per part a small head that lists what it
// touches, the Source's watermark, and where in the log the body is. A key per State
// would cost ten times as much; the compactor folds bodies into records, which have
// such keys, when it pays. The layout is described in keys.go, the log in seglog.
//
// # Durability
//
// Pebble is used without its own log, and is given what is synced only: what a
// reader has seen cannot be lost. After a crash it has a beginning of what it was given,
// and Open applies the records after it again. Compactions are not in the log: a
// crash may undo the last ones, which can be made again.
//
// The first write or sync that fails ends the store, as if the power had been
// cut at that moment: nothing reaches the disk afterwards, every method
// returns store.ErrFailed, and what was acknowledged is found again when the
// store is opened anew. See guard. A disk that is nearly full takes no writes,
// which passes when there is space: see Options.MinFreeBytes.
//
// # Concurrency and back-pressure
//
// A Store is safe for concurrent use. Appends to one vbucket take turns, as do
// compactions of one vbucket; a compaction does not hold up appends, and reads
// wait for nobody. Append returns when its record is synced, which the goroutine
// does that calls it, for all that wait at that moment. Pebble holds up a batch when it cannot write tables as fast as
// they fill, which is the back-pressure of a slow disk. Memory is bounded by
// the cache, a few write buffers and what callers ask to Load.
package pebblestore
