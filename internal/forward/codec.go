package forward

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tabaproject/taba/internal/store"
)

// Payloads of the spool's control records. Numbers are uvarints unless said
// otherwise. They are stored: fields are only ever added at the end.

var errRecord = errors.New("malformed spool record")

// sealed is the payload of a seal: a numbered Batch.
type sealed struct {
	Seq    uint64
	Origin uint32 // the source whose records it holds; another one if renumbered
	Cover  uint64 // every record of Origin up to this LSN is in this or an earlier seal
	Count  tally  // of those records
	Parts  []sealedPart
}

type sealedPart struct {
	VB     int
	Prev   uint64
	Chain  store.Chain
	Digest store.Digest
	Events uint64
	Body   []byte
}

// tally counts records.
type tally struct {
	Records, Bytes, Events uint64
}

func appendSealed(dst []byte, s *sealed) []byte {
	dst = binary.AppendUvarint(dst, s.Seq)
	dst = binary.AppendUvarint(dst, uint64(s.Origin))
	dst = binary.AppendUvarint(dst, s.Cover)
	dst = binary.AppendUvarint(dst, s.Count.Records)
	dst = binary.AppendUvarint(dst, s.Count.Bytes)
	dst = binary.AppendUvarint(dst, s.Count.Events)
	dst = binary.AppendUvarint(dst, uint64(len(s.Parts)))
	for i := range s.Parts {
		p := &s.Parts[i]
		dst = binary.AppendUvarint(dst, uint64(p.VB))
		dst = binary.AppendUvarint(dst, p.Prev)
		dst = append(dst, p.Chain[:]...)
		dst = append(dst, p.Digest[:]...)
		dst = binary.AppendUvarint(dst, p.Events)
		dst = binary.AppendUvarint(dst, uint64(len(p.Body)))
		dst = append(dst, p.Body...)
	}
	return dst
}

// decodeSealed reads a seal; bodies point into b.
func decodeSealed(b []byte) (sealed, error) {
	d := decoder{b: b}
	s := sealed{Seq: d.uint(), Origin: d.uint32(), Cover: d.uint()}
	s.Count = tally{d.uint(), d.uint(), d.uint()}
	for range d.count(1 + 1 + 16 + 16 + 1 + 1) {
		p := sealedPart{VB: d.vb(), Prev: d.uint(), Chain: d.id(), Digest: d.id(), Events: d.uint()}
		p.Body = d.bytes()
		s.Parts = append(s.Parts, p)
	}
	return s, d.done("seal")
}

// opened is the payload of a source record.
type opened struct {
	ID        store.SourceID
	StoreID   [16]byte
	Partition store.Partition
}

func appendOpened(dst []byte, o *opened) []byte {
	dst, _ = o.ID.AppendBinary(dst) // never fails
	dst = append(dst, o.StoreID[:]...)
	dst = binary.AppendUvarint(dst, uint64(o.Partition.Version))
	dst = binary.AppendUvarint(dst, uint64(o.Partition.VBuckets))
	return binary.LittleEndian.AppendUint64(dst, o.Partition.Key)
}

func (d *decoder) opened() (o opened) {
	if id := d.take(sourceIDLen); d.err == nil {
		d.err = o.ID.UnmarshalBinary(id)
	}
	o.StoreID = d.id()
	o.Partition.Version = d.uint32()
	o.Partition.VBuckets = d.vb()
	if key := d.take(8); d.err == nil {
		o.Partition.Key = binary.LittleEndian.Uint64(key)
	}
	return o
}

const sourceIDLen = 25

// maxVBuckets bounds what a damaged or foreign number can allocate.
const maxVBuckets = 1 << 16

// acked is the payload of an acknowledgement: per vbucket the highest seq
// acknowledged and the highest that is stable.
type acked struct {
	VB          int
	Seq, Stable uint64
}

func appendAcked(dst []byte, as []acked) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(as)))
	for _, a := range as {
		dst = binary.AppendUvarint(dst, uint64(a.VB))
		dst = binary.AppendUvarint(dst, a.Seq)
		dst = binary.AppendUvarint(dst, a.Stable)
	}
	return dst
}

func decodeAcked(b []byte) (as []acked, err error) {
	d := decoder{b: b}
	for range d.count(3) {
		as = append(as, acked{d.vb(), d.uint(), d.uint()})
	}
	return as, d.done("acknowledgement")
}

// closed is the payload of a close record: empty if nothing was held, else who
// inherits what lies beyond the final heads.
type closed struct {
	Heir  uint32 // 0: nothing was held
	Final []store.Head
	// From is the first record of what was held; 0: an earlier release did not
	// say. What lies before it, and may be there still, is among the losses.
	From uint64
	// Losses are all there were, this end's included.
	Losses Losses
}

func appendClosed(dst []byte, c *closed) []byte {
	dst = binary.AppendUvarint(dst, uint64(c.Heir))
	dst = appendHeads(dst, c.Final)
	if c.From == 0 && c.Losses.none() {
		return dst
	}
	dst = binary.AppendUvarint(dst, c.From)
	return c.Losses.append(dst)
}

