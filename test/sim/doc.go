// Package sim simulates whole clusters and looks for events that are lost or
// counted twice.
//
// One seed is one life of a cluster: agents with their spools, servers, a store,
// compactors and readers, in one goroutine, on simulated disks, clocks and
// networks. What runs is what ships: commit.Agent, forward (by its Stepper) and
// spool on the agents' side; ingest.Batches, commit.Server, view and its
// Compactor on the servers'; store.Mem or pebblestore underneath. Only disks,
// messages and time are the simulator's, and it makes all of them fail, as the
// Mix of faults says.
//
// Every event is a number of its own. A Type of the simulator's own keeps the
// multiset of numbers, so an answer tells which events were counted, and how
// often. Book knows which were attempted and acknowledged, and is compared with
// every answer:
//
//   - acknowledged (A2) before a read <= read <= attempted, and nothing twice;
//   - what one read has shown the next one shows too, unless it was deleted;
//   - the answer is the same with compaction and without;
//   - at rest everything acknowledged (A1) is counted or was reported to be in
//     quarantine, which happens only where the faults are a reason for it;
//   - at rest the ledger of events adds up.
//
// A seed that fails is run again to tell its story: the numbered steps in
// words. A Tally counts what happened, so that a mix in which nothing happens
// is seen. Lives are spread over processes, one at a time in each, because
// crypto/rand is the seed's while a life lasts. Bugs lists mistakes that can be put back, each as a wrapper in this
// package around a store, a disk or the network, and the Mix that finds it. So
// the simulator is itself tested.
//
// # The abstract store
//
// Cluster is store.Mem with replicas: a history of what was done, of which a
// prefix is safe and the rest is lost if a stale replica takes over. In one mode
// an acknowledgement waits until what it rests on is safe (a synced disk,
// Redis with WAIT for all replicas), in the other it does not (WAIT 0), and
// reconciliation has to bring back what was lost.
// A primary that was taken over from may go on serving some servers, and a
// vbucket may move to another shard.
package sim
