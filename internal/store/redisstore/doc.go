// Package redisstore is the store engine for many servers: the state of all of
// them lives in Redis or Valkey, as one server, as masters with replicas that
// Sentinels watch over, or as a Cluster. The layout is described in keys.go.
//
// # Deciding
//
// What applies is decided by the pure functions of package store, outside
// Redis. A commit hands bodies over by plain commands, under names of their
// own, and a script then links them into the log if the state that was decided
// on is still there; else it returns the one that is, and only the decision
// goes to Redis again. So any number of servers may append to one vbucket, a
// body travels once, no script ever touches one, and a commit that nobody
// interferes with is one round trip. Compaction does the same with WATCH.
//
// # Durability
//
// Replies that release anything leave only when the replicas that could take
// over have the writes they rest on: WAIT on the connection of the write. What
// is a duplicate, or was only read, rests on the writes of others: so every
// round trip ends with a write of its own, the fence. A master that was taken
// over from gets no answer from replicas and can neither acknowledge nor be
// read. See replicas.go for who could take over, and why who is away is waited
// for. Ends of Sources wait for all replicas whatever the setting. Where the
// master syncs each write and can tell who else has (WAITAOF), it is waited for
// that, too; see fence.go.
//
// The epoch of a vbucket is the store's identity as long as the server is the
// one that it was made on, in its first life; then a hash of the identity and
// the replication id, which changes when a replica takes over and when a
// server starts.
//
// # Concurrency and back-pressure
//
// A Store is safe for concurrent use, as are several on the same keys. Each
// master has one connection and one round trip in flight; what is asked
// meanwhile, whatever it is, makes the next. Compactions have a connection of
// their own. Methods return when Redis and the replicas have answered, at the
// latest after a few times the timeout: that is the back-pressure. An error
// says that the outcome is not known; the next call connects anew.
package redisstore
