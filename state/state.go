// Package state says what a Type of metric is: how its events fold into a
// State, how States merge, and how they are written, rendered and pruned.
//
// # The law
//
// A State is a pure function of the multiset of (fold time, bundle) pairs
// folded into it. Merge is associative and commutative, the State returned by
// Handler.New is its identity, and Merge has no clock. Agents, servers,
// compactors and views merge in whatever order data reaches them and must all
// arrive at the same State; package statetest checks every Type against this.
//
// # Concurrency and back-pressure
//
// A State is owned by one goroutine at a time. A Handler and a Registry are
// immutable and safe for concurrent use. Nothing here blocks or does I/O.
package state

import "fmt"

// Event is one thing that happened, as a Type sees it.
type Event struct {
	// Time is when it happened, in UTC seconds. Ingestion has checked that it
	// is finite and clamped it if it lay too far in the future.
	Time float64
	// Value is the payload if Number is set. It may be NaN or infinite: a Type
	// refuses what it cannot sum.
	Value float64
	// JSON is the payload's JSON text as it arrived. It may be nil when Number
	// is set. It is only valid during the call it is passed to.
	JSON []byte
	// Number says that the payload is a JSON number.
	Number bool
	// Weight is how many events this one stands for; 0 means 1.
	Weight uint64
}

// Count returns how many events e stands for.
func (e *Event) Count() uint64 {
	if e.Weight == 0 {
		return 1
	}
	return e.Weight
}

// Bundle is the events of one tab and client as they arrived together. It is
// never split or joined before it is folded, because for some Types what
// arrived together matters (an ExpiryGauge looks at a bundle's newest event).
type Bundle struct {
	Tab    string
	Client string
	Events []Event
}

// A Reason says, as a metric label, why an event was refused.
type Reason string

// Reasons for which Types refuse events.
const (
	// ReasonPayload: the payload is not one this Type takes.
	ReasonPayload Reason = "payload"
	// ReasonNotFinite: the payload or time is NaN or infinite.
	ReasonNotFinite Reason = "not_finite"
)

// Format chooses a rendering.
type Format uint8

// The renderings of the v1 API.
const (
	Text     Format = iota // text/plain
	JSON                   // application/json
	Detailed               // application/json-detailed: per bucket where the Type has buckets
)

// Handler is the code of one Type. It is stateless and safe for concurrent use.
type Handler interface {
	// Type is the name on the wire and in the store, for example
	// "CounterGroup". It never changes once events of it are stored.
	Type() string
	// New returns the zero State: the identity of Merge.
	New() State
}

// State is the mergeable summary of a set of events, for one (tab, client) or
// for a union of them. It is not safe for concurrent use.
type State interface {
	// Fold adds one bundle that was received at now (UTC seconds). It leaves
	// s as if a Partial made of b alone had been merged into it. Events that
	// do not fit are left out and passed to refuse by their index; the others
	// count. A bundle without events only says "the time is now", which
	// matters to Types that expire while merging. Fold keeps no reference to
	// b or its events, but may keep b.Client.
	Fold(now float64, b *Bundle, refuse func(event int, why Reason))

	// Merge adds src, a State of the same Handler, and leaves src unchanged
	// and unshared: the two have no memory in common that either will write.
	Merge(src State)

	// N is the number of events in the State, refused ones excluded.
	// It is exact and additive under Merge: the conservation ledger is made
	// of it.
	N() uint64

	// Clamp moves whatever the State says happened after limit (UTC seconds)
	// to limit, so that a wrong clock cannot empty windows. It returns how
	// many events it moved, as exactly as the State can tell. It is applied
	// to Partials only, before they are merged.
	Clamp(limit float64) uint64

	// Expired reports whether at time at nothing is left that deserves
	// storage: the State of a client may then be pruned.
	Expired(at float64) bool

	// Render appends the answer as of time at to dst and returns it. It does
	// not change the State's meaning (it may tidy it). A render at a time
	// before the State's events shows the window that ends at the newest one.
	Render(dst []byte, at float64, f Format) []byte

	// Append appends the encoding to dst and returns it. Its first byte is
	// the version of the encoding. Equal States encode to equal bytes. A Type
	// that has had several versions is Versioned.
	Append(dst []byte) []byte

	// Decode replaces s by the State encoded in src, which may be of any
	// version ever released. It never panics, whatever src is; it copies what
	// it keeps; on error s is the zero State. Memory is bounded by a small
	// multiple of len(src).
	Decode(src []byte) error

	// Reset makes s the zero State and keeps its memory for reuse.
	Reset()

	// Size is the approximate memory held, in bytes, for byte budgets.
	Size() int
}

// Columnar is what a State is, besides, if it can fold numbers faster than
// event by event. Whoever folds may use it or not. After FoldColumn methods
// that leave a State's meaning alone, Merge with its source included, may tidy
// up what was put off.
type Columnar interface {
	State

	// FoldColumn leaves s as if Fold had been called with a bundle of one
	// event per value, of weight 1, at second (UTC seconds): none of them
	// would be refused, and it would make no difference to Fold whether they
	// came in one bundle or in several. values are finite and at least one;
	// s keeps no reference to them. grown is about how much Size has grown.
	FoldColumn(second int64, values []float64) (grown int)

	// Touch reads the memory that FoldColumn will add to, and returns whatever
	// was there. It is called for several States in turn before they are
	// folded into: so the processor waits for their memories at once and not
	// for one after the other.
	Touch() uint64
}

// Registry holds the known Types. It is immutable once made.
type Registry struct {
	byType map[string]Handler
	types  []string
}

// NewRegistry returns a Registry of the given Handlers. It fails on a
// duplicate or empty Type name.
func NewRegistry(handlers ...Handler) (*Registry, error) {
	r := &Registry{byType: make(map[string]Handler, len(handlers))}
	for _, h := range handlers {
		name := h.Type()
		if name == "" {
			return nil, fmt.Errorf("state: Handler %T has an empty Type name", h)
		}
		if _, dup := r.byType[name]; dup {
			return nil, fmt.Errorf("state: Type %q is registered twice", name)
		}
		r.byType[name] = h
		r.types = append(r.types, name)
	}
	return r, nil
}

// Lookup returns the Handler of a Type.
func (r *Registry) Lookup(typ string) (Handler, bool) {
	h, ok := r.byType[typ]
	return h, ok
}

// LookupBytes is Lookup without converting the name to a string first.
func (r *Registry) LookupBytes(typ []byte) (Handler, bool) {
	h, ok := r.byType[string(typ)]
	return h, ok
}

// Types returns the names of all Types in the order they were registered.
func (r *Registry) Types() []string {
	return append([]string(nil), r.types...)
}
