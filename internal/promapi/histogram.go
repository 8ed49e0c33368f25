package promapi

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/tabaproject/taba/state"
)

const (
	// schema makes 256 buckets of an octave: they add 0.3 % to the 1 % by which a
	// sketch's values are off, and only those with values are there.
	schema = 8
	// zeroThreshold is up to where a value counts as zero.
	zeroThreshold = 0x1p-128
)

// A bin is a native histogram's bucket, such that they ascend by their values:
// negative ones, zero, positive ones.
type bin int32

// positiveBins is more than how far from zero a bucket's index may be.
const positiveBins = 1 << 20

// cell returns the native histogram's bucket of a value's magnitude.
func cell(v float64) int32 { return int32(math.Ceil(math.Log2(v) * (1 << schema))) }

func binOf(v float64) bin {
	switch {
	case v > zeroThreshold:
		return bin(positiveBins + cell(v))
	case v < -zeroThreshold:
		return -bin(positiveBins + cell(-v))
	}
	return 0
}

// cell returns the index of a bucket that is not the zero bucket.
func (b bin) cell() int32 { return max(int32(b), -int32(b)) - positiveBins }

// A distribution is a series of native histograms that only grow, all with the
// same buckets: those that any of them needs.
type distribution struct {
	times  []int64     // ms
	bins   []bin       // ascending
	rows   [][]float64 // one for each time, with a count for each of bins
	counts []float64   // of the rows
	sums   []float64
}

// distribute makes native histograms of a State's rings.
func (k *kind) distribute(st state.State, at float64, c *cumulation) *distribution {
	d := &distribution{times: c.times, sums: c.sums}
	rings := make([]spreads, len(k.handler.Rings()))
	var values []float64
	for i := range rings {
		rings[i] = readSpreads(k.openRing(st, i, at, state.Counts|state.Totals|state.Spread))
		values = rings[i].learn(values)
	}
	columns := d.arrange(values)
	for i := range rings {
		rings[i].locate(values, columns)
	}
	total := make([]float64, len(d.bins))
	for _, e := range rings[len(rings)-1].list {
		total[e.column] += e.n
	}
	d.rows = make([][]float64, len(d.times))
	d.rows[len(d.rows)-1] = total
	for i := range rings {
		d.addRing(&rings[i], total)
	}
	d.smooth()
	return d
}

// spreads are how the values of a ring's buckets are spread.
type spreads struct {
	ring
	list []spread
	ends []int // of each bucket in list
}

// A spread is a value that stands for n, and where that is counted.
type spread struct {
	value, n float64
	column   int
}

func readSpreads(r ring) spreads {
	s := spreads{ring: r, ends: make([]int, r.buckets.Len())}
	for i := range s.ends {
		if from, ok := r.buckets.At(i).(state.Spreading); ok {
			from.Spread(func(v float64, n uint64) { s.list = append(s.list, spread{value: v, n: float64(n)}) })
		}
		s.ends[i] = len(s.list)
	}
	return s
}

// bucket returns the i-th bucket's.
func (s *spreads) bucket(i int) []spread {
	if i == 0 {
		return s.list[:s.ends[0]]
	}
	return s.list[s.ends[i-1]:s.ends[i]]
}

// learn adds the values that there are to ascending ones. Few are new: States
// use the same ones.
func (s *spreads) learn(values []float64) []float64 {
	for i := range s.ends {
		at := 0
		for _, e := range s.bucket(i) {
			for at < len(values) && values[at] < e.value {
				at++
			}
			if at == len(values) || values[at] != e.value {
				values = slices.Insert(values, at, e.value)
			}
		}
	}
	return values
}

// locate finds the columns of values, all of which were learnt.
func (s *spreads) locate(values []float64, columns []int) {
	for i := range s.ends {
		at := 0
		list := s.bucket(i)
		for j := range list {
			for values[at] < list[j].value {
				at++
			}
			list[j].column = columns[at]
		}
	}
}

// arrange makes the bins of ascending values and returns which of them each is
// in.
func (d *distribution) arrange(values []float64) (columns []int) {
	columns = make([]int, len(values))
	for i, v := range values {
		if b := binOf(v); len(d.bins) == 0 || d.bins[len(d.bins)-1] != b {
			d.bins = append(d.bins, b)
		}
		columns[i] = len(d.bins) - 1
	}
	return columns
}

