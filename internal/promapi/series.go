package promapi

import (
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// oneSeries is a storage.Series of one metric: numbers or histograms at times,
// and in between, where something is counted, as many as a query needs.
type oneSeries struct {
	labels labels.Labels
	tab    string
	times  []int64
	values []float64     // of numbers
	spread *distribution // of histograms
	grid   grid
}

func (s *oneSeries) Labels() labels.Labels { return s.labels }

// Iterator implements storage.Series.
func (s *oneSeries) Iterator(chunkenc.Iterator) chunkenc.Iterator {
	return storage.NewListSeriesIterator(s.points())
}

// between is what had been counted so far between two moments, if it happened
// evenly.
func between(a, b, part float64) float64 {
	if part == 0 || a == b {
		return a
	}
	v := a + (b-a)*part
	if b > a {
		return min(v, b)
	}
	return v
}

// A grid is the moments besides its own at which a counter is told: those at
// which a query is evaluated and those at which their ranges begin, so that an
// increase is that of the range and nothing has to be guessed.
type grid struct {
	first, step, last int64 // ms; step 0: there is only first
	before            int64 // the others are so much before these; 0: there are none
	none              bool
}

// newGrid returns the grid of a selector.
func newGrid(hints *storage.SelectHints) grid {
	if hints == nil || hints.Range == 0 {
		return grid{none: true}
	}
	return grid{first: hints.Start + hints.Range - 1, step: hints.Step, last: hints.End, before: hints.Range - 1}
}

// newEvenGrid returns four moments for each range, whichever it is, as far as
// they are not too many. It is for subqueries, which evaluate at moments of
// their own, and for histograms that the engine has to take the rate of, which
// costs more than to have what PromQL extrapolates exactly is worth.
func newEvenGrid(hints *storage.SelectHints) grid {
	if hints == nil || hints.Range == 0 {
		return grid{none: true}
	}
	step := max(hints.Range/4, (hints.End-hints.Start)/maxPoints, 1)
	first := hints.Start + (step-hints.Start%step)%step
	return grid{first: first, step: step, last: hints.End}
}

// count is about how many moments there are between two.
func (g *grid) count(from, to int64) int {
	if g.none || g.step <= 0 {
		return 2
	}
	from, to = max(from, g.first-g.before), min(to, g.last)
	return 2 * int(max(to-from, 0)/g.step+2)
}

// after returns the first moment of the grid behind t.
func (g *grid) after(t int64) int64 {
	if g.none {
		return math.MaxInt64
	}
	next := g.behind(t)
	if g.before > 0 {
		if early := g.behind(t + g.before); early != math.MaxInt64 {
			next = min(next, early-g.before)
		}
	}
	return next
}

func (g *grid) behind(t int64) int64 {
	next := g.first
	if t >= g.first {
		if g.step <= 0 {
			return math.MaxInt64
		}
		next += ((t-g.first)/g.step + 1) * g.step
	}
	if next > g.last {
		return math.MaxInt64
	}
	return next
}

// points returns the samples of a series: its own and, from the first to the
// last of them, those of the grid.
func (s *oneSeries) points() points {
	if len(s.times) == 0 {
		return nil
	}
	list := make(points, 0, len(s.times)+s.grid.count(s.times[0], s.times[len(s.times)-1]))
	for i, t := range s.times[:len(s.times)-1] {
		list = append(list, point{s: s, t: t, i: i})
		next := s.times[i+1]
		for between := s.grid.after(t); between < next; between = s.grid.after(between) {
			list = append(list, point{s: s, t: between, i: i, part: float64(between-t) / float64(next-t)})
		}
	}
	last := len(s.times) - 1
	return append(list, point{s: s, t: s.times[last], i: last})
}

// point is a chunks.Sample.
type point struct {
	s    *oneSeries
	t    int64
	i    int     // of the series' times, the one at or before t
	part float64 // of the way to the next
}

// T implements chunks.Sample.
func (p *point) T() int64 { return p.t }

// ST implements chunks.Sample.
func (p *point) ST() int64 { return 0 }

// F implements chunks.Sample.
func (p *point) F() float64 {
	if p.part == 0 {
		return p.s.values[p.i]
	}
	return between(p.s.values[p.i], p.s.values[p.i+1], p.part)
}

// H implements chunks.Sample: the counts of histograms are floats here.
func (p *point) H() *histogram.Histogram { return nil }

// FH implements chunks.Sample.
func (p *point) FH() *histogram.FloatHistogram { return p.s.spread.at(moment{p.i, p.part}) }

// Type implements chunks.Sample.
func (p *point) Type() chunkenc.ValueType {
	if p.s.spread != nil {
		return chunkenc.ValFloatHistogram
	}
	return chunkenc.ValFloat
}

// Copy implements chunks.Sample: nothing changes a point.
func (p *point) Copy() chunks.Sample { return p }

// points are storage.Samples.
type points []point

// Get implements storage.Samples.
func (p points) Get(i int) chunks.Sample { return &p[i] }

// Len implements storage.Samples.
func (p points) Len() int { return len(p) }
