package builtin

import (
	"fmt"
	"slices"
)

// The three forms of an encoded dist.
const (
	distExact      = 0 // runs; the total is that of the runs
	distExactTotal = 1 // runs, and the total where rounding made it differ
	distSketch     = 2
)

// append appends the encoding of d: its form, then
//
//	exact:  [total,] number of runs, per run ascending: value, count
//	sketch: total, minimum, maximum, zeros, positive bins, negative bins
//
// where bins are their number, the highest one and its count, and for each
// further one downwards the distance to it and its count.
func (d *dist) append(dst []byte) []byte {
	if d.sketched {
		dst = appendSum(append(dst, distSketch), d.total)
		dst = appendFloat(dst, d.sketch.min)
		dst = appendFloat(dst, d.sketch.max)
		dst = appendUint(dst, d.sketch.zero)
		dst = d.sketch.pos.append(dst)
		return d.sketch.neg.append(dst)
	}
	if d.total == d.totalOfRuns() {
		dst = append(dst, distExact)
	} else {
		dst = appendSum(append(dst, distExactTotal), d.total)
	}
	dst = appendUint(dst, uint64(len(d.runs)))
	for _, r := range d.runs {
		dst = appendFloat(dst, r.value)
		dst = appendUint(dst, r.n)
	}
	return dst
}

func (d *dist) totalOfRuns() sum {
	var s sum
	for _, r := range d.runs {
		s.addProduct(r.value, r.n)
	}
	return s.normal()
}

// decode reads a dist into d, which must be empty.
func (d *dist) decode(r *decoder, limit int) {
	switch form := r.uint(); form {
	case distExact:
		d.decodeRuns(r, limit)
		d.total = d.totalOfRuns()
	case distExactTotal:
		d.total = r.sum()
		d.decodeRuns(r, limit)
	case distSketch:
		d.total = r.sum()
		d.decodeSketch(r, limit)
	default:
		r.fail(fmt.Sprintf("form %d of distribution is not known", form))
	}
}

func (d *dist) decodeRuns(r *decoder, limit int) {
	n := r.length(limit, 2)
	if cap(d.runs) < n {
		d.runs = make([]run, 0, n)
	}
	for i := range n {
		next := run{r.signed(), r.count()}
		if i > 0 && !below(d.runs[i-1].value, next.value) {
			r.fail("values are not in ascending order")
		}
		if !r.ok() {
			return
		}
		d.runs = append(d.runs, next)
		d.count = addCount(d.count, next.n)
	}
}

func (d *dist) decodeSketch(r *decoder, limit int) {
	if d.sketch == nil {
		d.sketch = new(sketch)
	}
	d.sketch.reset()
	d.sketched = true
	s := d.sketch
	s.min, s.max, s.zero = r.float(), r.float(), r.uint()
	d.count = s.zero
	d.count = addCount(d.count, s.pos.decode(r))
	d.count = addCount(d.count, s.neg.decode(r))
	if s.min > s.max || d.count <= uint64(limit) {
		r.fail("a sketch of too few values")
	}
}

func (b *bins) append(dst []byte) []byte {
	dst = appendUint(dst, uint64(b.used()))
	var above int32
	for i := b.len() - 1; i >= 0; i-- {
		bin, n := b.at(i)
		if n == 0 {
			continue
		}
		if above == 0 { // no bin in use is bin 0
			dst = appendUint(dst, uint64(bin))
		} else {
			dst = appendUint(dst, uint64(above-bin))
		}
		dst = appendUint(dst, n)
		above = bin
	}
	return dst
}

// decode reads bins into b, which must be empty, and returns what they count.
func (b *bins) decode(r *decoder) (total uint64) {
	n := r.length(maxSpan, 2)
	if n == 0 {
		return 0
	}
	list := b.list[:0]
	if cap(list) < n {
		list = make([]binCount, 0, n)
	}
	var top, bin int32
	for i := range n {
		step, count := r.uint(), r.count()
		switch {
		case i == 0 && step >= binsPerOctave && step <= maxBin:
			top, bin = int32(step), int32(step)
		case i > 0 && step > 0 && step < maxSpan && bin-int32(step) > top-maxSpan && bin-int32(step) >= binsPerOctave:
			bin -= int32(step)
		default:
			r.fail("a bin is out of range")
		}
		if !r.ok() {
			return 0
		}
		list = append(list, binCount{bin, count})
		total = addCount(total, count)
	}
	slices.Reverse(list)
	b.list = list
	b.settle()
	return total
}
