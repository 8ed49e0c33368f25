// Package statsd is the door for statsd and DogStatsD: datagrams over UDP and
// unix sockets, streams over TCP and unix sockets. It reads lines and commits
// what they say, as package ingest does for HTTP.
//
// # From a line to a commit
//
// The goroutine that reads a socket also decodes and gathers: there is no
// hand-off, lock or allocation per line. It does so in a lane, which has a
// cache and a batch. What a line says beside its value (tab, kind, sample rate,
// tags) is looked up in the cache by a fingerprint; the value is added to the
// batch. A lane looks 64 lines up at once, so that their cache misses overlap.
// A batch is of one second, the finest that windows tell apart.
//
// A socket for datagrams is read until it is empty. While so much arrives that
// waiting would wake the reader for every few datagrams, it rests between two
// turns, as long as a call's worth takes to arrive at the speed of the last one
// (rest_linux.go); in between nothing that arrives wakes anybody. The first datagram after
// quiet is read at once.
//
// One committer folds the batches of all lanes and commits them. It is woken
// when work arrives where there was none, takes everything there is, and then
// leaves the lanes alone for a while in proportion to what the commit took:
// nobody waits for an answer, so batches grow with the load and commits never
// take more than a small share of the time. What it takes it folds series by
// series, all seconds together, and commits in pieces of bounded size.
//
// # Concurrency and back-pressure
//
// A lane is used by one goroutine at a time, under its lock; the committer
// holds that lock only to exchange the batch. What is gathered and not yet
// committed is charged to the Budget of the process, and a commit is due when
// it is much. When the Budget is full, or the store takes nothing, streams are
// no longer read, so that their senders wait, and datagrams are dropped and
// counted. A connection that sends nothing owns no buffer. Names are bounded,
// for each Door and in the process: those over a limit count in one tab, OverflowTab.
//
// What is received over statsd is not acknowledged: a sender cannot know what
// was lost on the way. What is lost here is counted, by reason.
package statsd
