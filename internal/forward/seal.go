package forward

import (
	"time"

	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
)

// Body is what a Batch holds for one vbucket.
type Body struct {
	VB     int
	Bytes  []byte
	Events uint64
}

// Inputs passes the bodies in a record that are to go into the seal that
// Action a asks for, and tells whether there were any.
func (m *Machine) Inputs(a Action, r spool.Record, body func([]byte)) bool {
	s := m.source(a.Source)
	if s == nil || r.Source != s.n || r.LSN <= s.moved {
		return false
	}
	switch {
	case r.Kind == spool.KindPartials && r.LSN > s.cover:
		body(spool.BodyOf(r.Payload))
		return true
	case r.Kind == spool.KindSeal && s.closed && s.holds(r.LSN):
		b, err := decodeSealed(r.Payload)
		if err != nil {
			m.report(s, "the seal at record %d cannot be read and is lost: %v", r.LSN, err)
			return false
		}
		for _, p := range b.Parts {
			if b.Seq > s.finalSeq(p.VB) {
				body(p.Body)
			}
		}
		return true
	}
	return false
}

func (s *source) finalSeq(vb int) uint64 {
	if vb >= len(s.final) {
		return 0
	}
	return s.final[vb].Seq
}

// Seal numbers and chains the Batch that Action a asked for. It holds what
// Inputs passed of the records up to cover. Bodies are in ascending order of
// vbucket and are not kept. It returns the digest of each.
func (m *Machine) Seal(a Action, cover uint64, count tally, bodies []Body, now time.Duration) (digests []store.Digest) {
	from := m.source(a.Source)
	s := m.owner(from)
	if s == nil {
		return nil
	}
	s.seq++
	rec := sealed{Seq: s.seq, Origin: from.n, Cover: cover, Count: count}
	for _, body := range bodies {
		prev := s.head(body.VB)
		p := sealedPart{VB: body.VB, Prev: prev.Seq, Digest: wire.DigestOf(body.Bytes), Events: body.Events, Body: body.Bytes}
		p.Chain = store.NextChain(prev.Chain, s.seq, prev.Seq, p.Digest)
		rec.Parts = append(rec.Parts, p)
		digests = append(digests, p.Digest)
	}
	payload := appendSealed(nil, &rec)
	m.admit(s, from, &rec, 0, int64(len(payload)), now)
	m.counts.Sealed++
	m.sealedAt = now
	m.write(true, spool.KindSeal, s, payload)
	return digests
}

// admit makes a seal part of the state, when it is made and in replay.
func (m *Machine) admit(s, from *source, rec *sealed, lsn uint64, size int64, now time.Duration) {
	b := &batch{seq: rec.Seq, lsn: lsn, bytes: size, records: int(rec.Count.Records)}
	for _, p := range rec.Parts {
		h := store.Head{Seq: rec.Seq, Chain: p.Chain}
		b.parts = append(b.parts, part{vb: p.VB, prev: p.Prev, head: h, digest: p.Digest, events: p.Events, bytes: len(p.Body)})
		s.extend(p.VB, h, p.Events)
	}
	if len(b.parts) == 0 { // its records held nothing
		b.acked, b.ackedAt = true, now
		s.retained += size
	}
	s.batches = append(s.batches, b)
	s.seq = max(s.seq, rec.Seq)
	if from == nil {
		return
	}
	from.pending.sub(rec.Cover, rec.Count, now)
	if from == s {
		s.cover = max(s.cover, rec.Cover)
		return
	}
	from.moved = max(from.moved, rec.Cover)
	n := 0
	for n < len(from.batches) && from.batches[n].lsn <= rec.Cover {
		n++
	}
	from.release(n)
}
