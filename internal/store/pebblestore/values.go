package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// Values are sequences of uvarints, fixed-width numbers (little endian) and
// strings with a uvarint length. They are checked by Pebble; a value that does
// not decode is reported with what it was.

var errValue = errors.New("value in the store is malformed")

// decoder reads a value from its front. After the first error everything it
// returns is zero.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) take(n uint64) []byte {
	if d.bad || n > uint64(len(d.rest)) {
		d.bad = true
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) uint64() uint64 {
	b := d.take(8)
	if d.bad {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func (d *decoder) string() string { return string(d.take(d.uvarint())) }

func (d *decoder) position() store.Position {
	return store.Position{Offset: d.uvarint(), Identity: d.uint64()}
}

// err says what was malformed, if anything was.
func (d *decoder) err(what string, args ...any) error {
	if !d.bad {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(what, args...), errValue)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendPosition(dst []byte, p store.Position) []byte {
	return binary.LittleEndian.AppendUint64(binary.AppendUvarint(dst, p.Offset), p.Identity)
}

// The value of M: id, creation, format, partition version, V, key.

func encodeMeta(m store.Meta) []byte {
	v := append([]byte(nil), m.ID[:]...)
	v = binary.LittleEndian.AppendUint64(v, uint64(m.Created.UnixNano()))
	v = binary.AppendUvarint(v, uint64(m.Format))
	v = binary.AppendUvarint(v, uint64(m.Partition.Version))
	v = binary.AppendUvarint(v, uint64(m.Partition.VBuckets))
	return binary.LittleEndian.AppendUint64(v, m.Partition.Key)
}

func decodeMeta(v []byte) (m store.Meta, err error) {
	d := decoder{rest: v}
	copy(m.ID[:], d.take(16))
	m.Created = time.Unix(0, int64(d.uint64())).UTC()
	m.Format = uint32(d.uvarint())
	m.Partition.Version = uint32(d.uvarint())
	m.Partition.VBuckets = int(d.uvarint())
	m.Partition.Key = d.uint64()
	return m, d.err("description of the store")
}

func encodeHorizons(h store.Horizons) []byte {
	v := binary.LittleEndian.AppendUint64(nil, uint64(h.Spool))
	return binary.LittleEndian.AppendUint64(v, uint64(h.Direct))
}

func decodeHorizons(v []byte) (store.Horizons, error) {
	d := decoder{rest: v}
	h := store.Horizons{Spool: int64(d.uint64()), Direct: int64(d.uint64())}
	return h, d.err("horizons")
}

// The value of W: seq, chain and, if closed, the closer's token.

func appendRow(dst []byte, r store.Row) []byte {
	dst = binary.AppendUvarint(dst, r.Head.Seq)
	dst = append(dst, r.Head.Chain[:]...)
	if r.Closed {
		dst = append(dst, r.Token[:]...)
	}
	return dst
}

func decodeRow(v []byte) (r store.Row, err error) {
	d := decoder{rest: v}
	r.Head.Seq = d.uvarint()
	copy(r.Head.Chain[:], d.take(uint64(len(r.Head.Chain))))
	if len(d.rest) > 0 {
		r.Closed = true
		copy(r.Token[:], d.take(uint64(len(r.Token))))
	}
	return r, d.err("row of a source")
}

// head is the value of E: an entry without its body, and what was appended to
// the vbucket up to and with it.
type head struct {
	entry  store.Entry // Body is the outline: see store.AppendOutline
	events uint64      // of all entries up to and with this one
	bytes  uint64      // likewise

	logged   bool   // the body is in the commit log
	size     uint64 // of the body, if it is in sections
	sections []int  // how much of the outline is of each; none: the body is whole
}

// Set in the kind of a head.
const (
	inSections = 0x80 // the body is in sections
	inLog      = 0x40 // the body is in the commit log
)

func appendHead(dst []byte, h *head) []byte {
	e := &h.entry
	kind := byte(e.Kind)
	if len(h.sections) > 0 {
		kind |= inSections
	}
	if h.logged {
		kind |= inLog
	}
	dst = append(dst, kind)
	dst = binary.LittleEndian.AppendUint64(dst, e.Position.Identity)
	dst = binary.AppendUvarint(dst, h.events)
	dst = binary.AppendUvarint(dst, h.bytes)
	switch e.Kind {
	case store.KindPartials:
		dst, _ = e.Source.AppendBinary(dst) // never fails
		dst = binary.AppendUvarint(dst, e.Seq)
		dst = binary.AppendUvarint(dst, e.Events)
		dst = h.appendSections(dst)
		dst = append(dst, e.Body...)
	case store.KindPrune:
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(e.Command.At))
	case store.KindDelete:
		dst = binary.AppendUvarint(dst, uint64(len(e.Command.Names)))
		for _, n := range e.Command.Names {
			dst = appendString(appendString(dst, n.Namespace), n.Name)
		}
	}
	return dst
}

// decode reads a head. The outline points into v.
func (h *head) decode(offset uint64, v []byte) error {
	*h = head{sections: h.sections[:0]}
	d := decoder{rest: v}
	e := &h.entry
	var cut bool
	if kind := d.take(1); !d.bad {
		e.Kind, cut = store.Kind(kind[0]&^(inSections|inLog)), kind[0]&inSections != 0
		h.logged = kind[0]&inLog != 0
	}
	e.Position = store.Position{Offset: offset, Identity: d.uint64()}
	h.events, h.bytes = d.uvarint(), d.uvarint()
	switch e.Kind {
	case store.KindPartials:
		if id := d.take(sourceLen); !d.bad {
			d.bad = e.Source.UnmarshalBinary(id) != nil
		}
		e.Seq, e.Events = d.uvarint(), d.uvarint()
		if cut {
			h.decodeSections(&d)
		}
		e.Body = d.rest
	case store.KindPrune:
		e.Command = store.Command{Kind: e.Kind, At: math.Float64frombits(d.uint64())}
	case store.KindDelete:
		e.Command.Kind = e.Kind
		for n := d.uvarint(); n > 0 && !d.bad; n-- {
			e.Command.Names = append(e.Command.Names, store.TabName{Namespace: d.string(), Name: d.string()})
		}
	default:
		d.bad = true
	}
	return d.err("head of entry %d", offset)
}

const sourceLen = 8 + 1 + 16

// ledger is the value of C: what compaction changes.
type ledger struct {
	trim        store.Position
	events      uint64 // of the entries that were trimmed
	bytes       uint64 // likewise
	recorded    uint64
	recordBytes uint64
	pruned      uint64
	deleted     uint64
	setAside    uint64
}

func (l *ledger) counters() []*uint64 {
	return []*uint64{&l.events, &l.bytes, &l.recorded, &l.recordBytes, &l.pruned, &l.deleted, &l.setAside}
}

func (l *ledger) encode() []byte {
	v := appendPosition(nil, l.trim)
	for _, c := range l.counters() {
		v = binary.AppendUvarint(v, *c)
	}
	return v
}

func (l *ledger) decode(v []byte) error {
	d := decoder{rest: v}
	l.trim = d.position()
	for _, c := range l.counters() {
		*c = d.uvarint()
	}
	return d.err("ledger")
}

// record is the value of R.
type record struct {
	position store.Position
	events   uint64
	first    uint64
	all      uint64 // length of the all-clients State and one more; 0: there is none
	bytes    uint64 // of its clients: names and States
}

func (r *record) encode() []byte {
	v := appendPosition(nil, r.position)
	for _, n := range []uint64{r.events, r.first, r.all, r.bytes} {
		v = binary.AppendUvarint(v, n)
	}
	return v
}

func (r *record) decode(v []byte) error {
	d := decoder{rest: v}
	*r = record{position: d.position(), events: d.uvarint(), first: d.uvarint(), all: d.uvarint(), bytes: d.uvarint()}
	return d.err("record of a tab")
}

// recordOverhead is what a record takes besides its States, about.
const recordOverhead = 64

// size is what the record takes, about.
func (r *record) size() uint64 { return recordOverhead + r.all + r.bytes }

// The value of D: events, and the length of the State and one more; 0: there
// is no State, the client was pruned.

func appendClient(dst []byte, c *store.ClientState) []byte {
	dst = binary.AppendUvarint(dst, c.Events)
	if c.State == nil {
		return append(dst, 0)
	}
	return binary.AppendUvarint(dst, uint64(len(c.State))+1)
}

func decodeClient(v []byte) (events, state uint64, err error) {
	d := decoder{rest: v}
	events, state = d.uvarint(), d.uvarint()
	return events, state, d.err("directory entry of a client")
}

// clientSize is what a client takes in a record, about.
func clientSize(name int, state uint64) uint64 { return 32 + uint64(name) + state }
