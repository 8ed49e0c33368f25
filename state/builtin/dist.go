package builtin

import (
	"math"
	"math/bits"
	"slices"
	"sort"
)

// A dist is the distribution of a set of values: exact while there are few
// different ones, a sketch of 1 % relative error beyond; count and total are
// exact in both, and so are the smallest and the largest value.
//
// It is a function of the multiset of its values, so it may be merged in any
// order: it is exact if and only if the set has at most limit different
// values. What is a sketch never has fewer values again, and the sketch of a
// union is the sum of the sketches.
//
// The zero value is empty. The limit belongs to the owner, who must always
// pass the same one.
type dist struct {
	count  uint64
	total  sum
	runs   []run     // ascending by value; unused if sketched
	raw    []float64 // values that are in count only: see addColumn
	sketch *sketch
	packed []byte // the positive bins of sketch, which has none then: see pack
	// sketched says that sketch is in use; after reset it is only kept.
	sketched bool
}

// A run is a value and how many events had it.
type run struct {
	value float64
	n     uint64
}

type sketch struct {
	min, max float64
	zero     uint64
	pos, neg bins // neg holds the magnitudes of negative values
}

func (d *dist) reset() {
	d.count, d.total, d.runs, d.raw, d.packed, d.sketched = 0, sum{}, d.runs[:0], d.raw[:0], d.packed[:0], false
}

// add counts n > 0 times the finite value v. It leaves the total to its caller,
// who can sum faster than one by one.
func (d *dist) add(v float64, n uint64, limit int) {
	d.tidy(limit)
	d.count = addCount(d.count, n)
	if d.sketched {
		d.sketch.add(v, n)
		return
	}
	i, found := d.find(v)
	if found {
		d.runs[i].n = addCount(d.runs[i].n, n)
		return
	}
	if len(d.runs) == limit {
		d.toSketch()
		d.sketch.add(v, n)
		return
	}
	d.runs = append(d.runs, run{})
	copy(d.runs[i+1:], d.runs[i:])
	d.runs[i] = run{v, n}
}

// find returns where v is, or belongs, among the runs.
func (d *dist) find(v float64) (int, bool) {
	lo, n := 0, len(d.runs)
	for n > 0 { // without an unpredictable branch
		half := int(uint(n+1) >> 1)
		if d.runs[lo+half-1].value < v {
			lo += half
		}
		n -= half
	}
	if v == 0 {
		return d.findZero(lo, math.Signbit(v))
	}
	return lo, lo < len(d.runs) && d.runs[lo].value == v
}

// findZero is find for 0 or -0; the first value that is not negative is at i.
// They are two values, because percentiles are shown with their sign.
func (d *dist) findZero(i int, negative bool) (int, bool) {
	if !negative && i < len(d.runs) && isMinusZero(d.runs[i].value) {
		i++
	}
	return i, i < len(d.runs) && d.runs[i].value == 0 && isMinusZero(d.runs[i].value) == negative
}

func (d *dist) hasMinusZero() bool {
	_, found := d.find(math.Copysign(0, -1))
	return found
}

func isMinusZero(v float64) bool { return v == 0 && math.Signbit(v) }

// below is the order of runs: that of numbers, with -0 below 0.
func below(a, b float64) bool { return a < b || a == b && isMinusZero(a) && !isMinusZero(b) }

func (d *dist) toSketch() {
	if d.sketch == nil {
		d.sketch = new(sketch)
	}
	d.sketch.reset()
	d.sketched = true
	d.sketch.load(d.runs)
	d.runs = d.runs[:0]
}

// load adds ascending runs to an empty sketch.
func (s *sketch) load(runs []run) {
	if len(runs) == 0 {
		return
	}
	s.min, s.max = runs[0].value+0, runs[len(runs)-1].value+0
	low := sort.Search(len(runs), func(i int) bool { return runs[i].value > -minNormal })
	for i := low - 1; i >= 0; i-- {
		s.neg.push(binOf(-runs[i].value), runs[i].n)
	}
	for _, r := range runs[low:] {
		if r.value < minNormal {
			s.zero = addCount(s.zero, r.n)
			continue
		}
		s.pos.push(binOf(r.value), r.n)
	}
	s.pos.settle()
	s.neg.settle()
}

