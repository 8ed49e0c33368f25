package builtin

import (
	"math"

	"github.com/tabaproject/taba/state"
)

func ringsOf(list []geometry) []state.Ring {
	rings := make([]state.Ring, len(list))
	for i, g := range list {
		rings[i] = state.Ring{Width: g.width, Size: g.size}
	}
	return rings
}

const (
	sums    = state.Counts | state.Totals
	spreads = sums | state.Spread
)

// distSlices are slices of distributions of which no more than limit values
// are exact.
type distSlices struct {
	series[dist, *dist]
	limit int
	add   func(s *distSlices, from state.State) (reach int64, ok bool)
}

func newDistSlices(w state.Window, rings []state.Ring, limit int, add func(*distSlices, state.State) (int64, bool)) *distSlices {
	return &distSlices{series: *newSeries[dist](w, rings), limit: limit, add: add}
}

func (s *distSlices) Add(from state.State) (reach int64, ok bool) { return s.add(s, from) }

// dist adds one distribution to another, as much of it as is needed.
func (s *distSlices) dist(dst, src *dist) {
	if s.window.Need&state.Spread != 0 {
		dst.merge(src, s.limit)
		return
	}
	dst.count = addCount(dst.count, src.count)
	dst.total.merge(src.total)
}

// life adds the distribution of all events ever.
func (s *distSlices) life(src *dist) (reach int64, ok bool) {
	if src.count > 0 {
		s.dist(s.at(0), src)
	}
	return math.MinInt64, true
}

func (s *distSlices) Merge(o state.Slices) { s.merge(&o.(*distSlices).series, s.dist) }

func (s *distSlices) Size() int {
	n := 128
	for i := range s.list {
		n += 72 + s.list[i].size()
	}
	return n
}

// cellSlices are slices of counts and totals.
type cellSlices struct {
	series[cell, *cell]
	add func(s *cellSlices, from state.State) (reach int64, ok bool)
}

func (s *cellSlices) Add(from state.State) (reach int64, ok bool) { return s.add(s, from) }

func (s *cellSlices) Merge(o state.Slices) { s.merge(&o.(*cellSlices).series, mergeCells) }

func (s *cellSlices) Size() int { return 128 + 24*cap(s.list) }

var counterGroupRings = ringsOf(counterRings[:])

// Rings implements state.Windowing.
func (CounterGroup) Rings() []state.Ring { return counterGroupRings }

// Tells implements state.Windowing: values are remembered of all events
// together.
func (CounterGroup) Tells(ever bool) state.Facts {
	if ever {
		return spreads
	}
	return sums | state.Slicing
}

// NewSlices implements state.Windowing.
func (CounterGroup) NewSlices(w state.Window) state.Slices {
	if w.Ring == state.Ever {
		return newDistSlices(w, counterGroupRings, counterGroupExact, func(s *distSlices, from state.State) (int64, bool) {
			g := from.(*counterGroup)
			g.settle()
			return s.life(&g.life)
		})
	}
	return &cellSlices{series: *newSeries[cell](w, counterGroupRings), add: func(s *cellSlices, from state.State) (int64, bool) {
		g := from.(*counterGroup)
		g.settle()
		return addBuckets(&s.series, g.rings[w.Ring], mergeCells)
	}}
}

var percentileGroupRings = ringsOf(percentileRings[:])

// Rings implements state.Windowing.
func (PercentileGroup) Rings() []state.Ring { return percentileGroupRings }

// Tells implements state.Windowing: what is older than a day is forgotten.
func (PercentileGroup) Tells(ever bool) state.Facts {
	if ever {
		return 0
	}
	return spreads | state.Slicing
}

// NewSlices implements state.Windowing.
func (PercentileGroup) NewSlices(w state.Window) state.Slices {
	return newDistSlices(w, percentileGroupRings, percentileGroupExact, func(s *distSlices, from state.State) (int64, bool) {
		if w.Ring == state.Ever {
			return math.MinInt64, true
		}
		return addBuckets(&s.series, from.(*percentileGroup).rings[w.Ring], s.dist)
	})
}

// Rings implements state.Windowing: a PercentileCounter keeps no times.
func (PercentileCounter) Rings() []state.Ring { return nil }

