package store

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A body is the encoded Partials of a part, of a spool record, of whatever
// moves Partials. Layout: the version byte, then one group per tab:
//
//	uvarint bytes of the group that follow
//	string namespace, string name, string type      (uvarint length, bytes)
//	uvarint events                                   (sum over its Partials)
//	then until the group ends, per Partial:
//	  string client, uvarint events, string state
//
// The group length lets a reader skip tabs it does not want without looking
// at their Partials.
const bodyVersion = 1

var errBody = errors.New("malformed body of Partials")

// BodyWriter builds a body. The zero value is ready to use; Reset keeps its
// memory. It is not safe for concurrent use.
type BodyWriter struct {
	buf    []byte
	group  []byte // Partials of the open tab
	tab    Tab
	open   bool
	events uint64 // of the open tab
	total  uint64
}

// Reset empties the writer and keeps its memory.
func (w *BodyWriter) Reset() {
	*w = BodyWriter{buf: w.buf[:0], group: w.group[:0]}
}

// Tab begins the Partials of a tab.
func (w *BodyWriter) Tab(t Tab) {
	w.closeTab()
	w.tab, w.open, w.events = t, true, 0
}

// Partial adds one Partial to the tab begun last. encode appends the State's
// encoding to its argument.
func (w *BodyWriter) Partial(client string, events uint64, encode func(dst []byte) []byte) {
	w.group = appendString(w.group, client)
	w.group = binary.AppendUvarint(w.group, events)
	// The length in front of the State is not known yet: leave room for the
	// longest, encode, then move the State down to where it belongs.
	at := len(w.group)
	const room = binary.MaxVarintLen32
	w.group = append(w.group, make([]byte, room)...)
	w.group = encode(w.group)
	size := len(w.group) - at - room
	head := binary.PutUvarint(w.group[at:at+room], uint64(size))
	copy(w.group[at+head:], w.group[at+room:])
	w.group = w.group[:at+head+size]
	w.events += events
}

// Events is the sum over all Partials so far.
func (w *BodyWriter) Events() uint64 {
	if w.open {
		return w.total + w.events
	}
	return w.total
}

// Len is the approximate length of the body so far.
func (w *BodyWriter) Len() int { return len(w.buf) + len(w.group) }

// Bytes ends the body and returns it, or nil if nothing was written. It is
// valid until Reset.
func (w *BodyWriter) Bytes() []byte {
	w.closeTab()
	return w.buf
}

func (w *BodyWriter) closeTab() {
	if !w.open {
		return
	}
	if len(w.buf) == 0 {
		w.buf = append(w.buf, bodyVersion)
	}
	size := stringLen(w.tab.Namespace) + stringLen(w.tab.Name) + stringLen(w.tab.Type) + uvarintLen(w.events) + len(w.group)
	w.buf = binary.AppendUvarint(w.buf, uint64(size))
	w.buf = appendString(w.buf, w.tab.Namespace)
	w.buf = appendString(w.buf, w.tab.Name)
	w.buf = appendString(w.buf, w.tab.Type)
	w.buf = binary.AppendUvarint(w.buf, w.events)
	w.buf = append(w.buf, w.group...)
	w.total += w.events
	w.group, w.open, w.events = w.group[:0], false, 0
}

// TabBytes names a tab within a body without copying.
type TabBytes struct {
	Namespace, Name, Type []byte
	Events                uint64
	partials              []byte
}

// Tab copies the names.
func (t *TabBytes) Tab() Tab {
	return Tab{Namespace: string(t.Namespace), Name: string(t.Name), Type: string(t.Type)}
}

// PartialBytes is one Partial within a body.
type PartialBytes struct {
	Client []byte
	Events uint64
	State  []byte
}

// BodyReader reads a body: NextTab, then NextPartial until it returns false,
// or the next NextTab at once. What it returns points into the body.
//
//	r := NewBodyReader(body)
//	for r.NextTab() {
//		for r.NextPartial() { … r.Tab, r.Partial … }
//	}
//	if err := r.Err(); err != nil { … }
type BodyReader struct {
	Tab     TabBytes
	Partial PartialBytes
	rest    []byte
	err     error
}

// NewBodyReader returns a reader over body. An empty body has no tabs.
func NewBodyReader(body []byte) BodyReader {
	if len(body) == 0 {
		return BodyReader{}
	}
	if body[0] != bodyVersion {
		return BodyReader{err: fmt.Errorf("%w: version %d, this release reads %d", errBody, body[0], bodyVersion)}
	}
	return BodyReader{rest: body[1:]}
}

// Err returns the first error met.
func (r *BodyReader) Err() error { return r.err }

// Len is how many bytes of the body come after the tab moved to last.
func (r *BodyReader) Len() int { return len(r.rest) }

// Cut returns a reader of the next n bytes, which must end where a tab does, and
// moves r behind them.
func (r *BodyReader) Cut(n int) BodyReader {
	if r.err == nil && n > len(r.rest) {
		r.err = fmt.Errorf("%w: %d bytes of tabs in %d", errBody, n, len(r.rest))
	}
	if r.err != nil {
		return BodyReader{err: r.err}
	}
	c := BodyReader{rest: r.rest[:n:n]}
	r.rest = r.rest[n:]
	return c
}

// NextTab moves to the next tab.
func (r *BodyReader) NextTab() bool {
	if r.err != nil || len(r.rest) == 0 {
		return false
	}
	var group []byte
	t := TabBytes{}
	if group, r.rest = r.str(r.rest); r.err != nil {
		return false
	}
	t.Namespace, group = r.str(group)
	t.Name, group = r.str(group)
	t.Type, group = r.str(group)
	t.Events, t.partials = r.uvarint(group)
	r.Tab = t
	return r.err == nil
}

// NextPartial moves to the next Partial of the tab.
func (r *BodyReader) NextPartial() bool {
	if r.err != nil || len(r.Tab.partials) == 0 {
		return false
	}
	b := r.Tab.partials
	r.Partial.Client, b = r.str(b)
	r.Partial.Events, b = r.uvarint(b)
	r.Partial.State, b = r.str(b)
	r.Tab.partials = b
	return r.err == nil
}

func (r *BodyReader) str(b []byte) (s, rest []byte) {
	n, b := r.uvarint(b)
	if r.err != nil {
		return nil, nil
	}
	if n > uint64(len(b)) {
		r.err = fmt.Errorf("%w: a string of %d bytes in %d", errBody, n, len(b))
		return nil, nil
	}
	return b[:n:n], b[n:]
}

func (r *BodyReader) uvarint(b []byte) (uint64, []byte) {
	if r.err != nil {
		return 0, nil
	}
	v, n := binary.Uvarint(b)
	if n <= 0 {
		r.err = fmt.Errorf("%w: a number is cut off", errBody)
		return 0, nil
	}
	return v, b[n:]
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func stringLen(s string) int { return uvarintLen(uint64(len(s))) + len(s) }

func uvarintLen(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}