// merge adds o, which may be tidied, to d.
func (d *dist) merge(o *dist, limit int) {
	d.tidy(limit)
	o.tidy(limit)
	d.total.merge(o.total)
	switch {
	case o.sketched:
		if !d.sketched {
			d.toSketch()
		}
		_, carry := bits.Add64(d.count, o.count, 0)
		d.count = addCount(d.count, o.count)
		d.sketch.merge(o.sketch, carry == 0)
	case d.sketched:
		d.count = addCount(d.count, o.count)
		d.sketch.addRuns(o.runs)
	case len(o.runs) <= 4 || d.hasMinusZero() || o.hasMinusZero():
		for _, r := range o.runs {
			d.add(r.value, r.n, limit)
		}
	default:
		d.mergeRuns(o, limit)
	}
}

// release frees the memory that a sketch no longer needs. It is for what is
// merged into, which lives long; what is folded into is used again.
func (d *dist) release() {
	if d.sketched {
		d.runs, d.raw, d.packed = nil, nil, nil
	}
}

// mergeRuns is merge for two exact ones without -0, in one pass.
func (d *dist) mergeRuns(o *dist, limit int) {
	union := unionSize(d.runs, o.runs)
	if union > limit {
		d.toSketch()
		d.sketch.addRuns(o.runs)
		d.count = addCount(d.count, o.count)
		return
	}
	d.count = addCount(d.count, o.count)
	// From the back, so that every run is moved at most once and in place.
	i, j := len(d.runs)-1, len(o.runs)-1
	d.runs = slices.Grow(d.runs, union-len(d.runs))[:union]
	for k := union - 1; j >= 0; k-- {
		switch {
		case i >= 0 && d.runs[i].value > o.runs[j].value:
			d.runs[k] = d.runs[i]
			i--
		case i >= 0 && d.runs[i].value == o.runs[j].value:
			d.runs[k] = run{d.runs[i].value, addCount(d.runs[i].n, o.runs[j].n)}
			i--
			j--
		default:
			d.runs[k] = o.runs[j]
			j--
		}
	}
}

// unionSize returns how many different values a and b have together.
func unionSize(a, b []run) int {
	n := len(a) + len(b)
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch x, y := a[i].value, b[j].value; {
		case x < y:
			i++
		case x > y:
			j++
		default:
			i++
			j++
			n--
		}
	}
	return n
}

// size is the memory held beyond the struct itself, in bytes.
func (d *dist) size() int {
	n := 16*cap(d.runs) + 8*cap(d.raw) + cap(d.packed)
	if d.sketch != nil {
		n += 128 + d.sketch.pos.size() + d.sketch.neg.size()
	}
	return n
}

func (s *sketch) reset() {
	s.min, s.max, s.zero = math.Inf(1), math.Inf(-1), 0
	s.pos.reset()
	s.neg.reset()
}

func (s *sketch) add(v float64, n uint64) {
	v += 0 // a sketch has one zero
	if v < s.min {
		s.min = v
	}
	if v > s.max {
		s.max = v
	}
	switch {
	case v >= minNormal:
		s.pos.add(binOf(v), n)
	case v <= -minNormal:
		s.neg.add(binOf(-v), n)
	default:
		s.zero = addCount(s.zero, n)
	}
}

// addRuns is add for ascending runs.
func (s *sketch) addRuns(runs []run) {
	if len(runs) == 0 {
		return
	}
	s.min, s.max = min(s.min, runs[0].value)+0, max(s.max, runs[len(runs)-1].value)+0
	for _, r := range runs {
		if i := uint32(binOfAny(r.value) - s.pos.base); r.value >= minNormal && uint64(i) < uint64(len(s.pos.dense)) {
			s.pos.dense[i] = addCount(s.pos.dense[i], r.n)
		} else {
			s.add(r.value, r.n)
		}
	}
}

// merge adds o to s. roomy says that no count can overflow.
func (s *sketch) merge(o *sketch, roomy bool) {
	s.min, s.max = min(s.min, o.min), max(s.max, o.max)
	s.zero = addCount(s.zero, o.zero)
	s.pos.merge(&o.pos, roomy)
	s.neg.merge(&o.neg, roomy)
}

// equal reports whether d and o, which are tidy, are the same, totals to the
// last bit.
func (d *dist) equal(o *dist) bool {
	if d.count != o.count || d.total != o.total || d.sketched != o.sketched {
		return false
	}
	if !d.sketched {
		return slices.EqualFunc(d.runs, o.runs, func(a, b run) bool {
			return a.n == b.n && math.Float64bits(a.value) == math.Float64bits(b.value)
		})
	}
	return d.sketch.min == o.sketch.min && d.sketch.max == o.sketch.max && d.sketch.zero == o.sketch.zero &&
		d.sketch.pos.equal(&o.sketch.pos) && d.sketch.neg.equal(&o.sketch.neg)
}
