package builtin

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"sort"

	"github.com/tabaproject/taba/state"
)

// bufferLimit is how many values a Buffer keeps.
const bufferLimit = 1000

// Buffer is the Type that keeps values until they expire: the payload is
// [value, expiry in UTC seconds], and the answer all values with their times,
// longest expiry first, at most bufferLimit.
type Buffer struct{}

// Type implements state.Handler.
func (Buffer) Type() string { return "Buffer" }

// New implements state.Handler.
func (Buffer) New() state.State { return new(buffer) }

type buffer struct {
	n        uint64  // events, also those whose value is gone
	foldedAt float64 // what had expired by then is gone; 0 if nothing was folded
	list     []kept  // in order
	sorted   int     // how many of list are; all but during Fold and Merge
	value    []byte  // buffers of Fold and sortIn
	spare    []kept
}

// kept is a value in a Buffer.
type kept struct {
	expiry, time float64
	pos          uint32 // among the events of its bundle that were not refused
	value        []byte // canonical; its memory belongs to this element
}

// order decides what comes first, and so what the limit cuts. It is total up
// to equal bytes.
func order(a, b *kept) int {
	switch {
	case a.expiry != b.expiry:
		return cmp.Compare(b.expiry, a.expiry)
	case a.time != b.time:
		return cmp.Compare(a.time, b.time)
	case a.pos != b.pos:
		return cmp.Compare(a.pos, b.pos)
	}
	return bytes.Compare(a.value, b.value)
}

func (s *buffer) Fold(now float64, b *state.Bundle, refuse func(int, state.Reason)) {
	s.advance(now)
	var pos uint32
	for i := range b.Events {
		e := &b.Events[i]
		value, expiry, why := s.read(e)
		if why != "" {
			refuse(i, why)
			continue
		}
		s.n = addCount(s.n, e.Count())
		if expiry > s.foldedAt && (expiry > now || !finite(now)) {
			s.offer(&kept{expiry, e.Time + 0, pos, value})
		}
		pos++
	}
	s.sortIn()
}

// offer adds a copy of k behind the values that are in order, for sortIn to
// put it where it belongs.
func (s *buffer) offer(k *kept) {
	if s.sorted == bufferLimit && order(&s.list[s.sorted-1], k) <= 0 {
		return
	}
	if len(s.list) == 2*bufferLimit {
		s.sortIn()
	}
	s.push(k)
}

// sortIn puts the values that were offered in their places and cuts what is
// beyond the limit.
func (s *buffer) sortIn() {
	offered := s.list[s.sorted:]
	slices.SortFunc(offered, func(a, b kept) int { return order(&a, &b) })
	if s.sorted > 0 && len(offered) > 0 {
		s.spare = append(s.spare[:0], offered...)
		i, j := s.sorted-1, len(offered)-1
		for k := len(s.list) - 1; j >= 0; k-- {
			if i >= 0 && order(&s.list[i], &s.spare[j]) > 0 {
				s.list[k] = s.list[i]
				i--
			} else {
				s.list[k] = s.spare[j]
				j--
			}
		}
		clear(s.spare) // its values belong to the list
	}
	s.cut(bufferLimit)
}

// cut drops what is beyond the first n values, all of which are in order.
func (s *buffer) cut(n int) {
	s.list = s.list[:min(n, len(s.list))]
	s.sorted = len(s.list)
}

// read returns the canonical value and the expiry of an event. The value is
// valid until the next call.
func (s *buffer) read(e *state.Event) (value []byte, expiry float64, why state.Reason) {
	if !finite(e.Time) {
		return nil, 0, state.ReasonNotFinite
	}
	payload, why := canonical(s.value[:0], e)
	if why != "" {
		return nil, 0, why
	}
	s.value = payload
	switch payload[0] {
	case '[':
		first, rest := nextElement(payload[1 : len(payload)-1])
		if rest == nil {
			return nil, 0, state.ReasonPayload
		}
		second, more := nextElement(rest)
		if more != nil {
			return nil, 0, state.ReasonPayload
		}
		expiry, why = expiryOf(second)
		return first, expiry, why
	case '"':
		// A string of two characters unpacks; the second is no number.
		inside := payload[1 : len(payload)-1]
		first := nextChar(inside)
		second := nextChar(inside[first:])
		if second == 0 || first+second != len(inside) {
			return nil, 0, state.ReasonPayload
		}
		payload[first+1] = '"'
		return payload[:first+2], math.Inf(1), ""
	}
	return nil, 0, state.ReasonPayload
}

