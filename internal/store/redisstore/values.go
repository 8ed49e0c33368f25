package redisstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// Values are sequences of uvarints, fixed-width numbers (little endian) and
// strings with a uvarint length. A value that does not decode is reported with
// what it was.

var errValue = errors.New("value in the store is malformed")

// decoder reads a value from its front. After the first error everything it
// returns is zero.
type decoder struct {
	rest string
	bad  bool
}

func (d *decoder) take(n uint64) string {
	if d.bad || n > uint64(len(d.rest)) {
		d.bad = true
		return ""
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) uvarint() (v uint64) {
	for i := 0; i < len(d.rest) && i < binary.MaxVarintLen64 && !d.bad; i++ {
		b := d.rest[i]
		if b < 0x80 {
			if i == binary.MaxVarintLen64-1 && b > 1 {
				break
			}
			d.rest = d.rest[i+1:]
			return v | uint64(b)<<(7*i)
		}
		v |= uint64(b&0x7f) << (7 * i)
	}
	d.bad = true
	return 0
}

func (d *decoder) uint64() uint64 {
	b := d.take(8)
	if d.bad {
		return 0
	}
	return binary.LittleEndian.Uint64([]byte(b))
}

func (d *decoder) string() string { return d.take(d.uvarint()) }

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

// meta is the value of m: format first, so that every release can read that.
type meta struct {
	store.Meta
	complete bool // of vbucket 0: every vbucket was made
}

func (m *meta) encode() string {
	v := binary.AppendUvarint(nil, uint64(m.Format))
	v = append(v, m.ID[:]...)
	v = binary.LittleEndian.AppendUint64(v, uint64(m.Created.UnixNano()))
	v = binary.AppendUvarint(v, uint64(m.Partition.Version))
	v = binary.AppendUvarint(v, uint64(m.Partition.VBuckets))
	v = binary.LittleEndian.AppendUint64(v, m.Partition.Key)
	if m.complete {
		return string(append(v, 1))
	}
	return string(append(v, 0))
}

func decodeMeta(v string) (m meta, err error) {
	d := decoder{rest: v}
	m.Format = uint32(d.uvarint())
	if !d.bad && m.Format != format {
		return m, fmt.Errorf("the store has format %d, this release reads format %d: use the release that wrote it, or a newer one", m.Format, format)
	}
	copy(m.ID[:], d.take(16))
	m.Created = time.Unix(0, int64(d.uint64())).UTC()
	m.Partition.Version = uint32(d.uvarint())
	m.Partition.VBuckets = int(d.uvarint())
	m.Partition.Key = d.uint64()
	m.complete = d.take(1) == "\x01"
	if err := d.err("description of the store"); err != nil {
		return m, err
	}
	return m, checkPartition(m.Partition)
}

// checkPartition refuses a store that is cut in a way that this release does
// not know: it would look for tabs where they are not.
func checkPartition(p store.Partition) error {
	switch {
	case p.Version != partition:
		return fmt.Errorf("the store was cut with partition function %d, this release knows %d: use a release that knows it", p.Version, partition)
	case p.VBuckets < 1 || p.VBuckets > maxVBuckets:
		return fmt.Errorf("the store is said to have %d vbuckets, there may be 1 to %d", p.VBuckets, maxVBuckets)
	}
	return nil
}

// token changes with every change of a state. It is random, so that no two
// histories have one in common.
type token [tokenLen]byte

// tokenLen is known to the scripts too.
const tokenLen = 8

// state is the value of s.
type state struct {
	token    token
	end      mark
	horizons store.Horizons
	pass     passName // the last pass of garbage collection, random
	birth    string   // replication id of the server on which the vbucket was made
}

// mark is a place in a log, with what was appended up to it.
type mark struct {
	store.Position
	events uint64
	bytes  uint64
}

func (s *state) encode() string {
	v := append(make([]byte, 0, 128), s.token[:]...)
	v = appendPosition(v, s.end.Position)
	v = binary.AppendUvarint(v, s.end.events)
	v = binary.AppendUvarint(v, s.end.bytes)
	v = binary.LittleEndian.AppendUint64(v, uint64(s.horizons.Spool))
	v = binary.LittleEndian.AppendUint64(v, uint64(s.horizons.Direct))
	v = append(v, s.pass[:]...)
	return string(appendString(v, s.birth))
}

func decodeState(v string) (s state, err error) {
	d := decoder{rest: v}
	copy(s.token[:], d.take(tokenLen))
	s.end.Position = d.position()
	s.end.events, s.end.bytes = d.uvarint(), d.uvarint()
	s.horizons = store.Horizons{Spool: int64(d.uint64()), Direct: int64(d.uint64())}
	copy(s.pass[:], d.take(16))
	s.birth = d.string()
	return s, d.err("state of a vbucket")
}

// The values of w: seq, chain and, if closed, the closer's token.

func encodeRow(r store.Row) string {
	dst := binary.AppendUvarint(nil, r.Head.Seq)
	dst = append(dst, r.Head.Chain[:]...)
	if r.Closed {
		dst = append(dst, r.Token[:]...)
	}
	return string(dst)
}

func decodeRow(v string) (r store.Row, err error) {
	d := decoder{rest: v}
	r.Head.Seq = d.uvarint()
	copy(r.Head.Chain[:], d.take(uint64(len(r.Head.Chain))))
	if len(d.rest) > 0 {
		r.Closed = true
		copy(r.Token[:], d.take(uint64(len(r.Token))))
	}
	return r, d.err("row of a source")
}

// head is a value of h: an entry without its body, and what was appended to
// the vbucket up to and with it.
type head struct {
	entry   store.Entry // Body is nil
	events  uint64      // of all entries up to and with this one
	bytes   uint64      // likewise
	outline uint64      // length
	body    uint64      // length
}

func (h *head) encode() string {
	e := &h.entry
	dst := append(make([]byte, 0, 96), byte(e.Kind))
	dst = appendPosition(dst, e.Position)
	for _, n := range []uint64{h.events, h.bytes, h.outline, h.body} {
		dst = binary.AppendUvarint(dst, n)
	}
	switch e.Kind {
	case store.KindPartials:
		dst, _ = e.Source.AppendBinary(dst) // never fails
		dst = binary.AppendUvarint(dst, e.Seq)
		dst = binary.AppendUvarint(dst, e.Events)
	case store.KindPrune:
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(e.Command.At))
	case store.KindDelete:
		// At of a delete means nothing and counts in its identity.
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(e.Command.At))
		dst = binary.AppendUvarint(dst, uint64(len(e.Command.Names)))
		for _, n := range e.Command.Names {
			dst = appendString(appendString(dst, n.Namespace), n.Name)
		}
	}
	return string(dst)
}