// Tells implements state.Windowing.
func (PercentileCounter) Tells(ever bool) state.Facts {
	if ever {
		return spreads
	}
	return 0
}

// NewSlices implements state.Windowing.
func (PercentileCounter) NewSlices(w state.Window) state.Slices {
	return newDistSlices(w, nil, percentileCounterExact, func(s *distSlices, from state.State) (int64, bool) {
		return s.life(&from.(*percentileCounter).life)
	})
}

// Rings implements state.Windowing: a TotalsCounter keeps no times.
func (TotalsCounter) Rings() []state.Ring { return nil }

// Tells implements state.Windowing.
func (TotalsCounter) Tells(ever bool) state.Facts {
	if ever {
		return sums
	}
	return 0
}

// NewSlices implements state.Windowing.
func (TotalsCounter) NewSlices(w state.Window) state.Slices {
	return &cellSlices{series: *newSeries[cell](w, nil), add: func(s *cellSlices, from state.State) (int64, bool) {
		if t := from.(*totalsCounter); t.n > 0 {
			s.at(0).merge(&t.cell)
		}
		return math.MinInt64, true
	}}
}

var uniqueRings = []state.Ring{{Width: uniqueWidth, Size: uniqueAges}}

// Rings implements state.Windowing.
func (Unique) Rings() []state.Ring { return uniqueRings }

// Tells implements state.Windowing. Of a value only the last time is known: a
// window of it reaches to the newest event.
func (Unique) Tells(ever bool) state.Facts {
	if ever {
		return state.Counts | state.Distinct
	}
	return state.Distinct
}

// NewSlices implements state.Windowing.
func (Unique) NewSlices(w state.Window) state.Slices { return &uniqueSlices{window: w} }

// uniqueSlices is a Unique that was merged from others.
type uniqueSlices struct {
	window state.Window
	sum    unique
}

func (s *uniqueSlices) Add(from state.State) (reach int64, ok bool) {
	u := from.(*unique)
	if s.window.Ring == state.Ever || u.n == 0 {
		s.sum.Merge(u)
		return math.MinInt64, true
	}
	if reach = u.newest - uniqueAges + 1; reach > s.window.First {
		return reach, false
	}
	s.sum.Merge(u) // also what ends before the window: how exact a sum is must not depend on how it was made
	return reach, true
}

func (s *uniqueSlices) Merge(o state.Slices) { s.sum.Merge(&o.(*uniqueSlices).sum) }

func (s *uniqueSlices) End() int64 {
	if s.window.Ring == state.Ever || s.empty() {
		return s.window.First
	}
	return s.sum.newest + 1
}

// empty reports whether nothing was seen in the window.
func (s *uniqueSlices) empty() bool {
	return s.sum.n == 0 || s.window.Ring != state.Ever && s.sum.newest < s.window.First
}

func (s *uniqueSlices) Len() int {
	if s.empty() {
		return 0
	}
	return 1
}

func (s *uniqueSlices) At(int) state.Slice { return s }

func (s *uniqueSlices) Size() int { return 64 + s.sum.Size() }

// Count implements state.Slice, for all events that there have been.
func (s *uniqueSlices) Count() uint64 { return s.sum.n }

// Total implements state.Slice: a Unique has none.
func (s *uniqueSlices) Total() float64 { return 0 }

// Extremes implements state.Slice: a Unique has none.
func (s *uniqueSlices) Extremes() (least, greatest float64) { return 0, 0 }

// Quantile implements state.Slice: a Unique has none.
func (s *uniqueSlices) Quantile(float64) (value, bound float64) { return 0, 0 }

// Distinct implements state.Slice.
func (s *uniqueSlices) Distinct() (n, standardError float64) {
	below := uint32(uniqueOld + 1)
	if s.window.Ring != state.Ever {
		below = uint32(min(s.sum.newest-s.window.First+1, uniqueAges))
	}
	return s.sum.distinct(below)
}

// distinct returns how many different values there are with ages below one.
func (s *unique) distinct(below uint32) (n, standardError float64) {
	if s.sketched {
		return float64(s.cells.counts(&[5]uint32{4: below})[4]), cellsError
	}
	for _, age := range s.ages {
		if uint32(age) < below {
			n++
		}
	}
	return n, 0
}
