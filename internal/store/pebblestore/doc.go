// Package pebblestore is the embedded store engine: everything in one
// directory, kept by Pebble, nothing to install.
//
// One call of Append is one synced batch, whatever the number of its parts:
// per part a small head that lists what it touches, the body as one blob, and
// the Source's watermark. A key per State would cost ten times as much; the
// compactor folds bodies into records, which have such keys, when it pays.
// The layout is described in keys.go.
//
// # Durability
//
// Pebble shows a batch to readers before its sync has returned. Reads here
// stop at the last entry whose sync has returned: what a reader has seen
// cannot be lost.
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
// wait for nobody. Append returns when its batch is synced; there is no queue
// behind it. Pebble holds up a batch when it cannot write tables as fast as
// they fill, which is the back-pressure of a slow disk. Memory is bounded by
// the cache, a few write buffers and what callers ask to Load.
package pebblestore
