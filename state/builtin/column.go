package builtin

import (
	"math"
	"slices"
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

// addColumn adds values, of which m is the measure if they are many. The total
// stays normal.
func (c *cell) addColumn(values []float64, m *measure) {
	c.n = addCount(c.n, uint64(len(values)))
	c.total.addColumn(values, m)
}

// addColumn adds values to a normal sum, of which m is the measure if they are
// many. Few are added in two sums side by side.
func (s *sum) addColumn(values []float64, m *measure) {
	if m != nil {
		s.merge(m.total)
		return
	}
	if len(values) < 8 {
		for _, v := range values {
			s.add(v)
		}
		*s = s.normal()
		return
	}
	even, odd := *s, sum{}
	for len(values) >= 2 {
		even.add(values[0])
		odd.add(values[1])
		values = values[2:]
	}
	if len(values) > 0 {
		even.add(values[0])
	}
	*s = even.normal()
	s.merge(odd.normal())
}

// addColumn counts each of the finite values, of which m is the measure if they
// are many, once. Like add it leaves the total to its caller. grown is how much
// size has grown.
//
// Small columns are only appended. This has to be all that is done for them,
// because the memory of a State that was not used for a while is far away:
// it is why looking at size, which looks at the sketch, is left to addMany.
func (d *dist) addColumn(values []float64, m *measure, limit int) (grown int) {
	if m != nil && m.constant() {
		grown = -d.size()
		d.add(m.least, uint64(len(values)), limit)
		return grown + d.size()
	}
	if n := len(d.raw) + len(values); d.sketched || n > cap(d.raw) || n >= mostRaw(limit) {
		return d.addMany(values, m, limit)
	}
	d.raw = append(d.raw, values...)
	d.count = addCount(d.count, uint64(len(values)))
	return 0
}

// touch reads the memory that the next value will be added to.
func (d *dist) touch() uint64 {
	if n := len(d.raw); n < cap(d.raw) {
		return math.Float64bits(d.raw[:n+1][n])
	}
	return d.count
}

// addMany is addColumn for values that need room, or a place in a sketch.
func (d *dist) addMany(values []float64, m *measure, limit int) (grown int) {
	grown = -d.size()
	if !d.sketched && len(d.raw)+len(d.runs) == 0 && len(values) > limit && differ(values, limit) {
		d.toSketch() // they need not be copied
		if d.pack(values, m) {
			return grown + d.size()
		}
	}
	d.unpack()
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
		d.sketch.addColumn(values, m, d.count)
	}
	return grown + d.size()
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
	d.unpack()
}

// pack makes an empty sketch that of a column, unless some of its bins are not
// positive or far apart. They are counted in memory that is at hand and kept as
// they will be encoded: most Partials get one such column, or none, and an array
// of bins is ten times as long as what is written of it.
func (d *dist) pack(values []float64, m *measure) bool {
	if m == nil {
		between := extremesOf(values)
		m = &between
	}
	c := columns.Get().(*column)
	defer columns.Put(c)
	c.bins.reset()
	if c.bins.cover(m, len(values)); c.bins.empty() {
		return false
	}
	c.bins.count(values)
	d.packed = c.bins.append(d.packed[:0])
	d.sketch.min, d.sketch.max = m.least, m.highest
	d.count = uint64(len(values))
	return true
}

// unpack brings the bins of a column to the sketch.
func (d *dist) unpack() {
	if len(d.packed) > 0 {
		r := decoder{src: d.packed, version: version2}
		d.sketch.pos.decode(&r)
		d.packed = d.packed[:0]
	}
}

// sort puts the raw values where they belong: among the runs, or into a sketch
// if there are too many different ones.
func (d *dist) sort(limit int) {
	c := columns.Get().(*column)
	defer columns.Put(c)
	count := d.count // has them already
	switch runs, many := c.runsOf(d.raw, limit); {
	case many:
		d.toSketch()
		d.sketch.addColumn(d.raw, nil, count)
	case len(d.runs) == 0 && len(runs) <= limit:
		d.runs = append(d.runs, runs...)
	default:
		d.raw = d.raw[:0]
		d.merge(&dist{runs: runs}, limit)
	}
	d.raw, d.count = d.raw[:0], count
}

// addColumn counts values, of a sketch that then has count of them. If m is not
// nil, it is the measure of them and of others, which the sketch has already.
func (s *sketch) addColumn(values []float64, m *measure, count uint64) {
	if count == math.MaxUint64 { // bins may be full
		for _, v := range values {
			s.add(v, 1)
		}
		return
	}
	if m == nil {
		between := extremesOf(values)
		m = &between
	}
	if s.pos.empty() {
		s.pos.cover(m, len(values))
	}
	s.min, s.max = min(s.min, m.least)+0, max(s.max, m.highest)+0 // a sketch has one zero
	if s.pos.count(values) == 0 {
		return
	}
	span, base := uint32(len(s.pos.dense)), s.pos.base
	for _, v := range values {
		if uint32(binOfAny(v)-base) >= span {
			s.add(v, 1)
		}
	}
}

// count counts the values that the array covers, and returns how many it does
// not: among them are what is negative, and nearly zero.
func (b *bins) count(values []float64) (outside int) {
	dense, base := b.dense, b.base
	for _, v := range values {
		if i := uint32(binOfAny(v) - base); uint64(i) < uint64(len(dense)) {
			dense[i]++
		} else {
			outside++
		}
	}
	return outside
}

// cover makes an array for the bins of n values, of which it knows no others, if
// they lie close enough together. All of them must then be added.
func (b *bins) cover(m *measure, n int) {
	if m.least < minNormal {
		return
	}
	low := binOf(m.least)
	if span := int(binOf(m.highest)-low) + 1; span <= min(denseSpan(n/2), maxSpan) {
		b.base, b.known = low, 1
		b.dense = slices.Grow(b.dense[:0], span)[:span]
		clear(b.dense)
	}
}
