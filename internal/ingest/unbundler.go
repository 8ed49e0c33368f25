package ingest

import (
	"errors"
	"math"
	"net/http"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/trail"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
)

// refusedState is the reason for Partials that do not decode.
const refusedState = "state"

// unbundler decodes v2 Batches of events and folds them, of one stream or of
// one POST after the other. Of each series it remembers where its columns go,
// so that a bundle costs no look-up by name. What is not columns of numbers
// goes the way of v1's events.
type unbundler struct {
	folding
	dec    *wire.BatchDecoder
	slots  []slot         // by number of series
	round  uint32         // of those slots that are good for the accumulator
	ahead  []wire.Columns // bundles that are folded together
	warm   uint64         // see touch
	column [1024]float64
	single state.Bundle        // scratch
	text   []byte              // scratch: payloads
	asked  claim               // of series; made before anything of them is folded
	fresh  map[string]struct{} // tabs that it has taken
}

// together is how many bundles are read before the first of them is folded:
// about as many loads from memory as a processor keeps in flight.
const together = 16

// slot is what is known of a series in one round.
type slot struct {
	fold.Slot        // zero until the first column came
	round     uint32 // in which all of this is so
	slow      bool   // it takes no columns
}

func newUnbundler(types TypeTable, o *Options) *unbundler {
	u := &unbundler{
		folding: newFolding(types, o),
		dec:     wire.NewBatchDecoder(o.Limits.Text.Name),
		ahead:   make([]wire.Columns, together),
		round:   1,
		asked:   claim{q: o.Quota},
		fresh:   make(map[string]struct{}),
	}
	u.folding.claim = claim{} // what it meets was asked for
	return u
}

// begin folds what follows into acc, which is empty.
func (u *unbundler) begin(acc *fold.Accumulator, now float64) {
	u.folding.begin(acc, now)
	u.round++
}

// end lets go of the accumulator.
func (u *unbundler) end() {
	u.asked.settle()
	clear(u.fresh)
	u.folding.end()
	clear(u.ahead) // of what was read
	if u.round == math.MaxUint32 {
		clear(u.slots)
		u.round = 1
	}
}

// reset forgets names and series.
func (u *unbundler) reset() {
	u.dec.Reset()
	if cap(u.slots) > maxSeen {
		u.slots = nil
	}
	clear(u.slots)
	u.slots = u.slots[:0]
	if cap(u.text) > maxSpareText {
		u.text = nil
	}
}

const maxSpareText = 64 << 10

// size is the memory held for names and series, in bytes.
func (u *unbundler) size() int {
	const perSlot = 32
	return u.dec.Size() + perSlot*cap(u.slots) + cap(u.text)
}

// check looks at a Batch as a whole, and declares what it declares.
func (u *unbundler) check(m []byte) error {
	forgot, err := u.dec.Begin(m)
	if err != nil {
		return unbatched(err)
	}
	if forgot {
		u.slots = u.slots[:0]
	}
	return u.declare()
}

// declare makes room for new series, and asks for their States and tabs.
func (u *unbundler) declare() error {
	series := u.dec.Series()
	n, before := len(u.slots), u.asked.tabs
	for len(u.slots) < len(series) {
		u.slots = append(u.slots, slot{})
	}
	if u.asked.q == nil {
		return nil
	}
	for ; n < len(series); n++ {
		if o := u.admit(&series[n]); o != nil {
			u.asked.cancel(before)
			clear(u.fresh)
			return u.asked.q.refuse(o)
		}
	}
	return nil
}

// admit asks for a series.
func (u *unbundler) admit(s *wire.Series) *over {
	tab := store.Tab{Name: s.Tab, Type: s.Type}
	have, known := u.typeOf(s.Tab)
	if known {
		tab.Type = have
	} else if _, known = u.fresh[s.Tab]; !known {
		u.fresh[s.Tab] = struct{}{}
		return u.asked.tab(tab, s.Client)
	}
	return u.asked.state(tab, s.Client)
}

