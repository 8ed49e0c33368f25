package taba

import (
	"cmp"
	"slices"
	"time"
)

// tabDropped is the tab, a CounterGroup, that counts what clients dropped.
const tabDropped = "taba_client_dropped"

// encoder turns what was recorded into bodies. What is in a body stays here
// until it is done with, so that it can be encoded in another way.
type encoder struct {
	batch     batchWriter
	text      textWriter
	bodyBytes int // a body is ended when it is longer

	items    []item   // taken, by series, otherwise in order
	records  []record // taken, by series, otherwise in order
	reported uint64   // dropped events that bodies have told of

	taken  []record // scratch: records as they were taken
	sorted []record // what records is a part of
	count  []int32  // scratch: where each series' records begin
}

// writer writes bodies in one version of the protocol.
type writer interface {
	begin(client string, now time.Time)
	// items writes items of one series.
	items(s *series, items []item)
	// numbers writes records of one series until the body has room bytes more,
	// or about that. It returns how many it wrote, and how many events of the
	// next one.
	numbers(s *series, records []record, room int) (whole int, part uint64)
	// drops tells that n events were dropped.
	drops(n uint64, now time.Time)
	len() int
	// end returns the body, which is valid until the next begin.
	end() []byte
}

// body is one request's.
type body struct {
	bytes  []byte // never change until it is acknowledged or given up
	v2     bool
	events uint64 // recorded ones in it
	drops  uint64 // dropped ones that it tells of

	// What it holds of the encoder's: the first items and records, and part of
	// the next record.
	items, records int
	part           uint64
}

func newEncoder(bodyBytes int) encoder {
	n := bodyBytes / 64
	return encoder{bodyBytes: bodyBytes, taken: make([]record, 0, n), sorted: make([]record, n)}
}

// mark lets bodies have everything that was recorded so far.
func (e *encoder) mark(c *Client) {
	c.numbers.mark()
	e.items = c.values.take(e.items)
	slices.SortStableFunc(e.items, func(a, b item) int { return cmp.Compare(a.s.word, b.s.word) })
}

// empty reports whether everything that was marked has been in bodies.
func (e *encoder) empty(c *Client) bool {
	if len(e.records) == 0 {
		e.take(c)
	}
	return len(e.records)+len(e.items) == 0
}

// build makes the next body, of what was marked, and tells of drops.
func (e *encoder) build(c *Client, v2 bool, now time.Time, drops uint64) *body {
	var w writer = &e.text
	if v2 {
		w = &e.batch
	}
	w.begin(c.cfg.Client, now)
	b := &body{v2: v2, drops: drops}
	for b.items < len(e.items) && w.len() < e.bodyBytes {
		e.addItems(b, w)
	}
	if b.items == len(e.items) && !e.empty(c) {
		all := c.table.named()
		for b.records < len(e.records) && b.part == 0 && w.len() < e.bodyBytes {
			e.addNumbers(b, w, all)
		}
	}
	if drops > 0 {
		w.drops(drops, now)
	}
	b.bytes = w.end()
	return b
}

// addItems writes items of one series.
func (e *encoder) addItems(b *body, w writer) {
	rest := e.items[b.items:]
	n, size := 0, w.len()
	for n < len(rest) && rest[n].s == rest[0].s && size < e.bodyBytes {
		size += len(rest[n].payload)
		n++
	}
	w.items(rest[0].s, rest[:n])
	b.items += n
	b.events += uint64(n)
}

// addNumbers writes records of one series.
func (e *encoder) addNumbers(b *body, w writer, all []*series) {
	rest := e.records[b.records:]
	n := 1
	for n < len(rest) && rest[n].id == rest[0].id {
		n++
	}
	n, b.part = w.numbers(all[rest[0].id], rest[:n], e.bodyBytes-w.len())
	for i := range rest[:n] {
		b.events += rest[i].n
	}
	b.records += n
	b.events += b.part
}

// forget removes what b holds. Memory that was needed once is not kept for
// ever.
func (e *encoder) forget(c *Client, b *body) {
	e.dropItems(c, b.items)
	if e.records = e.records[b.records:]; b.part > 0 {
		e.records[0].n -= b.part
	}
	const spare = 256 << 10
	if cap(b.bytes) > spare && len(b.bytes) < cap(b.bytes)/4 {
		e.renew()
	}
}

// renew gives up memory that bodies are written to.
func (e *encoder) renew() { e.batch, e.text = batchWriter{}, textWriter{} }

// dropItems frees the first n items.
func (e *encoder) dropItems(c *Client, n int) {
	for i := range e.items[:n] {
		c.used.Add(-e.items[i].size())
	}
	clear(e.items[:n])
	if e.items = e.items[n:]; len(e.items) == 0 {
		e.items = nil
	}
}

// take takes records and sorts them by series, otherwise in order.
func (e *encoder) take(c *Client) {
	e.taken = c.numbers.take(e.taken[:0], c.giveBack)
	if len(e.taken) == 0 {
		return
	}
	series := len(c.table.named())
	e.count = slices.Grow(e.count[:0], series+1)[:series+1]
	clear(e.count)
	for i := range e.taken {
		e.count[e.taken[i].id+1]++
	}
	for i := range series {
		e.count[i+1] += e.count[i]
	}
	for i := range e.taken {
		r := &e.taken[i]
		e.sorted[e.count[r.id]] = *r
		e.count[r.id]++
	}
	e.records = e.sorted[:len(e.taken)]
}

// discard drops everything that was marked and returns how many events.
func (e *encoder) discard(c *Client) (n uint64) {
	n = uint64(len(e.items))
	e.dropItems(c, len(e.items))
	for !e.empty(c) {
		for i := range e.records {
			n += e.records[i].n
		}
		e.records = nil
	}
	return n
}
