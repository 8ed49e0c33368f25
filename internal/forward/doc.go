// Package forward brings what an agent's spool holds to the servers, each
// event exactly once.
//
// # The machine
//
// Machine is the sender's side of the protocol as a pure state machine: it has
// no clock, socket, file or goroutine. It is rebuilt from the spool's records,
// told of events (Appended, Opened, Replied, Failed, …) with the monotonic time
// since the process began, and asked what to do Next. It decides everything that
// exactness depends on:
//
//   - Sources. A process opens a new id at its start, before the age of an id
//     runs out, and when one was lost. A record belongs to the id in force when
//     it was written and is only ever sealed under that id. An id is closed when
//     everything of it is released and its successor is on disk.
//   - Sealing. When nothing is in flight, all records of the oldest id that has
//     any are merged, cut by vbucket, numbered and chained. The seal is synced
//     before its first send, and its bytes never change.
//   - Verifying. A reply releases a part only if the head it returns is on the
//     chain that was sent. A head on it, but further back, is answered by sending
//     again from there; a head that is not on it is a fork: everything of the id
//     still held is in doubt and goes to quarantine.
//   - Retention. Acknowledged Batches are kept until the store reports them
//     stable, for 15 minutes or for 1 GiB; heads are asked for at start, when a
//     shard's epoch changes and periodically, and cause only re-sends.
//   - Renumbering. If the store lost more than was kept, the id is closed; if
//     that close was ours alone, what lies beyond the final heads was certainly
//     not applied and is sealed again under the id in force.
//
// # The forwarder
//
// Forwarder runs a Machine over a spool.Log and a Transport in one goroutine,
// with one Batch in flight: what is appended meanwhile accrues and is merged into
// the next Batch, so Batches grow with the load. It is woken when the spool goes
// from empty to non-empty; idle it costs nothing. The parts of a vbucket go to the
// same server from all agents, those for several servers in one request to each at
// the same time. Servers that fail are left alone for a jittered, exponentially
// growing time, or as long as they ask for, and slow ones get less; others take
// their place.
//
// # Concurrency and back-pressure
//
// A Machine is not safe for concurrent use; a Forwarder is. Nothing here pushes
// back: while no server takes Batches the spool fills, and its quota does.
// Memory does not grow with the backlog, which stays on disk: one Batch is
// merged at a time, up to Config.BatchBytes of records.
package forward
