// Package seglog is a log of records in segment files, for a store that keeps
// bulk out of its index: one write and one sync make a record durable, done by
// the goroutine that appends; what it holds stays where it was written and is
// read from there, until nobody needs its segment.
//
// A record is what a store did, in the store's own words (its meta), and
// bodies. Records are numbered without gaps (LSN, from 1). A body is cut into
// pieces with a checksum each, so that one can be read without the others.
//
// # What is promised
//
// Append returns when its record is synced, and the next one is written only
// then: so at most one record, the last, may be torn. After a failed write or
// sync the log takes nothing more until it is opened again.
//
// Open is told up to which record the store has durably applied what they say,
// and hands out those after it. An unreadable end is what a crash leaves and is
// cut. Unreadable bytes with a readable record after them, be it in the same
// segment or because a later segment says in its name that there was more before it, are
// damage: Open refuses and names the file and the offset. The last record may be
// in the machine's memory only, as the process before may have ended between
// writing and syncing it: it is written again, to another file, before it counts.
//
// # Segments
//
// A name says all about a segment: its number, its first LSN, and a salt that
// every checksum begins with. Growing a file costs the file system a commit of its
// own with each sync. So segments that are given up are written over under new
// names, and a file that grows by small records grows ahead of them. The salt and the LSN
// keep what such a file held before from being taken for a record. Files that
// were there when the log was opened are not used again: a sync of theirs may
// have failed.
//
// # Concurrency
//
// Append must not be called concurrently; everything else may be, at any time.
// Who reads holds a Pin: what is given up meanwhile stays until it is released.
package seglog
