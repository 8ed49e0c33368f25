// Package store is the contract between Taba's stateless processes and the
// place where its state lives: per vbucket a log of committed Partials, a
// snapshot record per tab that says up to which entry it is folded, and the
// watermark of every Source.
//
// It also holds the parts of the exactly-once protocol that every engine must
// decide in the same way (Decide, Current, Trimmable, chain hashes, horizons), as pure
// functions: no clock, no file, no goroutine. Engines call them inside the
// transaction that appends. Mem, the reference engine, is in this package;
// pebblestore and others are tested against it by package storetest.
//
// Engines do not know Types: they move bytes. The store imports nothing of
// ours; everything else may import it.
//
// # Concurrency and back-pressure
//
// A Store is safe for concurrent use. Append, Command and Compact of one
// vbucket are serialised by the engine; reads never wait for writes. Append
// returns when its outcome is durable and is the only back-pressure there is:
// callers keep one Append in flight per vbucket and let the rest accrue.
package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Errors that engines return, wrapped with what they were doing.
var (
	// ErrDiverged: the entry named by a Position is no longer in the log
	// under that identity. Start again from the records.
	ErrDiverged = errors.New("log has diverged from the given position")
	// ErrClosed: the Store was shut down.
	ErrClosed = errors.New("store is closed")
	// ErrFailed: a write or sync failed and the engine refuses further writes
	// until it is opened again. Nothing acknowledged is lost.
	ErrFailed = errors.New("store has failed and must be reopened")
)

// Store is one opened store. Every method may be called again after an error.
type Store interface {
	// Meta returns what was fixed when the store was created.
	Meta() Meta

	// Open registers a new Source and returns its id, durable when it
	// returns. now is the caller's clock; the id's birth is the maximum of it
	// and every horizon.
	Open(ctx context.Context, class Class, nonce Nonce, now time.Time) (SourceID, error)

	// Close ends a Source: no part of it is applied afterwards. The first
	// closer's token wins and is returned, with the final head per vbucket.
	// Closing again answers the same. Durable when it returns.
	Close(ctx context.Context, id SourceID, token Token) (Closed, error)

	// Append decides each part (see Decide) in order and appends those that
	// apply, atomically per part; within one call a part sees the effect of
	// those before it. The result has one entry per part, in order. A verdict
	// that can release anything (Applied, Duplicate, Forked, SourceClosed) is
	// returned only when the state it was decided on is durable; a part whose
	// outcome is unknown has Err set. The engine does not keep parts' memory.
	Append(ctx context.Context, parts []Part) ([]PartResult, error)

	// Command appends a delete or prune entry to one vbucket's log and
	// returns its position when durable.
	Command(ctx context.Context, vb int, c Command) (Position, error)

	// Heads returns, per vbucket, the (watermark, chain) of a Source.
	// Reconciliation uses it; it releases nothing.
	Heads(ctx context.Context, id SourceID) ([]SourceHead, error)

	// Load reads, at one instant, what a view needs to be brought up to the
	// end of the log (the last *synced* commit). See LoadRequest and Loaded.
	// It returns ErrDiverged when After is not in the log and not the trim
	// point.
	Load(ctx context.Context, vb int, req LoadRequest) (*Loaded, error)

	// Compact replaces records of tabs by ones folded further and trims the
	// log. Each update is conditional: the stored record's position must
	// still be Update.Old, and Update.New must be in the log under its
	// identity or be the trim point (see Current); else that update is
	// skipped and counted in Stale. The log is trimmed to trim (inclusive) or
	// to just before the first entry that touches a tab whose record has not
	// folded it, whichever comes first; not at all if trim is not in the log.
	Compact(ctx context.Context, vb int, updates []Update, trim Position) (Compacted, error)

	// GC raises every horizon by at most elapsed (measured by the caller's
	// monotonic clock since its last pass), never past now minus the class's
	// age, and removes the rows of Sources born before it, in one
	// transaction. It returns the number of rows removed.
	GC(ctx context.Context, elapsed time.Duration, now time.Time) (int, error)

	// Stats returns the sizes compaction is decided on and what is counted of
	// the ledger: all but Tail. It is cheap.
	Stats(ctx context.Context, vb int) (Stats, error)

	// Audit returns Stats with Tail, recounted from the log itself, as of one
	// moment. It reads the whole log and may hold writers up meanwhile.
	Audit(ctx context.Context, vb int) (Stats, error)

	// Writable returns why nothing can be appended now, nil if it can: for
	// probes of readiness. It is cheap.
	Writable(ctx context.Context) error

	// Shutdown syncs and releases everything. Methods then return ErrClosed.
	Shutdown() error
}

// Meta is fixed when a store is created.
type Meta struct {
	ID        [16]byte  // the store's identity, random
	Created   time.Time // creation, the base of the first horizons
	Format    uint32    // version of the engine's layout
	Partition Partition // how tabs map to vbuckets
}

// Epoch changes whenever acknowledged writes may have been lost (a failover, a
// restore). For an embedded store it is the store id.
type Epoch [16]byte

// Tab names what States are kept for; they are keyed by Tab and client.
type Tab struct {
	Namespace string // reserved for tenants; empty
	Name      string
	Type      string
}

