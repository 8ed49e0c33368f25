package taba

import (
	"cmp"
	"slices"
	"time"
)

// tabDropped is the tab, a CounterGroup, that counts what clients dropped.
const tabDropped = "taba_client_dropped"

// encoder turns what was recorded into bodies.
type encoder struct {
	text      textWriter
	bodyBytes int // a body is ended when it is longer

	items    []item   // taken, in order
	records  []record // taken, by series, otherwise in order
	reported uint64   // dropped events that bodies have told of

	taken  []record // scratch: records as they were taken
	sorted []record // what records is a part of
	count  []int32  // scratch: where each series' records begin
}

// body is one request's.
type body struct {
	bytes  []byte // never change until it is acknowledged or given up
	events uint64 // recorded ones in it
	drops  uint64 // dropped ones that it tells of
}

// maxTaken is how many records are taken at once.
const maxTaken = 4096

// mark lets bodies have everything that was recorded so far.
func (e *encoder) mark(c *Client) {
	c.numbers.mark()
	e.items = c.values.take(e.items)
	slices.SortStableFunc(e.items, func(a, b item) int { return cmp.Compare(a.s.word, b.s.word) })
}

// empty reports whether everything that was marked is in bodies.
func (e *encoder) empty(c *Client) bool {
	if len(e.records) == 0 {
		e.take(c)
	}
	return len(e.records)+len(e.items) == 0
}

// build makes the next body, of what was marked, and tells of drops.
func (e *encoder) build(c *Client, now time.Time, drops uint64) *body {
	b := &body{drops: drops}
	e.text.begin(c.cfg.Client, now)
	all := c.table.named()
	for len(e.items) > 0 && e.text.len() < e.bodyBytes {
		b.events += e.addItems(c)
	}
	for e.text.len() < e.bodyBytes && !e.empty(c) {
		b.events += e.addNumbers(all)
	}
	if drops > 0 {
		e.reported += drops
		e.text.drops(drops, now)
	}
	b.bytes = e.text.end()
	return b
}

// reset forgets what was written. Memory that was needed once is not kept for
// ever.
func (e *encoder) reset(b *body) {
	const spare = 256 << 10
	if cap(b.bytes) > spare && len(b.bytes) < cap(b.bytes)/4 {
		e.text = textWriter{}
	}
}

// addItems writes items of one series.
func (e *encoder) addItems(c *Client) uint64 {
	s := e.items[0].s
	n, size := 0, 0
	for n < len(e.items) && e.items[n].s == s && e.text.len()+size < e.bodyBytes {
		size += len(e.items[n].payload)
		n++
	}
	e.text.items(s, e.items[:n])
	e.dropItems(c, n)
	return uint64(n)
}

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

// addNumbers writes records of one series.
func (e *encoder) addNumbers(all []*series) uint64 {
	id, n := e.records[0].id, 1
	for n < len(e.records) && e.records[n].id == id {
		n++
	}
	events, left := e.text.numbers(all[id], e.records[:n], e.bodyBytes-e.text.len())
	e.records = e.records[n-len(left):]
	return events
}

// take takes records and sorts them by series, otherwise in order.
func (e *encoder) take(c *Client) {
	if e.taken == nil {
		n := min(maxTaken, max(e.bodyBytes/64, 1))
		e.taken, e.sorted = make([]record, 0, n), make([]record, n)
	}
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

// discard drops everything that was recorded and returns how many events.
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
