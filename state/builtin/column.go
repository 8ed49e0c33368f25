package builtin

import (
	"math"
	"math/bits"
	"slices"
	"sync"
)

// Numbers that arrive as columns are folded in two steps. What arrives is
// added to a head: the second that is going on, its count and its total, and
// values that are not sorted yet. Only when the second is over, or when
// somebody looks, do they go to their windows and distributions. So the work
// for an event is a few additions in memory that is at hand, and the windows
// are touched once a second. What results is what Fold makes, to the last bit.

// head is what has happened in one second and is not in the windows yet.
type head struct {
	second int64
	in     cell
}

// addColumn adds values. The total must be made normal afterwards.
func (c *cell) addColumn(values []float64) {
	c.n = addCount(c.n, uint64(len(values)))
	c.total.addColumn(values)
}

// addColumn adds values, in two sums side by side: adding to one has to wait
// for the addition before. Sums are exact (see sum), so nothing is lost.
func (s *sum) addColumn(values []float64) {
	var odd sum
	for len(values) >= 2 {
		s.add(values[0])
		odd.add(values[1])
		values = values[2:]
	}
	for _, v := range values {
		s.add(v)
	}
	*s = s.normal()
	s.merge(odd.normal())
}

// addColumn counts each of the finite values once. Like add it leaves the
// total to its caller.
func (d *dist) addColumn(values []float64, limit int) {
	most := mostRaw(limit)
	for len(values) > 0 && !d.sketched {
		n := min(len(values), most-len(d.raw))
		d.reserve(n, most)
		d.raw = append(d.raw, values[:n]...)
		d.count = addCount(d.count, uint64(n))
		if values = values[n:]; len(d.raw) == most {
			d.sort(limit)
		}
	}
	if len(values) > 0 {
		d.count = addCount(d.count, uint64(len(values)))
		d.sketch.addColumn(values, d.count)
	}
}

// mostRaw is how many values are kept raw: so many more than the limit that,
// if most of them differ, they need never be sorted.
func mostRaw(limit int) int { return 2 * limit }

// fewRaw is what room is made for at first: most Partials are small.
const fewRaw = 16

// reserve makes room for n raw values: for few, or for as many as there may be.
func (d *dist) reserve(n, most int) {
	switch {
	case cap(d.raw)-len(d.raw) >= n:
	case cap(d.raw) == 0 && n <= fewRaw:
		d.raw = make([]float64, 0, fewRaw)
	default:
		d.raw = append(make([]float64, 0, most), d.raw...)
	}
}

// tidy brings values that addColumn took where they belong.
func (d *dist) tidy(limit int) {
	if len(d.raw) > 0 {
		d.sort(limit)
	}
}

// column is scratch for sorting.
type column struct {
	keys, sorted [2 * percentileCounterExact]uint64
	runs         [2 * percentileCounterExact]run
	seen         [2048]uint64 // keys, at places told by a hash; 0 is none
}

var columns = sync.Pool{New: func() any { return new(column) }}

// sort puts the raw values where they belong: among the runs, or into a sketch
// if there are too many different ones.
func (d *dist) sort(limit int) {
	c := columns.Get().(*column)
	defer columns.Put(c)
	keys := c.keys[:len(d.raw)]
	for i, v := range d.raw {
		keys[i] = orderOf(v)
	}
	count := d.count // has them already
	if len(keys) > limit && c.differ(keys, limit) {
		d.toSketch()
		d.sketch.addColumn(d.raw, count)
	} else {
		o := dist{runs: c.runsOf(c.sort(keys))}
		d.raw = d.raw[:0]
		d.merge(&o, limit)
	}
	d.raw, d.count = d.raw[:0], count
}

// runsOf returns the runs of ascending keys.
func (c *column) runsOf(keys []uint64) []run {
	runs := c.runs[:0]
	for i, k := range keys {
		if i > 0 && k == keys[i-1] {
			runs[len(runs)-1].n++
		} else {
			runs = append(runs, run{valueAt(k), 1})
		}
	}
	return runs
}

