package wire

import "bytes"

// ColumnSink takes the numbers of a body by column. Nearly all events of nearly
// all bodies are a plain time and a plain number; most Types need no more of
// the time than its second. Such events never become a state.Event.
type ColumnSink interface {
	// Columnar is asked once for each bundle, at its first such event: of this
	// client, tab and Type (of the bundle's first event). If ok, those that
	// happened before the second before are passed to Column, in no particular
	// order, and the others are left in the bundle as they are otherwise.
	Columnar(client, tab, typ string) (before int64, ok bool)
	// Column takes values of one second, of what Columnar was asked last.
	Column(second int64, values []float64)
}

// Into makes d pass what it can to c, which may be nil. Bundles may then have
// no events left.
func (d *Decoder) Into(c ColumnSink) { d.columns.to = c }

// columns are the columns of a bundle that are being filled: one for each of
// the seconds that its events are about.
type columns struct {
	to     ColumnSink
	asked  bool // of this bundle
	ok     bool // the answer
	before int64
	n      int // values of this bundle so far
	open   [8]openColumn
	used   int
	recent int // the one that was added to last
}

type openColumn struct {
	second int64
	n      int
	values [128]float64
}

// add adds an event to the column of its second.
func (c *columns) add(second int64, v float64) {
	c.n++
	o := &c.open[c.recent]
	if c.recent >= c.used || o.second != second {
		o = c.find(second)
	}
	o.values[o.n] = v
	if o.n++; o.n == len(o.values) {
		c.to.Column(o.second, o.values[:])
		o.n = 0
	}
}

// find returns the column of a second that is not the recent one.
func (c *columns) find(second int64) *openColumn {
	for i := range c.open[:c.used] {
		if c.open[i].second == second {
			c.recent = i
			return &c.open[i]
		}
	}
	if c.used == len(c.open) {
		c.flush()
	}
	c.recent = c.used
	c.used++
	o := &c.open[c.recent]
	o.second, o.n = second, 0
	return o
}

// flush passes on all that is open.
func (c *columns) flush() {
	for i := range c.open[:c.used] {
		if o := &c.open[i]; o.n > 0 {
			c.to.Column(o.second, o.values[:o.n])
		}
	}
	c.used = 0
}

// end ends a bundle, or drops it.
func (c *columns) end(drop bool) {
	if !drop {
		c.flush()
	}
	c.used, c.n, c.asked, c.ok = 0, 0, false, false
}

// longestPlain is how long the line of an event can be that run reads, without
// the prefix; so much has to be in the buffer.
const longestPlain = 64

// run reads events straight from the buffer, as long as they can be passed on
// in columns.
func (d *Decoder) run() {
	c := &d.columns
	if c.asked && !c.ok || len(d.prefix) == 0 {
		return
	}
	l := &d.lines
	b := l.buf[l.begin:l.end]
	for len(b) >= len(d.prefix)+longestPlain && bytes.HasPrefix(b, d.prefix) && !d.full() {
		second, v, n := d.clock.plainEvent(b[len(d.prefix):])
		if n == 0 || !d.columnar(second) {
			return
		}
		n += len(d.prefix)
		b = b[n:]
		l.begin += n
		l.n++
		d.bytes += n - 1
		c.add(second, v)
	}
}

// columnar reports whether an event with the Type of d.prefix can be passed on
// in a column.
func (d *Decoder) columnar(second int64) bool {
	c := &d.columns
	if !c.asked {
		if !d.typed {
			d.bundle.Type, d.typed = d.prefixType, true
		}
		c.asked = true
		c.before, c.ok = c.to.Columnar(d.client, d.tab, d.bundle.Type)
		if d.size() == 0 {
			d.bundle.First = d.lines.n + 1
		}
	}
	return c.ok && second < c.before
}