// Position names an entry of a vbucket's log by its offset and its identity.
// Offsets start at 1; the zero Position is before every entry. Identity is
// cumulative: two logs that agree on the identity at an offset agree on
// everything before it.
type Position struct {
	Offset   uint64
	Identity uint64
}

// Kind of a log entry.
type Kind uint8

// Kinds of log entries. They are stored: never renumber them.
const (
	KindPartials Kind = 1 // Body holds Partials
	KindDelete   Kind = 2 // drops what precedes it of the tabs in Command
	KindPrune    Kind = 3 // evaluates every State's Expired(Command.At) at this place
)

// Command is a log entry that is not Partials.
type Command struct {
	Kind  Kind
	Names []TabName // delete: the tabs, of whatever Type
	At    float64   // prune: the time to evaluate, UTC seconds, latency already subtracted
}

// Check returns an error if c is not a command.
func (c *Command) Check() error {
	switch {
	case c.Kind != KindDelete && c.Kind != KindPrune:
		return fmt.Errorf("a command of kind %d is neither a delete nor a prune", c.Kind)
	case c.Kind == KindPrune && len(c.Names) > 0:
		return errors.New("a prune is of every tab, it cannot have names")
	case math.IsNaN(c.At) || math.IsInf(c.At, 0):
		return errors.New("the time of a command is not finite")
	}
	return nil
}

// TabName is a Tab without its Type.
type TabName struct {
	Namespace string
	Name      string
}

// Entry is one committed log entry.
type Entry struct {
	Position Position
	Kind     Kind
	Source   SourceID // of KindPartials
	Seq      uint64   // of KindPartials
	Events   uint64   // of KindPartials: the sum over its Tabs
	Body     []byte   // of KindPartials; see BodyReader. Read-only, owned by the reader
	Command  Command  // of the other kinds
}

// LoadRequest says what to read.
type LoadRequest struct {
	// After is how far the caller has followed the log. Entries after it that
	// touch Names are returned. Zero is before the first entry: it has
	// diverged once the log was trimmed.
	After Position
	// Names restricts both records and entries; nil means every tab. (A prune
	// entry touches every tab.) A large Body may leave out tabs of other names.
	Names []TabName
	// Records asks for the snapshot records of Names as well; After must then
	// be zero. Entries are then those after the trim point; the caller
	// applies to each tab only the entries after its record's position.
	Records Detail
	// MaxBytes bounds what Entries take, about: the one that reaches it is the
	// last. 0 means no bound. Loaded.More then says that the log goes on, and
	// the caller loads again After Loaded.End.
	MaxBytes int64
}

// Detail says how much of each record to read.
type Detail uint8

// Details of records.
const (
	NoRecords     Detail = iota
	DirectoryOnly        // Tab, Position, counts, names of clients
	WithAll              // and the all-clients State
	WithClients          // and the clients' States
)

// Loaded is what Load read, at one instant.
type Loaded struct {
	End     Position // the last synced entry or, with More, the last that was looked at
	More    bool     // the log goes on after End
	Trim    Position // the last entry trimmed; records are at least this far
	Epoch   Epoch
	Records []Record // sorted by Tab
	Entries []Entry  // in log order
}

// Record is the snapshot of one tab.
type Record struct {
	Tab      Tab
	Position Position // the last entry folded into it
	Events   uint64   // in the States of its clients: sum of Client.Events
	First    uint64   // offset of the entry that created the tab: the lowest decides its Type
	All      []byte   // the all-clients State; nil unless asked for, or if there is none
	Clients  []ClientState
}

// ClientState is one client's State within a record.
type ClientState struct {
	Client string
	Events uint64
	// State is nil unless asked for. In a record it is also nil when the
	// client was pruned: its name stays. In an Update nil means so.
	State []byte
}

// Update replaces the record of one tab. Only Clients named are written; the
// others stay. All is written if not nil.
type Update struct {
	Tab     Tab
	Old     Position // what it was made from: the record's position, or Loaded.Trim if there was none
	Stored  bool     // there was a record
	New     Position
	Events  uint64 // of the new record
	First   uint64
	All     []byte
	Clients []ClientState
	// Reset drops all clients and the all-clients State before writing: the
	// tab was deleted at some point after Old.
	Reset bool
	// Remove drops the whole record: the tab is deleted and nothing came
	// after. The engine keeps a tombstone with New until the log is trimmed
	// to it, so that nobody applies the deleted entries again.
	Remove bool
	// Moves of events out of the States since Old, added to the ledger with
	// this update.
	Pruned, Deleted, SetAside uint64
}

// Compacted tells what Compact did.
type Compacted struct {
	Applied int
	Stale   int      // updates skipped because somebody else was faster
	Trim    Position // where the log begins now
}

// Stats are a vbucket's sizes and its conservation ledger. At rest
//
//	Appended = Recorded + Tail + Pruned + Deleted + SetAside
type Stats struct {
	End, Trim   Position
	LogBytes    int64  // of entries not trimmed
	RecordBytes int64  // of records, approximately
	Appended    uint64 // events of all entries ever appended
	Recorded    uint64 // events in records
	Tail        uint64 // events of entries, per tab, after that tab's record
	Pruned      uint64
	Deleted     uint64
	SetAside    uint64
}
