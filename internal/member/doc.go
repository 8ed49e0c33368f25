// Package member knows the servers that share a store: what each of them says
// of itself, which of them live, and which vbuckets are whose to look after.
//
// A Group says what its server is once in a beat, and reads what all say. It
// never compares clocks of different machines: a member lives as long as what
// it says changes, and it says itself how often that will be. Only time in
// which the store could be read counts against it. So a store that is away for
// a while, and then shows what everybody said long ago, buries nobody.
//
// Work is divided by rendezvous hashing on names: when a member comes or goes,
// only its own share changes hands. For a moment two members may believe that
// a vbucket is theirs, or nobody does. What they do must be harmless when done
// twice, as conditional compaction is, and must be able to wait.
//
// Members of several releases share a store while they are replaced. Each says
// which encodings it reads, and all write what all of them read; vbuckets are
// looked after by those that read the most.
//
// # Concurrency and back-pressure
//
// A Group is safe for concurrent use. It has one request to the store under
// way, and what it reads of each member is bounded by store.MaxSays.
package member
