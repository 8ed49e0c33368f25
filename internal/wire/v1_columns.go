package wire

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

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
		second, v, n := plainEvent(b[len(d.prefix):])
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

// plainEvent reads the rest of an event's line, after its Type: a time of ten
// digits and perhaps a fraction, a short number as payload, written as nearly
// all clients write them. It returns how long it is, with the end of the line,
// or 0 if it has any other form. b has at least longestPlain bytes.
func plainEvent(b []byte) (second int64, v float64, n int) {
	b = b[:longestPlain]
	w := binary.LittleEndian.Uint64(b)
	tens, ones := b[8]-'0', b[9]-'0'
	if leadingDigits(w) != 8 || b[0] == '0' || tens > 9 || ones > 9 {
		return 0, 0, 0
	}
	second = int64(eightDigits(w)*100 + uint64(tens)*10 + uint64(ones))
	i := 10
	if b[i] == '.' {
		w := binary.LittleEndian.Uint64(b[11:])
		k := leadingDigits(w)
		// Many nines could be the next second, rounded.
		if k == 0 || k == 8 || k > 6 && w&(1<<48-1) == nines {
			return 0, 0, 0
		}
		i += 1 + k
	}
	if b[i] != ',' {
		return 0, 0, 0
	}
	if i++; b[i] == ' ' {
		i++
	}
	if b[i] != '"' {
		return 0, 0, 0
	}
	i++
	v, k := shortNumber(b[i : i+24])
	i += k
	if k == 0 || b[i] != '"' || b[i+1] != ']' || b[i+2] != '\n' {
		return 0, 0, 0
	}
	return second, v, i + 3
}

// nines is six digits.
const nines = 0x393939393939

// shortNumber reads a number as plainNumber does, if it has at most seven
// digits on each side of the point; else it returns 0 for its length.
func shortNumber(b []byte) (v float64, n int) {
	negative := b[0] == '-'
	if negative {
		b = b[1:]
		n = 1
	}
	w := binary.LittleEndian.Uint64(b)
	k := leadingDigits(w)
	if k == 0 || k == 8 || k > 1 && b[0] == '0' {
		return 0, 0
	}
	m := eightDigits(w << (64 - 8*k))
	n += k
	if b[k] != '.' {
		if negative && m == 0 {
			return 0, 0 // the integer -0, whose normal form is 0
		}
		v = float64(int64(m))
	} else {
		w := binary.LittleEndian.Uint64(b[k+1:])
		f := leadingDigits(w)
		if f == 0 || f == 8 {
			return 0, 0
		}
		n += 1 + f
		m = m*pow10Int[f] + eightDigits(w<<(64-8*f))
		v = float64(int64(m)) / pow10[f] // both are exact: it is rounded once
	}
	if negative {
		v = -v
	}
	return v, n
}

// leadingDigits returns how many of the eight bytes in w, the lowest first, are
// digits before one is not.
func leadingDigits(w uint64) int {
	x := w ^ 0x3030303030303030 // digits become 0 to 9
	above := (x&0x7f7f7f7f7f7f7f7f + 0x7676767676767676) | x
	return bits.TrailingZeros64(above&0x8080808080808080) / 8
}

// eightDigits returns the number that eight digits are, the first one in the
// lowest byte. Zero bytes before them count as digits, too.
func eightDigits(w uint64) uint64 {
	w &= 0x0f0f0f0f0f0f0f0f
	w = w*10 + w>>8 // in every other byte: two digits
	return ((w&0x000000ff000000ff)*(100+1000000<<32) + (w>>16&0x000000ff000000ff)*(1+10000<<32)) >> 32
}
