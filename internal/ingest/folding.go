package ingest

import (
	"math"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// Reasons for which ingestion refuses events, beside those of the decoder and
// of the Types.
const (
	refusedType      = "unknown_type"
	refusedName      = "name"
	refusedNotFinite = string(state.ReasonNotFinite)
)

// maxSeen is how many tabs a folder remembers the Types of within a body.
const maxSeen = 4096

// folding folds bundles into an accumulator by the rules of the door, and
// counts what it refuses. It is not safe for concurrent use.
type folding struct {
	types     TypeTable
	tolerance float64
	alphabet  *[256]bool
	seen      map[string]string // tab -> Type, since begin
	claim     claim             // to names that are new
	over      *over             // one of them is too many

	acc     *fold.Accumulator
	now     float64
	current *state.Bundle                     // the one being folded
	failed  uint64                            // events of it that its Type refused
	refuse  func(event int, why state.Reason) // the method value refused, made once
	events  uint64
	clamped uint64
	copied  uint64 // bytes, on their way from the buffer that was read into
	tally   tally
}

func newFolding(types TypeTable, o *Options) folding {
	f := folding{types: types, tolerance: o.FutureTolerance.Seconds(), alphabet: &looseName, seen: make(map[string]string), claim: claim{q: o.Quota}}
	if o.StrictNames {
		f.alphabet = &strictName
	}
	return f
}

func (f *folding) begin(acc *fold.Accumulator, now float64) {
	if f.refuse == nil {
		f.refuse = f.refused
	}
	f.acc, f.now = acc, now
	f.events, f.clamped, f.copied = 0, 0, 0
	f.tally.reset()
}

func (f *folding) end() {
	f.acc, f.current = nil, nil
	f.claim.settle()
	f.over = nil
	if len(f.seen) > maxSeen/4 {
		f.seen = make(map[string]string)
	}
	clear(f.seen)
}

func (f *folding) received() received {
	g := received{events: f.events, clamped: f.clamped, copied: f.copied}
	g.claim.join(&f.claim)
	if !f.tally.empty() {
		g.refused = f.tally.total()
		g.reasons = append([]reasonCount(nil), f.tally.reasons...)
		g.header = f.tally.header()
	}
	return g
}

// bundle folds one bundle of the Type typ, or refuses what is wrong with it.
func (f *folding) bundle(typ string, b *state.Bundle) {
	if len(b.Events) == 0 {
		return
	}
	if !within(f.alphabet, b.Tab) || !within(f.alphabet, b.Client) {
		f.tally.add(b.Tab, refusedName, count(b.Events))
		return
	}
	if b.Events = f.times(b.Tab, b.Events); len(b.Events) == 0 {
		return
	}
	have, known := f.typeOf(b.Tab)
	if known {
		typ = have
	}
	f.current, f.failed = b, 0
	if !f.acc.Fold(f.now, "", typ, b, f.refuse) {
		f.tally.add(b.Tab, refusedType, count(b.Events))
		return
	}
	taken := count(b.Events) - f.failed
	f.events += taken
	if taken > 0 {
		f.admit(store.Tab{Name: b.Tab, Type: typ}, b.Client, known)
	}
}

// admit asks for a State, and for its tab if that is not known. If there are too
// many, over says so.
func (f *folding) admit(tab store.Tab, client string, known bool) {
	switch {
	case f.over != nil:
	case known:
		f.over = f.claim.state(tab, client)
	default:
		f.over = f.claim.tab(tab, client)
		f.remember(tab.Name, tab.Type)
	}
}

// refused is told by a Type which events do not fit.
func (f *folding) refused(event int, why state.Reason) {
	n := f.current.Events[event].Count()
	f.failed += n
	f.tally.add(f.current.Tab, string(why), n)
}

// count is how many events stand behind those given.
func count(events []state.Event) (n uint64) {
	for i := range events {
		n += events[i].Count()
	}
	return n
}

// typeOf returns the Type that tab has, which wins over the one an event
// names.
func (f *folding) typeOf(tab string) (typ string, known bool) {
	if typ, known = f.seen[tab]; known || f.types == nil {
		return typ, known
	}
	if typ, known = f.types.TypeOf("", tab); known {
		f.remember(tab, typ)
	}
	return typ, known
}

func (f *folding) remember(tab, typ string) {
	if len(f.seen) < maxSeen {
		f.seen[tab] = typ
	}
}

// times refuses events whose time is not finite and moves those from too far
// in the future to now. It changes events in place.
func (f *folding) times(tab string, events []state.Event) []state.Event {
	limit := f.now + f.tolerance
	kept := 0
	for i := range events {
		t := events[i].Time
		switch {
		case t <= limit && t >= -math.MaxFloat64:
		case t > limit && t <= math.MaxFloat64:
			events[i].Time = f.now
			f.clamped += events[i].Count()
		default: // NaN or infinite
			f.tally.add(tab, refusedNotFinite, events[i].Count())
			continue
		}
		if kept != i {
			events[kept] = events[i]
		}
		kept++
	}
	return events[:kept]
}