// unbatched is the answer to a Batch that is malformed or over a limit.
func unbatched(err error) error {
	var name *wire.LimitError
	var series *wire.SeriesLimitError
	switch {
	case errors.As(err, &name):
		e := refuse(http.StatusRequestEntityTooLarge, reasonName, "%v", err)
		e.tab = name.Name
		return e
	case errors.As(err, &series):
		return refuse(http.StatusRequestEntityTooLarge, reasonSeries, "%v", err)
	}
	return err
}

// fold folds the Batch that was checked, unless room says that there is no
// memory for what came of it so far.
func (u *unbundler) fold(room func() bool) error {
	const every = 256 // bundles between looks
	for n := 0; ; {
		if some := u.dec.Bundles(u.ahead); some > 0 {
			u.touch(u.ahead[:some])
			for i := range some {
				u.columns(&u.ahead[i])
			}
			n += some
		} else {
			switch u.dec.Next() {
			case wire.FoundEnd:
				return nil
			case wire.FoundBundle: // Bundles has left none
				u.columns(&u.dec.Bundle)
			case wire.FoundPartial:
				u.partial(&u.dec.Partial)
			}
			n++
		}
		if n >= every {
			if n = 0; !room() {
				return errCapacity
			}
		}
	}
}

// touch reads the memory that bundles will be folded into. A State that was not
// used for a while takes longer to come from memory than a small bundle takes
// to fold (BenchmarkUnbundle); those of several bundles come together.
func (u *unbundler) touch(bundles []wire.Columns) {
	for i := range bundles {
		if s := &u.slots[bundles[i].Series]; s.round == u.round && !s.IsZero() {
			u.warm += s.Touch()
		}
	}
}

// bytesOfValue is what a value of a column takes on the wire and in memory.
const bytesOfValue = 8

// columns folds a bundle: column by column if it is nothing else.
func (u *unbundler) columns(c *wire.Columns) {
	s := &u.slots[c.Series]
	if s.round != u.round || !s.slow && s.IsZero() { // since then its tab may have got another Type
		*s = slot{round: u.round, slow: !u.columnar(c.Series)}
	}
	if s.slow || c.Weighted() || c.Eventful() {
		u.eventful(c)
		return
	}
	limit := math.Floor(u.now + u.tolerance)
	for second, n := c.NextRun(); n > 0; second, n = c.NextRun() {
		if float64(second) > limit {
			second = int64(math.Floor(u.now))
			name := &u.dec.Series()[c.Series]
			u.clamp(name.Tab, name.Client, uint64(n))
		}
		for n > 0 {
			values := u.column[:min(n, len(u.column))]
			u.copied += uint64(bytesOfValue * len(values))
			n -= len(values)
			if !c.Floats(values) {
				if values = u.finite(c.Series, values); len(values) == 0 {
					continue
				}
			}
			if s.IsZero() {
				if s.Slot = u.slot(c.Series); s.IsZero() {
					u.late(c.Series, second, values)
					continue
				}
			}
			u.acc.FoldColumn(s.Slot, second, values)
			u.events += uint64(len(values))
			if u.viewers != nil {
				u.showSeries(c.Series, second, values)
			}
		}
	}
}

// finite returns the values without those that are not.
func (u *unbundler) finite(series uint32, values []float64) []float64 {
	kept := values[:0]
	for _, v := range values {
		if v-v == 0 {
			kept = append(kept, v)
		}
	}
	name := &u.dec.Series()[series]
	u.drop(name.Tab, name.Client, name.Type, refusedNotFinite, uint64(len(values)-len(kept)))
	return kept
}

// showSeries shows values of a series to those who look.
func (u *unbundler) showSeries(series uint32, second int64, values []float64) {
	name := &u.dec.Series()[series]
	tab := store.Tab{Name: name.Tab, Type: name.Type}
	if have, known := u.typeOf(name.Tab); known {
		tab.Type = have
	}
	u.showColumn(&tab, name.Client, second, values)
}

