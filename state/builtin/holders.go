package builtin

import (
	"bytes"
	"math"
	"slices"
	"sort"
	"strings"
)

// holders is what Gauge and ExpiryGauge have in common: one value per client.
// Of two values for a client the one with the greater rank wins, of equal
// ranks the one with the smaller bytes. The rank of a gauge is its time, that
// of an expiry gauge its expiry, so in both a value is gone once its rank plus
// a fixed life is not after foldedAt, the latest time at which anything was
// folded. Whatever loses, or is gone, can never come back, which is why it
// does not matter when it is dropped.
type holders struct {
	n        uint64   // events, also those that were superseded
	foldedAt float64  // 0 if nothing was
	list     []holder // ascending by client
	value    []byte   // buffers of fold
	best     []byte
}

type holder struct {
	client string
	value  string // canonical
	rank   float64
}

func (h *holders) reset() {
	clear(h.list)
	h.n, h.foldedAt, h.list = 0, 0, h.list[:0]
}

// beats reports whether a value with rank a is to be kept before one with b.
func beats(a float64, aValue string, b float64, bValue string) bool {
	return a > b || a == b && aValue < bValue
}

// advance notes that something was folded at now and drops what is gone.
func (h *holders) advance(now, life float64) {
	if !(now > h.foldedAt) || !finite(now) {
		return
	}
	h.foldedAt = now
	gone := func(e holder) bool { return e.rank+life <= now }
	if slices.ContainsFunc(h.list, gone) {
		h.list = slices.DeleteFunc(h.list, gone)
	}
}

func (h *holders) find(client string) (int, bool) {
	i := sort.Search(len(h.list), func(i int) bool { return h.list[i].client >= client })
	return i, i < len(h.list) && h.list[i].client == client
}

// set offers a value for a client.
func (h *holders) set(client string, value []byte, rank, life float64) {
	if rank+life <= h.foldedAt {
		return
	}
	i, found := h.find(client)
	if !found {
		h.list = slices.Insert(h.list, i, holder{client, string(value), rank})
		return
	}
	e := &h.list[i]
	switch {
	case e.value == string(value):
		e.rank = max(e.rank, rank)
	case rank > e.rank || rank == e.rank && string(value) < e.value:
		e.value, e.rank = string(value), rank
	}
}

func (h *holders) merge(o *holders, life float64) {
	h.n = addCount(h.n, o.n)
	h.advance(o.foldedAt, life)
	if len(o.list) > 8 {
		h.mergeAll(o, life)
		return
	}
	for _, e := range o.list {
		if e.rank+life <= h.foldedAt {
			continue
		}
		i, found := h.find(e.client)
		switch {
		case !found:
			h.list = slices.Insert(h.list, i, e)
		case beats(e.rank, e.value, h.list[i].rank, h.list[i].value):
			h.list[i] = e
		}
	}
}

// mergeAll merges the entries of o in one pass over both lists.
func (h *holders) mergeAll(o *holders, life float64) {
	old := h.list
	h.list = make([]holder, 0, max(len(old), len(o.list)))
	for _, e := range o.list {
		for len(old) > 0 && old[0].client < e.client {
			h.list = append(h.list, old[0])
			old = old[1:]
		}
		if len(old) > 0 && old[0].client == e.client {
			if beats(old[0].rank, old[0].value, e.rank, e.value) {
				e = old[0]
			}
			old = old[1:]
		}
		if e.rank+life > h.foldedAt {
			h.list = append(h.list, e)
		}
	}
	h.list = append(h.list, old...)
}

// expired reports whether no value is left at time at.
func (h *holders) expired(at, life float64) bool {
	for _, e := range h.list {
		if e.rank+life > at {
			return false
		}
	}
	return true
}

// render appends how many clients hold each value at time at.
func (h *holders) render(dst []byte, at, life float64) []byte {
	var buf []byte
	var texts []string
	for _, e := range h.list {
		if e.rank+life > at {
			buf = appendText(buf[:0], []byte(e.value))
			texts = append(texts, string(buf))
		}
	}
	slices.Sort(texts)
	dst = append(dst, '{')
	for i := 0; i < len(texts); {
		same := i + 1
		for same < len(texts) && texts[same] == texts[i] {
			same++
		}
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, texts[i]...)
		dst = append(dst, ": "...)
		dst = appendCount(dst, uint64(same-i))
		i = same
	}
	return append(dst, '}')
}

// append appends the version, the events, the latest fold, and per client in
// order: client, value, rank.
func (h *holders) append(dst []byte) []byte {
	dst = append(dst, version1)
	dst = appendUint(dst, h.n)
	dst = appendFloat(dst, h.foldedAt)
	dst = appendUint(dst, uint64(len(h.list)))
	for _, e := range h.list {
		dst = appendString(dst, e.client)
		dst = appendString(dst, e.value)
		dst = appendExpiry(dst, e.rank)
	}
	return dst
}

func (h *holders) decode(src []byte, typ string, life float64) error {
	h.reset()
	d := newDecoder(src, version1)
	h.n = d.uint()
	h.foldedAt = d.foldTime()
	n := d.length(math.MaxInt32, 3)
	h.list = slices.Grow(h.list, n)
	for i := range n {
		e := holder{client: string(d.bytes()), value: string(d.canonical()), rank: d.expiry()}
		if i > 0 && strings.Compare(h.list[i-1].client, e.client) >= 0 {
			d.fail("clients are not in ascending order")
		}
		if e.rank+life <= h.foldedAt {
			d.fail("a value that is gone")
		}
		if !d.ok() {
			break
		}
		h.list = append(h.list, e)
	}
	err := d.finish(typ)
	if err != nil {
		h.reset()
	}
	return err
}

func (h *holders) size() int {
	n := 128 + 40*cap(h.list) + cap(h.value) + cap(h.best)
	for _, e := range h.list {
		n += len(e.client) + len(e.value)
	}
	return n
}

// canonical reads a canonical value.
func (d *decoder) canonical() []byte {
	v := d.bytes()
	var buf [128]byte
	again, err := appendCanonical(buf[:0], v)
	if err != nil || !bytes.Equal(again, v) {
		d.fail("a value is not in its canonical form")
		return nil
	}
	return v
}
