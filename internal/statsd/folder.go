package statsd

import (
	"cmp"
	"math"
	"slices"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/trail"
	"github.com/tabaproject/taba/internal/wire/statsdtext"
	"github.com/tabaproject/taba/state"
)

// A folder folds the batches that a lane gathered since the last commit. It
// goes over their series and not over the batches: finding a State costs more
// than folding what a second has for it. It belongs to the committer.
type folder struct {
	cursors []cursor
	events  []state.Event
	refuse  func(event int, why state.Reason)
	refused func(s *series, e *state.Event, why state.Reason)
	folded  func()  // called after each series
	s       *series // that is folded
	bundle  state.Bundle
	viewers trail.Viewers // of what is folded
}

// A cursor goes over the series of a batch, in the order of their index.
type cursor struct {
	*batch
	next    int       // in touched
	column  []float64 // values by series, those of one as they came
	values  []float64 // the end of column, from next on
	heavier []weighed // likewise of weighed
	weighed []weighed
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
	c.batch, c.next = b, 0
	slices.Sort(b.touched)
	c.column = sized(c.column, len(b.values))
	c.heavier = sized(c.heavier, len(b.weighed))
	c.sort()
	c.values, c.weighed = c.column, c.heavier
}

// sized returns a list of n elements, with the memory of list if that is not
// much too large.
func sized[T any](list []T, n int) []T {
	if cap(list) > 8*n+1<<12 {
		list = nil
	}
	return slices.Grow(list[:0], n)[:n]
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

// sort sorts the lists of the batch by series: it counts where those of each
// begin, and how many there are is found again from where they end.
func (c *cursor) sort() {
	if len(c.column)+len(c.heavier) == 0 {
		return
	}
	var values, weighed uint32
	for _, i := range c.touched {
		h := &c.heads[i]
		h.values, values = values, values+h.values
		h.weighed, weighed = weighed, weighed+h.weighed
	}
	for k, v := range c.batch.values {
		h := &c.heads[c.owners[k]]
		c.column[h.values] = v
		h.values++
	}
	for _, v := range c.batch.weighed {
		h := &c.heads[v.series]
		c.heavier[h.weighed] = v
		h.weighed++
	}
	values, weighed = 0, 0
	for _, i := range c.touched {
		h := &c.heads[i]
		h.values, values = h.values-values, h.values
		h.weighed, weighed = h.weighed-weighed, h.weighed
	}
}

// A second is what a batch has for a series.
type second struct {
	head
	now     float64
	values  []float64
	weighed []weighed
}

// take returns what the batch has for series i, if that is next, and empties
// its head.
func (c *cursor) take(i uint32) (s second, ok bool) {
	if c.next == len(c.touched) || c.touched[c.next] != i {
		return second{}, false
	}
	c.next++
	h := &c.heads[i]
	s = second{*h, c.now, c.values[:h.values], c.weighed[:h.weighed]}
	c.values, c.weighed = c.values[h.values:], c.weighed[h.weighed:]
	*h = head{}
	return s, true
}

// series folds what the batches have for a series.
func (f *folder) series(i uint32, s *series, acc *fold.Accumulator) {
	f.events = f.events[:0]
	var slot fold.Slot
	var now float64
	for k := range f.cursors {
		in, ok := f.cursors[k].take(i)
		if !ok {
			continue
		}
		now = in.now
		if s.kind == statsdtext.Gauge {
			f.gauge(s, &in)
			continue
		}
		if len(in.values) >= shortestColumn && acc.Columnar(s.typ) {
			if slot.IsZero() {
				slot = acc.Slot(store.Tab{Name: s.tab, Type: s.typ}, s.client)
			}
			acc.FoldColumn(slot, int64(math.Floor(now)), in.values)
			if f.viewers != nil {
				f.showColumn(now, s, in.values)
			}
			in.values = nil
		}
		f.numbers(&in)
	}
	s.used.Store(int64(now))
	if len(f.events) > 0 {
		f.foldEvents(now, s, acc)
	}
}

// shortestColumn is how many values are worth a column.
const shortestColumn = 4

// numbers makes events of the numbers of a second.
func (f *folder) numbers(in *second) {
	if in.weight > 0 {
		f.event(in.now, in.value, in.weight)
	}
	for _, v := range in.values {
		f.event(in.now, v, 1)
	}
	for _, v := range in.weighed {
		f.event(in.now, v.value, uint64(v.weight))
	}
}

// gauge makes an event of what a gauge was last.
func (f *folder) gauge(s *series, in *second) {
	if in.set {
		s.gauge = 0
	}
	s.gauge += in.value
	f.event(in.now, s.gauge, in.weight)
}

func (f *folder) event(at, v float64, n uint64) {
	f.events = append(f.events, state.Event{Time: at, Value: v, Number: true, Weight: n})
}

// foldEvents folds f.events, which are of one series.
func (f *folder) foldEvents(now float64, s *series, acc *fold.Accumulator) {
	f.s = s
	f.bundle = state.Bundle{Tab: s.tab, Client: s.client, Events: f.events}
	acc.Fold(now, "", s.typ, &f.bundle, f.refuse)
	if f.viewers != nil {
		f.show(now, s)
	}
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
		f.event(d.time, d.value, uint64(d.weight))
		f.touch(b, d.series)
		f.foldEvents(b.now, b.series[d.series], acc)
		f.folded()
	}
}

// touch notes that a series is in use.
func (f *folder) touch(b *batch, i uint32) { b.series[i].used.Store(int64(b.now)) }