func (h *head) decode(v string) error {
	*h = head{}
	d := decoder{rest: v}
	e := &h.entry
	if kind := d.take(1); !d.bad {
		e.Kind = store.Kind(kind[0])
	}
	e.Position = d.position()
	h.events, h.bytes, h.outline, h.body = d.uvarint(), d.uvarint(), d.uvarint(), d.uvarint()
	switch e.Kind {
	case store.KindPartials:
		if id := d.take(sourceLen); !d.bad {
			d.bad = e.Source.UnmarshalBinary([]byte(id)) != nil
		}
		e.Seq, e.Events = d.uvarint(), d.uvarint()
	case store.KindPrune:
		e.Command = store.Command{Kind: e.Kind, At: math.Float64frombits(d.uint64())}
	case store.KindDelete:
		e.Command = store.Command{Kind: e.Kind, At: math.Float64frombits(d.uint64())}
		for n := d.uvarint(); n > 0 && !d.bad; n-- {
			e.Command.Names = append(e.Command.Names, store.TabName{Namespace: d.string(), Name: d.string()})
		}
	default:
		d.bad = true
	}
	return d.err("head of an entry")
}

const sourceLen = 8 + 1 + 16

// ledger is the value of k: what compaction changes.
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

func (l *ledger) encode() string {
	v := appendPosition(nil, l.trim)
	for _, c := range l.counters() {
		v = binary.AppendUvarint(v, *c)
	}
	return string(v)
}

func decodeLedger(v string) (l ledger, err error) {
	d := decoder{rest: v}
	l.trim = d.position()
	for _, c := range l.counters() {
		*c = d.uvarint()
	}
	return l, d.err("ledger")
}