func decodeClosed(b []byte) (closed, error) {
	d := decoder{b: b}
	c := closed{Heir: d.uint32(), Final: d.heads()}
	if len(d.b) > 0 { // else an earlier release wrote it, or nothing was held or lost
		c.From, c.Losses = d.uint(), d.losses()
	}
	return c, d.done("close")
}

func appendHeads(dst []byte, hs []store.Head) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(hs)))
	for _, h := range hs {
		dst = binary.AppendUvarint(dst, h.Seq)
		dst = append(dst, h.Chain[:]...)
	}
	return dst
}

func (d *decoder) heads() (hs []store.Head) {
	for range d.count(17) {
		hs = append(hs, store.Head{Seq: d.uint(), Chain: d.id()})
	}
	return hs
}

// A dropped record's payload is the reason, as text.

const (
	checkpointVersion = 1

	flagClosed  = 1
	flagDropped = 2
)

// appendCheckpoint appends what replay needs to know of sources whose records
// may be deleted.
func appendCheckpoint(dst []byte, next uint32, sources []*source, losses *Losses) []byte {
	dst = append(dst, checkpointVersion)
	dst = binary.AppendUvarint(dst, uint64(next))
	dst = binary.AppendUvarint(dst, uint64(len(sources)))
	for _, s := range sources {
		dst = binary.AppendUvarint(dst, uint64(s.n))
		var flags uint64
		if s.closed {
			flags |= flagClosed
		}
		if s.dropped {
			flags |= flagDropped
		}
		dst = binary.AppendUvarint(dst, flags)
		dst = appendOpened(dst, &s.opened)
		dst = binary.AppendUvarint(dst, s.seq)
		dst = binary.AppendUvarint(dst, s.cover)
		dst = binary.AppendUvarint(dst, s.moved)
		dst = binary.AppendUvarint(dst, uint64(s.heir))
		dst = appendHeads(dst, s.final)
		dst = appendHeads(dst, s.heads())
		dst = binary.AppendUvarint(dst, uint64(len(s.why)))
		dst = append(dst, s.why...)
	}
	for _, s := range sources {
		for vb := range s.history {
			dst = binary.AppendUvarint(dst, s.last(vb).events)
		}
	}
	return losses.append(dst)
}

func decodeCheckpoint(b []byte) (next uint32, sources []*source, losses Losses, err error) {
	if len(b) == 0 {
		return 0, nil, losses, nil // of a spool that no source was opened for
	}
	if b[0] != checkpointVersion {
		return 0, nil, losses, fmt.Errorf("%w: checkpoint of version %d, this release reads %d", errRecord, b[0], checkpointVersion)
	}
	d := decoder{b: b[1:]}
	next = d.uint32()
	for range d.count(60) {
		s := &source{n: d.uint32()}
		flags := d.uint()
		s.closed, s.dropped = flags&flagClosed != 0, flags&flagDropped != 0
		s.opened = d.opened()
		s.seq, s.cover, s.moved = d.uint(), d.uint(), d.uint()
		s.heir = d.uint32()
		s.final = d.heads()
		s.setHeads(d.heads())
		s.why = string(d.bytes())
		sources = append(sources, s)
	}
	if len(d.b) > 0 { // else an earlier release wrote it
		d.sums(sources)
		losses = d.losses()
	}
	return next, sources, losses, d.done("checkpoint")
}

// sums reads how many events were sealed up to the last heads of sources.
func (d *decoder) sums(sources []*source) {
	for _, s := range sources {
		for vb := range s.history {
			n := d.uint()
			if hist := s.history[vb]; len(hist) > 0 {
				hist[len(hist)-1].events = n
			}
		}
	}
}

// decoder reads a payload; after an error it returns zeros.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = errors.New(what)
	}
	d.b = nil
}

func (d *decoder) done(what string) error {
	if d.err != nil {
		return fmt.Errorf("%w: %s: %w", errRecord, what, d.err)
	}
	return nil
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail("a number is cut off")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) uint32() uint32 {
	v := d.uint()
	if v > 1<<32-1 {
		d.fail("a number exceeds 32 bits")
		return 0
	}
	return uint32(v)
}

func (d *decoder) vb() int {
	v := d.uint()
	if v > maxVBuckets {
		d.fail("a vbucket is out of range")
		return 0
	}
	return int(v)
}

// count reads the number of elements that follow, of at least size bytes each.
func (d *decoder) count(size int) int {
	n := d.uint()
	if n > uint64(len(d.b)/size) {
		d.fail("a list is cut off")
		return 0
	}
	return int(n)
}

func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.fail("bytes are cut off")
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) id() (id [16]byte) {
	copy(id[:], d.take(16))
	return id
}

func (d *decoder) bytes() []byte {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail("bytes are cut off")
		return nil
	}
	return d.take(int(n))
}
