package ingest

import (
	"fmt"
	"math"
	"strconv"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/trail"
	"github.com/tabaproject/taba/state"
)

// Reasons for which ingestion refuses events, beside those of the decoder and
// of the Types.
const (
	refusedType      = "unknown_type"
	refusedName      = "name"
	refusedNotFinite = string(state.ReasonNotFinite)
	noteFuture       = "future" // for which events are clamped
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
	notes   notes

	trail   *trail.Trail
	door    *Door
	viewers trail.Viewers // since begin
	named   string        // the Type that the bundle being folded names
}

func newFolding(types TypeTable, o *Options) folding {
	f := folding{
		types: types, tolerance: o.FutureTolerance.Seconds(), alphabet: &looseName, seen: make(map[string]string),
		claim: claim{q: o.Quota}, trail: o.Metrics.Trail, door: o.door,
	}
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
	f.viewers = f.trail.Viewers()
}

func (f *folding) end() {
	f.acc, f.current = nil, nil
	f.claim.settle()
	f.over, f.viewers = nil, nil
	f.notes.take()
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
	g.notes = f.notes.take()
	return g
}

// drop refuses n events of a tab. It returns the note that is kept of that, if it
// is a new one.
func (f *folding) drop(tab, client, typ, reason string, n uint64) *trail.Note {
	f.tally.add(tab, reason, n)
	return f.notes.add(trail.Refused, tab, client, typ, reason, n)
}

// clamp notes that n events of a tab were moved to now.
func (f *folding) clamp(tab, client string, n uint64) {
	f.clamped += n
	f.notes.add(trail.Clamped, tab, client, "", noteFuture, n)
}

// bundle folds one bundle of the Type typ, or refuses what is wrong with it.
func (f *folding) bundle(typ string, b *state.Bundle) {
	if len(b.Events) == 0 {
		return
	}
	if !within(f.alphabet, b.Tab) || !within(f.alphabet, b.Client) {
		f.drop(b.Tab, b.Client, typ, refusedName, count(b.Events))
		return
	}
	if b.Events = f.times(b, b.Events); len(b.Events) == 0 {
		return
	}
	f.named = typ
	have, known := f.typeOf(b.Tab)
	if known {
		typ = have
	}
	f.current, f.failed = b, 0
	if !f.acc.Fold(f.now, "", typ, b, f.refuse) {
		f.drop(b.Tab, b.Client, typ, refusedType, count(b.Events))
		return
	}
	taken := count(b.Events) - f.failed
	f.events += taken
	if f.viewers != nil && taken > 0 {
		f.show(typ, b)
	}
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
	b := f.current
	n := b.Events[event].Count()
	f.failed += n
	if note := f.drop(b.Tab, b.Client, f.named, string(why), n); note != nil {
		note.Detail = f.misfit(&b.Events[event])
	}
}

// misfit says what does not fit the Type of a tab.
func (f *folding) misfit(e *state.Event) string {
	const most = 80 // bytes of a payload
	what := string(e.JSON[:min(len(e.JSON), most)])
	if what == "" && e.Number {
		what = strconv.FormatFloat(e.Value, 'g', -1, 64)
	}
	if have, known := f.seen[f.current.Tab]; known && have != f.named {
		return fmt.Sprintf("sent as a %s; the tab is a %s, which does not take %s", f.named, have, what)
	}
	return fmt.Sprintf("a %s does not take %s", f.named, what)
}

// show shows the events of a bundle to those who look.
func (f *folding) show(typ string, b *state.Bundle) {
	for i := range b.Events {
		e := &b.Events[i]
		seen := trail.Event{Door: f.door.Name, Name: b.Tab, Type: typ, Client: b.Client, Time: e.Time, Value: e.Value, Weight: e.Count()}
		if !e.Number {
			seen.Text = e.JSON
		}
		f.viewers.Event(f.now, &seen)
	}
}

// showColumn shows values of one second to those who look.
func (f *folding) showColumn(tab *store.Tab, client string, second int64, values []float64) {
	f.viewers.Numbers(f.now, &trail.Event{Door: f.door.Name, Name: tab.Name, Type: tab.Type, Client: client, Time: float64(second)}, values)
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
func (f *folding) times(b *state.Bundle, events []state.Event) []state.Event {
	limit := f.now + f.tolerance
	kept := 0
	for i := range events {
		t := events[i].Time
		switch {
		case t <= limit && t >= -math.MaxFloat64:
		case t > limit && t <= math.MaxFloat64:
			events[i].Time = f.now
			f.clamp(b.Tab, b.Client, events[i].Count())
		default: // NaN or infinite
			f.drop(b.Tab, b.Client, "", refusedNotFinite, events[i].Count())
			continue
		}
		if kept != i {
			events[kept] = events[i]
		}
		kept++
	}
	return events[:kept]
}
