// Package view reads: it turns the store's snapshot records and log tails
// into States and answers questions about them.
//
// A View follows the log of every vbucket. It keeps a directory of all tabs
// and their clients, and the States of the tabs that were asked for. Before
// it answers it catches up with the end of the log, so an answer includes
// everything that was acknowledged before the question was asked; and since
// only what is new has to be folded, it costs what is new.
//
// A Compactor folds the log into the records with the very same code, so that
// compaction never changes an answer. It also appends the commands that
// delete and prune, and audits the ledger of events.
//
// # Order and Types
//
// Partials are merged in log order, clients and tabs in the order of their
// names. Sums of fractions depend on the order of additions in their last
// digit; fixing the order makes the answer a function of the log alone.
//
// The Type of a tab is the one that comes first in its log among those that
// are registered. Partials of other Types are kept, under their own Type, and
// counted as conflicts; they are no part of the tab's answer.
//
// A State that cannot be decoded is set aside: it is counted and logged, its
// tab and client are known, and everything else goes on. A record whose State
// cannot be decoded is never overwritten: a later release may be able to.
//
// # Concurrency and back-pressure
//
// Everything exported is safe for concurrent use. Queries share catch-ups: one
// that has not begun yet serves all who wait. States are locked one tab at a
// time and only while they are merged or rendered, never while the store is
// read or an answer is sent. Memory is bounded by Options.Budget plus what the
// running queries hold, each a quarter of the budget at most: States that were
// not asked for lately are dropped and read again when they are.
package view
