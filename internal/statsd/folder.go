package statsd

import (
	"cmp"
	"math"
	"slices"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire/statsdtext"
	"github.com/tabaproject/taba/state"
)

// A folder folds the batches that a lane gathered since the last commit. It
// goes over their series and not over the batches: finding a State costs more
// than folding what a second has for it. It belongs to the committer.
type folder struct {
	cursors []cursor
	events  []state.Event
	column  []float64
	refuse  func(event int, why state.Reason)
	refused func(s *series, e *state.Event, why state.Reason)
	folded  func()  // called after each series
	s       *series // that is folded
	bundle  state.Bundle
}

// A cursor goes over the series of a batch, in the order of their index.
type cursor struct {
	*batch
	next   int     // in touched
	sorted []value // the values by series, those of one as they came
	left   []value // the end of sorted, from next on
}

func newFolder(refused func(*series, *state.Event, state.Reason), folded func()) *folder {
	f := &folder{refused: refused, folded: folded}
	f.refuse = func(i int, why state.Reason) { f.refused(f.s, &f.events[i], why) }
	return f
}

// fold folds batches of one lane, oldest first, into acc and empties them. What
// is in acc when it calls folded may be committed.
func (f *folder) fold(batches []*batch, acc *fold.Accumulator) {
	if len(batches) == 0 {
		return
	}
	f.place(batches)
	all := batches[len(batches)-1].series // of earlier ones it has the beginning
	for i := f.least(); i != math.MaxUint32; i = f.least() {
		f.series(i, all[i], acc)
		f.folded()
	}
	for _, b := range batches {
		f.foldMembers(b, acc)
		f.foldDated(b, acc)
		b.clear()
	}
}

// place puts a cursor before the first series of each batch.
func (f *folder) place(batches []*batch) {
	for len(f.cursors) < len(batches) {
		f.cursors = append(f.cursors, cursor{})
	}
	clear(f.cursors[len(batches):]) // memory that is not needed any more
	f.cursors = f.cursors[:len(batches)]
	for k, b := range batches {
		f.cursors[k].place(b)
	}
}

func (c *cursor) place(b *batch) {
	slices.Sort(b.touched)
	c.batch, c.next = b, 0
	if cap(c.sorted) > 8*len(b.values)+1<<12 {
		c.sorted = nil
	}
	c.sorted = slices.Grow(c.sorted[:0], len(b.values))[:len(b.values)]
	c.left = c.sorted
	if len(b.values) > 0 {
		c.sort()
	}
}

// least returns the least series that a cursor is before.
func (f *folder) least() uint32 {
	least := uint32(math.MaxUint32)
	for k := range f.cursors {
		if c := &f.cursors[k]; c.next < len(c.touched) {
			least = min(least, c.touched[c.next])
		}
	}
	return least
}

// sort sorts the values of the batch.
func (c *cursor) sort() {
	at := uint32(0)
	for _, i := range c.touched { // more becomes where the values go, and then is restored
		h := &c.heads[i]
		h.more, at = at, at+h.more
	}
	for _, v := range c.values {
		h := &c.heads[v.series]
		c.sorted[h.more] = v
		h.more++
	}
	at = 0
	for _, i := range c.touched {
		h := &c.heads[i]
		h.more, at = h.more-at, h.more
	}
}

// take returns what the batch has for series i, if that is next.
func (c *cursor) take(i uint32) (h *head, values []value) {
	if c.next == len(c.touched) || c.touched[c.next] != i {
		return nil, nil
	}
	c.next++
	h = &c.heads[i]
	values, c.left = c.left[:h.more], c.left[h.more:]
	return h, values
}

// series folds what the batches have for a series.
func (f *folder) series(i uint32, s *series, acc *fold.Accumulator) {
	f.events = f.events[:0]
	var slot fold.Slot
	var now float64
	for k := range f.cursors {
		c := &f.cursors[k]
		h, values := c.take(i)
		if h == nil {
			continue
		}
		now = c.now
		switch {
		case s.kind == statsdtext.Gauge:
			f.gauge(s, h, now)
		case len(values) >= shortestColumn && f.columnOf(h, values) && acc.Columnar(s.typ):
			if slot.IsZero() {
				slot = acc.Slot(store.Tab{Name: s.tab, Type: s.typ}, s.client)
			}
			acc.FoldColumn(slot, int64(math.Floor(now)), f.column)
		default:
			f.event(now, h.value, h.weight)
			for _, v := range values {
				f.event(now, v.value, uint64(v.weight))
			}
		}
		*h = head{}
	}
	s.used.Store(int64(now))
	if len(f.events) > 0 {
		f.foldEvents(now, s, acc)
	}
}

// shortestColumn is how many values are worth a column.
const shortestColumn = 4

// columnOf makes a column of the values of a series if each is of one event.
func (f *folder) columnOf(h *head, values []value) bool {
	if h.weight != 1 {
		return false
	}
	f.column = append(f.column[:0], h.value)
	for _, v := range values {
		if v.weight != 1 {
			return false
		}
		f.column = append(f.column, v.value)
	}
	return true
}

// gauge makes an event of what a gauge was last.
func (f *folder) gauge(s *series, h *head, now float64) {
	if h.set {
		s.gauge = 0
	}
	s.gauge += h.value
	f.event(now, s.gauge, h.weight)
}

func (f *folder) event(at, v float64, n uint64) {
	f.events = append(f.events, state.Event{Time: at, Value: v, Number: true, Weight: n})
}

// foldEvents folds f.events, which are of one series.
func (f *folder) foldEvents(now float64, s *series, acc *fold.Accumulator) {
	f.s = s
	f.bundle = state.Bundle{Tab: s.tab, Client: s.client, Events: f.events}
	acc.Fold(now, "", s.typ, &f.bundle, f.refuse)
}

func (f *folder) foldMembers(b *batch, acc *fold.Accumulator) {
	slices.SortStableFunc(b.members, func(x, y member) int { return cmp.Compare(x.series, y.series) })
	for rest := b.members; len(rest) > 0; {
		i := rest[0].series
		f.events = f.events[:0]
		for len(rest) > 0 && rest[0].series == i {
			f.events = append(f.events, state.Event{Time: b.now, JSON: b.texts[rest[0].from:rest[0].to]})
			rest = rest[1:]
		}
		f.touch(b, i)
		f.foldEvents(b.now, b.series[i], acc)
		f.folded()
	}
}

func (f *folder) foldDated(b *batch, acc *fold.Accumulator) {
	for _, d := range b.dated {
		f.events = f.events[:0]
		f.event(d.time, d.value.value, uint64(d.weight))
		f.touch(b, d.series)
		f.foldEvents(b.now, b.series[d.series], acc)
		f.folded()
	}
}

// touch notes that a series is in use.
func (f *folder) touch(b *batch, i uint32) { b.series[i].used.Store(int64(b.now)) }