// columnar reports whether events of a series can be folded as columns. If
// there is anything wrong with its names, the way of events refuses them.
func (u *unbundler) columnar(series uint32) bool {
	name := &u.dec.Series()[series]
	if name.Tab == "" || !within(u.alphabet, name.Tab) || !within(u.alphabet, name.Client) {
		return false
	}
	typ, known := u.typeOf(name.Tab)
	if !known {
		typ = name.Type
	}
	return u.acc.Columnar(typ)
}

// slot returns where the columns of a series go. That is nowhere if somebody else
// has just made its tab with a Type that takes no columns.
func (u *unbundler) slot(series uint32) fold.Slot {
	name := &u.dec.Series()[series]
	typ, known := u.typeOf(name.Tab)
	if !known {
		typ = name.Type
		u.remember(name.Tab, typ)
	}
	if !u.acc.Columnar(typ) {
		return fold.Slot{}
	}
	return u.acc.Slot(store.Tab{Name: name.Tab, Type: typ}, name.Client)
}

// late folds the values of a column as events.
func (u *unbundler) late(series uint32, second int64, values []float64) {
	e := u.single.Events[:0]
	for _, v := range values {
		e = append(e, state.Event{Time: float64(second), Value: v, Number: true})
	}
	u.one(&u.dec.Series()[series], e)
}

// most is how many events of a bundle are folded at once, as of a v1 body's.
const most = 50_000

// eventful folds a bundle event by event.
func (u *unbundler) eventful(c *wire.Columns) {
	name := &u.dec.Series()[c.Series]
	u.text = u.text[:0]
	e := u.single.Events[:0]
	flush := func() {
		u.one(name, e)
		u.text, e = u.text[:0], e[:0]
	}
	for second, n := c.NextRun(); n > 0; second, n = c.NextRun() {
		for range n {
			c.Floats(u.column[:1])
			e = append(e, state.Event{Time: float64(second), Value: u.column[0], Number: true, Weight: c.Weight()})
			if len(e) == most {
				flush()
			}
		}
	}
	for raw, ok := c.NextEvent(); ok; raw, ok = c.NextEvent() {
		v, text, err := raw.AppendEvent(u.text)
		u.text = text
		if err != nil {
			if note := u.drop(name.Tab, name.Client, name.Type, wire.BadPayload, max(raw.Weight, 1)); note != nil {
				note.Detail = err.Error()
			}
			continue
		}
		if e = append(e, v); len(e) == most {
			flush()
		}
	}
	flush()
}

// one folds events of one series, as a bundle, and keeps their memory.
func (u *unbundler) one(name *wire.Series, events []state.Event) {
	if name.Tab == "" {
		u.drop("", name.Client, name.Type, refusedName, count(events))
		return
	}
	u.single = state.Bundle{Tab: name.Tab, Client: name.Client, Events: events}
	u.bundle(name.Type, &u.single)
	clear(events) // of payloads
	u.single.Events = events[:0]
	if cap(events) > maxSeen {
		u.single.Events = nil
	}
}

// partial merges what a client has folded itself.
func (u *unbundler) partial(p *wire.PartialBytes) {
	name := &u.dec.Series()[p.Series]
	if name.Tab == "" || !within(u.alphabet, name.Tab) || !within(u.alphabet, name.Client) {
		u.drop(name.Tab, name.Client, name.Type, refusedName, p.Events)
		return
	}
	moved, err := u.acc.AddPartial(store.Tab{Name: name.Tab, Type: name.Type}, name.Client, p.Events, p.State, u.now+u.tolerance)
	switch {
	case errors.Is(err, fold.ErrUnknownType):
		u.drop(name.Tab, name.Client, name.Type, refusedType, p.Events)
	case err != nil:
		if note := u.drop(name.Tab, name.Client, name.Type, refusedState, p.Events); note != nil {
			note.Detail = err.Error()
		}
	default:
		u.events += p.Events
		if moved > 0 {
			u.clamp(name.Tab, name.Client, moved)
		}
		if u.viewers != nil {
			u.viewers.Event(u.now, &trail.Event{
				Door: u.door.Name, Name: name.Tab, Type: name.Type, Client: name.Client, Time: u.now, Weight: p.Events, Whole: true,
			})
		}
	}
}
