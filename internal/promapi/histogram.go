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

// cell returns the native histogram's bucket of a value's magnitude.
func cell(v float64) int32 { return int32(math.Ceil(math.Log2(v) * (1 << schema))) }

// A distribution is a series of native histograms that only grow, all with the
// same buckets: those that any of them needs.
type distribution struct {
	times              []int64             // ms
	positive, negative []int32             // buckets, ascending
	spans              [2][]histogram.Span // of the positive and the negative ones
	rows               [][]float64         // one for each time: the zero bucket, the positive and the negative ones
	sums               []float64
}

// width is how many buckets there are.
func (d *distribution) width() int { return 1 + len(d.positive) + len(d.negative) }

// distribute makes native histograms of a State's rings.
func (k *kind) distribute(st state.State, at float64, c *cumulation) *distribution {
	d := &distribution{times: c.times, sums: c.sums}
	rings := make([]ring, len(k.handler.Rings()))
	for i := range rings {
		rings[i] = k.openRing(st, i, at, state.Counts|state.Totals|state.Spread)
		d.learn(&rings[i])
	}
	d.spans = [2][]histogram.Span{spansOf(d.positive), spansOf(d.negative)}
	total := d.sum(&rings[len(rings)-1])
	d.rows = make([][]float64, len(d.times))
	d.rows[len(d.rows)-1] = total
	for i := range rings {
		d.addRing(&rings[i], total)
	}
	d.smooth()
	return d
}

// learn finds out which buckets a ring needs.
func (d *distribution) learn(r *ring) {
	for i := range r.buckets.Len() {
		spreadOf(r.buckets.At(i), func(v float64, _ uint64) {
			switch {
			case v > zeroThreshold:
				d.positive = insert(d.positive, cell(v))
			case v < -zeroThreshold:
				d.negative = insert(d.negative, cell(-v))
			}
		})
	}
}

func insert(list []int32, c int32) []int32 {
	if i, found := slices.BinarySearch(list, c); !found {
		list = slices.Insert(list, i, c)
	}
	return list
}

func spreadOf(s state.Slice, f func(v float64, n uint64)) {
	if spreading, ok := s.(state.Spreading); ok {
		spreading.Spread(f)
	}
}

// count adds what a slice has to a row.
func (d *distribution) count(row []float64, s state.Slice) {
	spreadOf(s, func(v float64, n uint64) {
		i := 0
		switch {
		case v > zeroThreshold:
			i, _ = slices.BinarySearch(d.positive, cell(v))
			i++
		case v < -zeroThreshold:
			i, _ = slices.BinarySearch(d.negative, cell(-v))
			i += 1 + len(d.positive)
		}
		row[i] += float64(n)
	})
}

func (d *distribution) sum(r *ring) []float64 {
	row := make([]float64, d.width())
	for i := range r.buckets.Len() {
		d.count(row, r.buckets.At(i))
	}
	return row
}

// addRing makes the rows of those times at which a bucket of the ring begins and
// that have none yet: what there is in all, without what came later.
func (d *distribution) addRing(r *ring, total []float64) {
	row := slices.Clone(total)
	for i := r.buckets.Len() - 1; i >= 0; i-- {
		later := make([]float64, len(row))
		d.count(later, r.buckets.At(i))
		for j := range row {
			row[j] -= later[j]
		}
		at, found := slices.BinarySearch(d.times, (r.first+int64(i))*r.width*1000)
		if found && d.rows[at] == nil {
			d.rows[at] = slices.Clone(row)
		}
	}
	// Behind the newest bucket with events nothing changes.
	end := (r.first + int64(r.buckets.Len())) * r.width * 1000
	for i := len(d.times) - 1; i >= 0 && d.times[i] >= end; i-- {
		if d.rows[i] == nil && (d.times[i]/1000)%r.width == 0 {
			d.rows[i] = total
		}
	}
}

// smooth lets no bucket fall, and fills the rows that no ring has made.
func (d *distribution) smooth() {
	before := make([]float64, d.width())
	for i, row := range d.rows {
		if row == nil {
			d.rows[i] = before
			continue
		}
		for j := range row {
			row[j] = max(row[j], before[j])
		}
		before = row
	}
}

// at returns the histogram between two times, so far from the first.
func (d *distribution) at(i int, part float64) *histogram.FloatHistogram {
	a, b := d.rows[i], d.rows[min(i+1, len(d.rows)-1)]
	h := &histogram.FloatHistogram{
		CounterResetHint: histogram.NotCounterReset, // which spares looking: smooth has seen to it
		Schema:           schema, ZeroThreshold: zeroThreshold,
		PositiveBuckets: make([]float64, 0, len(d.positive)), NegativeBuckets: make([]float64, 0, len(d.negative)),
		PositiveSpans: slices.Clone(d.spans[0]), NegativeSpans: slices.Clone(d.spans[1]),
	}
	for j := range a {
		v := between(a[j], b[j], part)
		h.Count += v
		switch {
		case j == 0:
			h.ZeroCount = v
		case j <= len(d.positive):
			h.PositiveBuckets = append(h.PositiveBuckets, v)
		default:
			h.NegativeBuckets = append(h.NegativeBuckets, v)
		}
	}
	h.Sum = between(d.sums[i], d.sums[min(i+1, len(d.sums)-1)], part)
	return h
}

// spans says which buckets there are.
func spansOf(cells []int32) (list []histogram.Span) {
	next := int32(0)
	for i, c := range cells {
		if i > 0 && c == next {
			list[len(list)-1].Length++
		} else {
			list = append(list, histogram.Span{Offset: c - next, Length: 1})
		}
		next = c + 1
	}
	return list
}

// clip leaves only a part of the histograms.
func (d *distribution) clip(lo, hi int) {
	d.times, d.rows, d.sums = d.times[lo:hi], d.rows[lo:hi], d.sums[lo:hi]
}

// size is the memory held, in bytes.
func (d *distribution) size() int64 {
	return int64(len(d.rows))*int64(8*d.width()+48) + int64(4*(len(d.positive)+len(d.negative)))
}
