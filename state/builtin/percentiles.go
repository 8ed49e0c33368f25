package builtin

import (
	"math"
	"sync"
)

// percentiles are the ranks that the v1 API shows, as the float32s with which
// the original computed its index.
var percentiles = [7]float32{.25, .50, .75, .90, .95, .99, .999}

// rankOf is the index, among count > 0 values in ascending order, of
// percentile p, by the rule of the original: truncated, in float32 arithmetic.
func rankOf(p float32, count uint64) uint64 {
	r := p * float32(count)
	if r >= 1<<63 {
		return count - 1
	}
	return min(uint64(r), count-1)
}

// quantiles returns the values at percentiles, 0 for an empty dist.
func (d *dist) quantiles() (q [7]float64) {
	if d.count == 0 {
		return q
	}
	var w rankWalk
	for i, p := range percentiles {
		w.ranks[i] = rankOf(p, d.count)
	}
	w.ranks[len(percentiles)] = math.MaxUint64 // never reached
	if d.sketched {
		d.sketch.walk(&w)
	} else {
		for _, r := range d.runs {
			w.pass(r.value, r.n)
		}
	}
	copy(q[:], w.values[:])
	if d.sketched {
		d.sketch.exactEnds(&q, &w, d.count)
	}
	return q
}

// A rankWalk finds the values at ascending ranks while all values are passed
// to it in ascending order.
type rankWalk struct {
	ranks  [len(percentiles) + 1]uint64
	values [len(percentiles)]float64
	next   int    // the first rank whose value is not known
	seen   uint64 // values that were passed
}

// pass takes n values v.
func (w *rankWalk) pass(v float64, n uint64) {
	w.seen = addCount(w.seen, n)
	for w.ranks[w.next] < w.seen && w.next < len(w.values) {
		w.values[w.next] = v
		w.next++
	}
}

// skip passes n values that are not looked at, if no rank falls on them.
func (w *rankWalk) skip(n uint64) bool {
	seen := addCount(w.seen, n)
	if w.ranks[w.next] < seen {
		return false
	}
	w.seen = seen
	return true
}

// walk passes the sketch's bins to w in ascending order of value. Most bins
// hold no rank, so only those that do are turned into a value.
func (s *sketch) walk(w *rankWalk) {
	for i := s.neg.len() - 1; i >= 0; i-- {
		if bin, n := s.neg.at(i); !w.skip(n) {
			w.pass(-valueOf(bin), n)
		}
	}
	w.pass(0, s.zero)
	for i, n := range s.pos.dense {
		if !w.skip(n) {
			w.pass(valueOf(s.pos.base+int32(i)), n)
		}
	}
	for _, c := range s.pos.list {
		w.pass(valueOf(c.bin), c.n)
	}
}

// exactEnds puts the exact minimum and maximum where they are the answer, and
// keeps the others between them.
func (s *sketch) exactEnds(q *[len(percentiles)]float64, w *rankWalk, count uint64) {
	for i := range q {
		switch w.ranks[i] {
		case 0:
			q[i] = s.min
		case count - 1:
			q[i] = s.max
		default:
			q[i] = min(max(q[i], s.min), s.max)
		}
	}
}

// appendJSON appends the rendering of the v1 API.
func (d *dist) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"count": `...)
	dst = appendCount(dst, d.count)
	dst = append(dst, `, "total": `...)
	dst = appendFixed(dst, d.total.hi, 6)
	dst = append(dst, `, "pct": [`...)
	for i, v := range d.quantiles() {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendFixed(dst, v, 2)
	}
	return append(dst, "]}"...)
}

// scratch recycles the dists in which renders and encodings merge buckets.
var scratch = sync.Pool{New: func() any { return new(dist) }}

func newScratch() *dist {
	d := scratch.Get().(*dist)
	d.reset()
	return d
}