// differ reports whether more than limit of the keys differ. It may fail to
// see it, of keys chosen so that their hashes meet.
func (c *column) differ(keys []uint64, limit int) bool {
	clear(c.seen[:])
	steps := 4 * len(keys)
	different := 0
	for _, k := range keys {
		i := k * 0x9e3779b97f4a7c15 >> 53
		for c.seen[i] != k && c.seen[i] != 0 && steps > 0 {
			i = (i + 1) % uint64(len(c.seen))
			steps--
		}
		if c.seen[i] == 0 {
			c.seen[i] = k
			if different++; different > limit {
				return true
			}
		}
	}
	return false
}

// sort returns keys in ascending order. Comparing them would cost a branch per
// step that no processor can foresee; so they are first spread over as many
// places as there may be keys, by their distance from the smallest, which
// leaves them nearly in order. Where that leaves too many in one place, they
// are sorted in the ordinary way.
func (c *column) sort(keys []uint64) []uint64 {
	lo, hi := keys[0], keys[0]
	for _, k := range keys {
		lo, hi = min(lo, k), max(hi, k)
	}
	const places, most = 256, 64
	if lo == hi {
		return keys
	}
	if len(keys) <= 12 {
		slices.Sort(keys)
		return keys
	}
	shift := max(0, bits.Len64(hi-lo)-8)
	var begin [places + 1]uint16
	for _, k := range keys {
		begin[(k-lo)>>shift+1]++
	}
	for i := 1; i < len(begin); i++ {
		if begin[i] > most {
			slices.Sort(keys)
			return keys
		}
		begin[i] += begin[i-1]
	}
	sorted := c.sorted[:len(keys)]
	for _, k := range keys {
		at := &begin[(k-lo)>>shift]
		sorted[*at] = k
		*at++
	}
	for i := 1; i < len(sorted); i++ {
		k, j := sorted[i], i
		for ; j > 0 && sorted[j-1] > k; j-- {
			sorted[j] = sorted[j-1]
		}
		sorted[j] = k
	}
	return sorted
}

// orderOf maps floats to integers in the order of runs: that of numbers, with
// -0 below 0. valueAt is its inverse.
func orderOf(v float64) uint64 {
	b := math.Float64bits(v)
	return b ^ (uint64(int64(b)>>63) | 1<<63)
}

func valueAt(order uint64) float64 {
	return math.Float64frombits(order ^ (^uint64(int64(order)>>63) | 1<<63))
}

// addColumn counts values, of a sketch that then has count of them.
func (s *sketch) addColumn(values []float64, count uint64) {
	if count == math.MaxUint64 { // bins may be full
		for _, v := range values {
			s.add(v, 1)
		}
		return
	}
	if s.pos.empty() {
		s.pos.cover(values)
	}
	lo, hi := s.min, s.max
	dense, base := s.pos.dense, s.pos.base
	for _, v := range values {
		b := math.Float64bits(v)
		bin := int32(b>>52)*binsPerOctave + int32(binOfMantissa[b>>mantissaShift&mantissaMask])
		i := uint(bin - base)
		if i >= uint(len(dense)) { // also what is negative, or nearly zero
			s.add(v, 1)
			dense, base = s.pos.dense, s.pos.base
			continue
		}
		dense[i]++
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	s.min, s.max = min(s.min, lo), max(s.max, hi)
}

// cover makes an array for the bins of values, of which it knows no others, if
// they lie close enough together. All of them must then be added.
func (b *bins) cover(values []float64) {
	lo, hi := int32(maxBin+1), int32(-1)
	for _, v := range values {
		if v >= minNormal {
			bin := binOf(v)
			lo, hi = min(lo, bin), max(hi, bin)
		}
	}
	if span := int(hi-lo) + 1; lo <= hi && span <= denseSpan(len(values)/2) {
		b.base, b.known = lo, 1
		b.dense = slices.Grow(b.dense[:0], span)[:span]
		clear(b.dense)
	}
}