// addRing makes the rows of those times at which a bucket of the ring begins and
// that have none yet: what there is in all, without what came later.
func (d *distribution) addRing(r *spreads, total []float64) {
	row := slices.Clone(total)
	for i := len(r.ends) - 1; i >= 0; i-- {
		for _, e := range r.bucket(i) {
			row[e.column] -= e.n
		}
		at, found := slices.BinarySearch(d.times, (r.first+int64(i))*r.width*1000)
		if found && d.rows[at] == nil {
			d.rows[at] = slices.Clone(row)
		}
	}
	// Behind the newest bucket with events nothing changes.
	end := (r.first + int64(len(r.ends))) * r.width * 1000
	for i := len(d.times) - 1; i >= 0 && d.times[i] >= end; i-- {
		if d.rows[i] == nil && (d.times[i]/1000)%r.width == 0 {
			d.rows[i] = total
		}
	}
}

// smooth lets no bucket fall, fills the rows that no ring has made, and counts.
func (d *distribution) smooth() {
	d.counts = make([]float64, len(d.rows))
	before := make([]float64, len(d.bins))
	for i, row := range d.rows {
		if row == nil {
			row = before
			d.rows[i] = row
		}
		for j := range row {
			row[j] = max(row[j], before[j])
			d.counts[i] += row[j]
		}
		before = row
	}
}

// A moment is a place between two times of a distribution: so far from the i-th
// to the next.
type moment struct {
	i    int
	part float64
}

// between returns the rows around a moment.
func (d *distribution) between(m moment) (a, b []float64) {
	return d.rows[m.i], d.rows[min(m.i+1, len(d.rows)-1)]
}

// count returns how many values there are at a moment.
func (d *distribution) count(m moment) float64 {
	return between(d.counts[m.i], d.counts[min(m.i+1, len(d.counts)-1)], m.part)
}

// sum returns the sum of the values at a moment.
func (d *distribution) sum(m moment) float64 {
	return between(d.sums[m.i], d.sums[min(m.i+1, len(d.sums)-1)], m.part)
}

// at returns the histogram at a moment.
func (d *distribution) at(m moment) *histogram.FloatHistogram {
	row := make([]float64, len(d.bins))
	a, b := d.between(m)
	for j := range row {
		row[j] = between(a[j], b[j], m.part)
	}
	h := newHistogram(d.bins, row)
	h.Count, h.Sum = d.count(m), d.sum(m)
	h.CounterResetHint = histogram.NotCounterReset // which spares looking: smooth has seen to it
	return h
}

// newHistogram returns a histogram of those bins that have a count.
func newHistogram(bins []bin, row []float64) *histogram.FloatHistogram {
	h := &histogram.FloatHistogram{Schema: schema, ZeroThreshold: zeroThreshold}
	zero, _ := slices.BinarySearch(bins, 0)
	var negative, positive buckets
	for j := zero - 1; j >= 0; j-- {
		negative.add(bins[j].cell(), row[j])
	}
	for j := zero; j < len(bins); j++ {
		if bins[j] == 0 {
			h.ZeroCount = row[j]
			continue
		}
		positive.add(bins[j].cell(), row[j])
	}
	h.NegativeBuckets, h.NegativeSpans = negative.counts, negative.spans
	h.PositiveBuckets, h.PositiveSpans = positive.counts, positive.spans
	return h
}

// buckets are those of one sign, the least magnitudes first.
type buckets struct {
	counts []float64
	spans  []histogram.Span
	next   int32 // behind the last
}

func (b *buckets) add(cell int32, n float64) {
	if n == 0 {
		return
	}
	b.counts = append(b.counts, n)
	if last := len(b.spans) - 1; last >= 0 && cell == b.next {
		b.spans[last].Length++
	} else {
		b.spans = append(b.spans, histogram.Span{Offset: cell - b.next, Length: 1})
	}
	b.next = cell + 1
}

// clip leaves only a part of the histograms.
func (d *distribution) clip(lo, hi int) {
	d.times, d.rows, d.counts, d.sums = d.times[lo:hi], d.rows[lo:hi], d.counts[lo:hi], d.sums[lo:hi]
}

// size is the memory held, in bytes.
func (d *distribution) size() int64 {
	return int64(len(d.rows))*int64(8*len(d.bins)+48) + int64(4*len(d.bins))
}
