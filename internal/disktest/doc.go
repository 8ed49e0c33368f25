// Package disktest is a disk whose power fails and whose operations fail, for
// tests of whatever promises to keep what it acknowledged.
//
// A Disk is a file system in memory as one process sees it. It remembers apart
// what a power loss leaves for sure: the contents of files that were synced,
// under names whose directory was synced. Of everything else a power loss
// leaves a random part: of the changes of names none, all, the first ones, as
// with a journal, or each by chance; of written bytes none, all, a beginning
// that is torn anywhere, with blanks where later bytes came before earlier ones,
// or with garbage at the end. Pebble's own crash clones are kinder: they bring
// back every name that was removed and tear at multiples of 4 KiB only, in
// which small files lie as a whole.
//
// An operation can be made to fail with any error, and to take place all the
// same, or by half. A file whose sync failed is stuck: syncs of it return nil
// from then on and keep nothing more, as some systems do.
//
// The power fails, or the process is killed, just before a chosen operation;
// what the process does afterwards reaches nothing. The next process gets what
// is left as another Disk, and its power may fail too.
//
// A Disk is safe for concurrent use: power losses and operations have an order.
// Nothing on it blocks.
package disktest
