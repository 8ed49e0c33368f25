package taba

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/tabaproject/taba/internal/wire"
)

// tabDropped is the tab, a CounterGroup, that counts what clients dropped.
const tabDropped = "taba_client_dropped"

// encoder turns what was taken from the buffer into v1 bodies.
type encoder struct {
	bodyBytes int // a body is ended when it is longer

	chunks   []*chunk // in order
	items    []item   // in order
	reported uint64   // dropped events that bodies have told of

	wire  wire.Encoder
	batch []record // scratch: records by series
	count []int32  // scratch: where each series' records begin
	clock int64    // what text is the time of
	text  []byte
	value []byte
}

// body is one request's.
type body struct {
	text   []byte // never changes until it is acknowledged or given up
	events uint64 // recorded ones in it
	drops  uint64 // dropped ones that it tells of
}

// maxBatch is how many records are sorted by series at once.
const maxBatch = 4096

// empty reports whether everything taken is in bodies.
func (e *encoder) empty() bool { return len(e.chunks)+len(e.items) == 0 }

// build makes the next body of what was taken, and tells of drops.
func (e *encoder) build(c *Client, now time.Time, drops uint64) *body {
	b := &body{drops: drops}
	_ = e.wire.Client(c.cfg.Client) // was checked
	all := c.table.named()
	for len(e.items) > 0 && e.wire.Len() < e.bodyBytes {
		b.events += e.addItems(c)
	}
	for len(e.chunks) > 0 && e.wire.Len() < e.bodyBytes {
		b.events += e.addNumbers(c, all)
	}
	if drops > 0 {
		e.reported += drops
		_ = e.wire.Tab(tabDropped)
		e.wire.EventInt("CounterGroup", float64(now.UnixMilli())/1e3, int64(min(drops, math.MaxInt64)))
	}
	b.text = e.wire.Close()
	return b
}

// reset makes room for the body after b. Memory that was needed once is not
// kept for ever.
func (e *encoder) reset(b *body) {
	const spare = 256 << 10
	if cap(b.text) > spare && len(b.text) < cap(b.text)/4 {
		e.wire = wire.Encoder{}
		return
	}
	e.wire.Reset()
}

// addItems writes items, those of one series together, until the body is long
// enough.
func (e *encoder) addItems(c *Client) (n uint64) {
	slices.SortStableFunc(e.items, func(a, b item) int { return cmp.Compare(a.s.id, b.s.id) })
	var of *series
	for len(e.items) > 0 && e.wire.Len() < e.bodyBytes {
		it := &e.items[0]
		if it.s != of {
			of = it.s
			_ = e.wire.Tab(of.name) // was checked
		}
		e.wire.Event(of.typ, seconds(it.at), it.payload)
		c.used.Add(-it.size())
		*it = item{}
		e.items = e.items[1:]
		n++
	}
	if len(e.items) == 0 {
		e.items = nil
	}
	return n
}

// addNumbers writes a batch of numbers, those of one series together.
func (e *encoder) addNumbers(c *Client, all []*series) uint64 {
	ordered := e.sort(c, len(all))
	for i := range ordered {
		r := &ordered[i]
		if i == 0 || r.id != ordered[i-1].id {
			_ = e.wire.Tab(all[r.id].name) // was checked
		}
		e.number(all[r.id].typ, r)
	}
	return uint64(len(ordered))
}

// number writes one event. Records of one tick of the clock share the text of
// their time.
func (e *encoder) number(typ string, r *record) {
	if r.at != e.clock {
		e.clock = r.at
		e.text = strconv.AppendFloat(e.text[:0], float64(r.at)/1e3, 'f', -1, 64)
	}
	const exact = 1 << 53
	if v := r.value; v == math.Trunc(v) && math.Abs(v) < exact {
		e.value = strconv.AppendInt(e.value[:0], int64(v), 10)
	} else {
		e.value = strconv.AppendFloat(e.value[:0], v, 'g', -1, 64)
	}
	e.wire.EventText(typ, e.text, e.value)
}

// sort takes chunks, gives their memory back and returns their records by
// series, otherwise in order.
func (e *encoder) sort(c *Client, series int) []record {
	chunks, n := 0, 0
	limit := min(maxBatch, max(e.bodyBytes/64, 1))
	for chunks < len(e.chunks) && (n == 0 || n+e.chunks[chunks].n <= limit) {
		n += e.chunks[chunks].n
		chunks++
	}
	taken := e.chunks[:chunks]
	e.count = append(e.count[:0], make([]int32, series+1)...)
	for _, ch := range taken {
		for i := range ch.records[:ch.n] {
			e.count[ch.records[i].id+1]++
		}
	}
	for i := 1; i < len(e.count); i++ {
		e.count[i] += e.count[i-1]
	}
	e.batch = slices.Grow(e.batch[:0], n)[:n]
	for _, ch := range taken {
		for _, r := range ch.records[:ch.n] {
			e.batch[e.count[r.id]] = r
			e.count[r.id]++
		}
		ch.free()
	}
	c.used.Add(-int64(chunks) * chunkBytes)
	clear(taken)
	if e.chunks = e.chunks[chunks:]; len(e.chunks) == 0 {
		e.chunks = nil
	}
	return e.batch
}

// discard drops everything that was taken and returns how many events.
func (e *encoder) discard(c *Client) (n uint64) {
	for _, ch := range e.chunks {
		n += uint64(ch.n)
		ch.free()
		c.used.Add(-chunkBytes)
	}
	for i := range e.items {
		n++
		c.used.Add(-e.items[i].size())
	}
	e.chunks, e.items = nil, nil
	return n
}