// advance notes that something was folded at now and drops what has expired:
// the end of the list.
func (s *buffer) advance(now float64) {
	if !(now > s.foldedAt) || !finite(now) {
		return
	}
	s.foldedAt = now
	s.cut(sort.Search(len(s.list), func(i int) bool { return s.list[i].expiry <= now }))
}

// push appends a copy of k in the memory of an element that was dropped.
func (s *buffer) push(k *kept) {
	n := len(s.list)
	if n < cap(s.list) {
		s.list = s.list[:n+1]
	} else {
		s.list = append(s.list, kept{})
	}
	value := append(s.list[n].value[:0], k.value...)
	s.list[n] = kept{k.expiry, k.time, k.pos, value}
}

func (s *buffer) Merge(src state.State) {
	o := src.(*buffer)
	s.n = addCount(s.n, o.n)
	s.advance(o.foldedAt)
	for i := range o.list {
		if k := &o.list[i]; k.expiry > s.foldedAt {
			s.offer(k)
		}
	}
	s.sortIn()
}

func (s *buffer) N() uint64 { return s.n }

func (s *buffer) Clamp(limit float64) uint64 {
	s.foldedAt = min(s.foldedAt, max(limit, 0))
	var moved uint64
	for i := range s.list {
		if s.list[i].time > limit {
			s.list[i].time = limit
			moved++
		}
	}
	if moved > 0 {
		s.sorted = 0
		s.sortIn()
	}
	return moved
}

func (s *buffer) Expired(at float64) bool {
	return len(s.list) == 0 || s.list[0].expiry <= at
}

// Render shows values that have expired since the last fold too, as the
// original does.
func (s *buffer) Render(dst []byte, _ float64, _ state.Format) []byte {
	dst = append(dst, '[')
	for i := range s.list {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, '[')
		dst = append(dst, s.list[i].value...)
		dst = append(dst, ", "...)
		dst = appendRepr(dst, s.list[i].time)
		dst = append(dst, ']')
	}
	return append(dst, ']')
}

// Append writes the version, the events, the latest fold, and per value in
// order: expiry, time, position, value.
func (s *buffer) Append(dst []byte) []byte {
	dst = append(dst, version1)
	dst = appendUint(dst, s.n)
	dst = appendFloat(dst, s.foldedAt)
	dst = appendUint(dst, uint64(len(s.list)))
	for i := range s.list {
		k := &s.list[i]
		dst = appendExpiry(dst, k.expiry)
		dst = appendFloat(dst, k.time)
		dst = appendUint(dst, uint64(k.pos))
		dst = appendString(dst, k.value)
	}
	return dst
}

func (s *buffer) Decode(src []byte) error {
	s.Reset()
	d := newDecoder(src, version1)
	s.n = d.uint()
	s.foldedAt = d.foldTime()
	n := d.length(bufferLimit, 5)
	s.list = slices.Grow(s.list, n)
	for i := range n {
		k := kept{expiry: d.expiry(), time: d.float(), pos: d.uint32(), value: d.canonical()}
		if i > 0 && order(&s.list[i-1], &k) > 0 {
			d.fail("values are not in order")
		}
		if k.expiry <= s.foldedAt {
			d.fail("a value that is gone")
		}
		if !d.ok() {
			break
		}
		s.push(&k)
	}
	s.sorted = len(s.list)
	err := d.finish("Buffer")
	if err != nil {
		s.Reset()
	}
	return err
}

func (s *buffer) Reset() { s.n, s.foldedAt, s.list, s.sorted = 0, 0, s.list[:0], 0 }

func (s *buffer) Size() int {
	n := 160 + 48*(cap(s.list)+cap(s.spare)) + cap(s.value)
	for i := range s.list {
		n += cap(s.list[i].value)
	}
	return n
}
