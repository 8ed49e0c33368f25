package builtin

import (
	"math"

	"github.com/tabaproject/taba/state"
)

// series adds up what the buckets of States say about a window. A slice is
// what several buckets say together, or one that was not divided yet.
type series[T any, P interface {
	*T
	reset()
	state.Slice
}] struct {
	window state.Window
	size   int64 // of the ring
	list   []T   // of the slices from first on
	first  int64 // id of the window's first bucket, in slices
	end    int64
}

func newSeries[T any, P interface {
	*T
	reset()
	state.Slice
}](w state.Window, rings []state.Ring) *series[T, P] {
	s := &series[T, P]{window: w, end: w.First}
	if w.Ring != state.Ever {
		s.size = rings[w.Ring].Size
	}
	if w.Step > 0 {
		s.first = floorDiv(w.First, w.Step)
	}
	return s
}

// at returns the place of a bucket, made if need be.
func (s *series[T, P]) at(id int64) P {
	i := int64(0)
	if s.window.Step > 0 {
		i = floorDiv(id, s.window.Step) - s.first
	}
	for int64(len(s.list)) <= i {
		var fresh T
		P(&fresh).reset()
		s.list = append(s.list, fresh)
	}
	return &s.list[i]
}

// addBuckets adds the buckets of the window in r, which is of s's ring.
func addBuckets[T any, P interface {
	*T
	reset()
	state.Slice
}, B any, R interface {
	*B
	reset()
}](s *series[T, P], r ring[B, R], add func(dst P, src R)) (reach int64, ok bool) {
	if len(r) == 0 {
		return math.MinInt64, true
	}
	if reach = r.newest() - s.size + 1; reach > s.window.First {
		return reach, false
	}
	r = r[r.after(s.window.First-1):]
	for i := range r {
		if r[i].id >= s.window.End {
			break
		}
		add(s.at(r[i].id), &r[i].v)
		s.end = max(s.end, r[i].id+1)
	}
	return reach, true
}

// merge adds o with add.
func (s *series[T, P]) merge(o *series[T, P], add func(dst, src P)) {
	for i := range o.list {
		add(s.at((s.first+int64(i))*max(s.window.Step, 1)), &o.list[i])
	}
	s.end = max(s.end, o.end)
}

func (s *series[T, P]) End() int64 { return s.end }

func (s *series[T, P]) Len() int { return len(s.list) }

func (s *series[T, P]) At(i int) state.Slice { return P(&s.list[i]) }

// Count implements state.Slice.
func (c *cell) Count() uint64 { return c.n }

// Total implements state.Slice.
func (c *cell) Total() float64 { return c.total.hi }

// Extremes implements state.Slice: a cell does not know them.
func (c *cell) Extremes() (least, greatest float64) { return 0, 0 }

// Quantile implements state.Slice: a cell does not know any.
func (c *cell) Quantile(float64) (value, bound float64) { return 0, 0 }

// Distinct implements state.Slice: a cell does not know it.
func (c *cell) Distinct() (n, standardError float64) { return 0, 0 }

// Count implements state.Slice.
func (d *dist) Count() uint64 { return d.count }

// Total implements state.Slice.
func (d *dist) Total() float64 { return d.total.hi }

// Extremes implements state.Slice.
func (d *dist) Extremes() (least, greatest float64) { return d.extremes() }

// Quantile implements state.Slice.
func (d *dist) Quantile(q float64) (value, bound float64) { return d.quantile(q) }

// Distinct implements state.Slice: a distribution does not tell it.
func (d *dist) Distinct() (n, standardError float64) { return 0, 0 }
