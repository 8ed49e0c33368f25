package promapi

import (
	"math"
	"unsafe"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// A growth is what a distribution grew by in the range before a moment of
// evaluation, as rate or increase says it: the difference of two moments, times
// a factor.
type growth struct {
	d        *distribution
	t        int64 // ms
	from, to moment
	factor   float64 // 0: there were not enough samples to tell
}

// growthSize is the memory of one, in bytes.
const growthSize = int64(unsafe.Sizeof(growth{}))

// growths are what Prometheus's engine would make of the samples of a series of
// histograms at the moments of its grid, each with the range before it. The
// samples of all ranges are gone through once, and only the two at the ends of
// each are looked at.
func (s *oneSeries) growths(length int64, perSecond bool) growthList {
	points := s.points()
	g := s.grid
	list := make(growthList, 0, g.steps())
	lo, hi := 0, 0
	for t := g.first; t <= g.last; t += g.step {
		for hi < len(points) && points[hi].t <= t {
			hi++
		}
		for lo < hi && points[lo].t <= t-length {
			lo++
		}
		x := growth{d: s.spread, t: t}
		if hi-lo > 1 {
			first, last := &points[lo], &points[hi-1]
			x.from, x.to = moment{first.i, first.part}, moment{last.i, last.part}
			x.factor = x.extrapolate(hi-lo-1, seconds(first.t-t+length), seconds(last.t-first.t), seconds(t-last.t))
			if perSecond {
				x.factor /= seconds(length)
			}
		}
		list = append(list, x)
		if g.step <= 0 {
			break
		}
	}
	return list
}

func seconds(ms int64) float64 { return float64(ms) / 1000 }

// steps is how many moments of evaluation there are.
func (g *grid) steps() int64 {
	if g.step <= 0 {
		return 1
	}
	return max(g.last-g.first, 0)/g.step + 1
}

// nearly is how many times the average interval of samples one may be missing
// at an end of a range for the range to be taken as covered.
const nearly = 1.1

// extrapolate returns by how much the increase from the first to the last sample
// in a range is multiplied to be that of the range, as PromQL's rate does it:
// up to the ends of the range if there might have been a sample, and not so far
// that the counter would be negative.
func (x *growth) extrapolate(intervals int, before, sampled, behind float64) float64 {
	if sampled == 0 {
		return 1
	}
	average := sampled / float64(intervals)
	if before >= nearly*average {
		before = average / 2
	}
	count := x.d.count(x.from)
	if grown := x.d.count(x.to) - count; grown > 0 {
		before = min(before, sampled*(count/grown))
	}
	if behind >= nearly*average {
		behind = average / 2
	}
	return (sampled + before + behind) / sampled
}

// add adds the growth of each bucket to that column of a sum which it has there.
func (x *growth) add(columns []int32, sum []float64) {
	a0, a1 := x.d.between(x.from)
	b0, b1 := x.d.between(x.to)
	n := len(columns)
	a0, a1, b0, b1 = a0[:n], a1[:n], b0[:n], b1[:n]
	for j, column := range columns {
		sum[column] += (between(b0[j], b1[j], x.to.part) - between(a0[j], a1[j], x.from.part)) * x.factor
	}
}

// count is how many values came.
func (x *growth) count() float64 { return (x.d.count(x.to) - x.d.count(x.from)) * x.factor }

// T implements chunks.Sample.
func (x *growth) T() int64 { return x.t }

// ST implements chunks.Sample.
func (x *growth) ST() int64 { return 0 }

// F implements chunks.Sample: where there is no growth, the mark that keeps an
// older one from being taken for it.
func (x *growth) F() float64 { return stale }

var stale = math.Float64frombits(value.StaleNaN)

// H implements chunks.Sample.
func (x *growth) H() *histogram.Histogram { return nil }

// FH implements chunks.Sample.
func (x *growth) FH() *histogram.FloatHistogram {
	row := make([]float64, len(x.d.bins))
	a0, a1 := x.d.between(x.from)
	b0, b1 := x.d.between(x.to)
	for j := range row {
		row[j] = (between(b0[j], b1[j], x.to.part) - between(a0[j], a1[j], x.from.part)) * x.factor
	}
	h := newHistogram(x.d.bins, row)
	h.Count, h.Sum = x.count(), (x.d.sum(x.to)-x.d.sum(x.from))*x.factor
	h.CounterResetHint = histogram.GaugeType
	return h
}

// Type implements chunks.Sample.
func (x *growth) Type() chunkenc.ValueType {
	if x.factor == 0 {
		return chunkenc.ValFloat
	}
	return chunkenc.ValFloatHistogram
}

// Copy implements chunks.Sample: nothing changes a growth.
func (x *growth) Copy() chunks.Sample { return x }

// growthList is storage.Samples.
type growthList []growth

// Get implements storage.Samples.
func (l growthList) Get(i int) chunks.Sample { return &l[i] }

// Len implements storage.Samples.
func (l growthList) Len() int { return len(l) }

// grown is a storage.Series of what a series of histograms grew by.
type grown struct {
	*oneSeries
	length    int64 // ms, of the range
	perSecond bool
}

// Iterator implements storage.Series.
func (g *grown) Iterator(chunkenc.Iterator) chunkenc.Iterator {
	return storage.NewListSeriesIterator(g.growths(g.length, g.perSecond))
}
