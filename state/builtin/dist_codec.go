package builtin

import (
	"fmt"
)

// The forms of an encoded dist. Version 1 had the first three of them; version
// 2 has all but distSketch, and writes numbers with few digits and bins in
// about a fourth and a half of the bytes.
const (
	distExact        = 0 // runs; the total is that of the runs
	distExactTotal   = 1 // runs, and the total where rounding made it differ
	distSketch       = 2
	distDecimal      = 3 // runs of decimals; the total is that of the runs
	distDecimalTotal = 4
	distTokens       = 5 // a sketch
)

// appendAt appends the encoding of d in a version.
func (d *dist) appendAt(dst []byte, limit int, version byte) []byte {
	if version == version1 {
		return d.appendVersion1(dst, limit)
	}
	return d.append(dst, limit)
}

// append appends the encoding of d, in version 2: its form, then
//
//	exact:   [total,] number of runs, per run ascending: value, count
//	decimal: [total,] number of runs, and what appendDecimals writes
//	tokens:  total, minimum, maximum, zeros, positive bins, negative bins
//
// where bins are what their append writes. Runs are written as decimals if they
// are. The total is left out if it is that of the runs; to find that out is
// worth its time only where there are few.
//
// Values that are raw are sorted in memory that is at hand, and stay where they
// are: most States that are encoded are Partials, which are then emptied.
func (d *dist) append(dst []byte, limit int) []byte {
	if len(d.runs) == 0 && len(d.raw) > 0 {
		c := columns.Get().(*column)
		defer columns.Put(c)
		if out, ok := c.append(dst, d, limit); ok {
			return out
		}
	}
	if len(d.packed) == 0 {
		d.tidy(limit)
	}
	if d.sketched {
		dst = appendSum(append(dst, distTokens), d.total)
		dst = appendFloat(dst, d.sketch.min)
		dst = appendFloat(dst, d.sketch.max)
		dst = appendUint(dst, d.sketch.zero)
		if len(d.packed) > 0 {
			dst = append(dst, d.packed...)
		} else {
			dst = d.sketch.pos.append(dst)
		}
		return d.sketch.neg.append(dst)
	}
	return appendRuns(dst, d.runs, d.total)
}

// append appends the encoding of d, all of whose values are raw, unless it is a
// sketch.
func (c *column) append(dst []byte, d *dist, limit int) (out []byte, ok bool) {
	counted, ok := c.decimals.load(d.raw, limit)
	if ok && counted.seen > fewRuns && counted.seen <= limit {
		dst = appendSum(append(dst, distDecimalTotal), d.total)
		dst = appendUint(dst, uint64(counted.seen))
		return c.decimals.append(&counted, dst), true
	}
	var runs []run
	var many bool
	if ok {
		runs = c.decimals.take(&counted, c.runs[:0])
	} else {
		runs, many = c.sortedRuns(d.raw, limit)
	}
	if many || len(runs) > limit {
		return dst, false
	}
	return appendRuns(dst, runs, d.total), true
}

// fewRuns is how many runs may be added up to find out whether the total is
// theirs.
const fewRuns = 8

// appendRuns appends the encoding of an exact dist.
func appendRuns(dst []byte, runs []run, total sum) []byte {
	begin := len(dst)
	implied := len(runs) <= fewRuns && total == totalOf(runs)
	if implied {
		dst = append(dst, distDecimal)
	} else {
		dst = appendSum(append(dst, distDecimalTotal), total)
	}
	dst = appendUint(dst, uint64(len(runs)))
	if out, ok := appendDecimals(dst, runs); ok {
		return out
	}
	dst[begin] = distExactTotal
	if implied {
		dst[begin] = distExact
	}
	for _, r := range runs {
		dst = appendFloat(dst, r.value)
		dst = appendUint(dst, r.n)
	}
	return dst
}

func totalOf(runs []run) sum {
	var s sum
	for _, r := range runs {
		s.addProduct(r.value, r.n)
	}
	return s.normal()
}

// decode reads a dist into d, which must be empty.
func (d *dist) decode(r *decoder, limit int) {
	form := r.uint()
	if form == distSketch && r.version != version1 || form > distSketch && r.version == version1 {
		r.fail(fmt.Sprintf("form %d of distribution is not one of version %d", form, r.version))
		return
	}
	switch form {
	case distExact, distDecimal:
		d.decodeRuns(r, limit, form == distDecimal)
		d.total = totalOf(d.runs)
	case distExactTotal, distDecimalTotal:
		d.total = r.sum()
		d.decodeRuns(r, limit, form == distDecimalTotal)
	case distSketch, distTokens:
		d.total = r.sum()
		d.decodeSketch(r, limit)
	default:
		r.fail(fmt.Sprintf("form %d of distribution is not known", form))
	}
}

func (d *dist) decodeRuns(r *decoder, limit int, decimal bool) {
	least := 2 // bytes
	if decimal {
		least = 1
	}
	n := r.length(limit, least)
	if cap(d.runs) < n {
		d.runs = make([]run, 0, n)
	}
	if decimal {
		d.runs, d.count = decodeDecimals(r, d.runs, n)
		return
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
