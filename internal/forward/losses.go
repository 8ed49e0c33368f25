package forward

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/store"
)

// Losses are events that an agent acknowledged and of which it cannot say that
// they are counted. They are kept in the spool and counted for as long as it is
// there, over restarts.
type Losses struct {
	// Lost is, per vbucket, events that are certainly not counted and that
	// nobody can send any more. A server had acknowledged them, they were
	// released, the store forgot them, and the end of their id says so. Sealed
	// Batches that were lost with damaged records count as well.
	Lost map[int]uint64
	// InDoubt is events that may be counted or not: those in quarantine, which are
	// sent by nobody but an operator, and those of an id that ended further back
	// than is remembered.
	InDoubt uint64
}

// Total is the events that are lost, in all vbuckets.
func (l Losses) Total() (n uint64) {
	for _, events := range l.Lost {
		n += events
	}
	return n
}

func (l Losses) none() bool { return l.InDoubt == 0 && len(l.Lost) == 0 }

// VBuckets are those that lost events, ascending.
func (l Losses) VBuckets() []int { return slices.Sorted(maps.Keys(l.Lost)) }

func (l *Losses) lose(vb int, events uint64) {
	if l.Lost == nil {
		l.Lost = make(map[int]uint64)
	}
	l.Lost[vb] += events
}

func (l Losses) clone() Losses { return Losses{Lost: maps.Clone(l.Lost), InDoubt: l.InDoubt} }

// learn takes over what a record says. All of them are totals.
func (l *Losses) learn(o Losses) {
	l.InDoubt = max(l.InDoubt, o.InDoubt)
	for vb, events := range o.Lost {
		if events > l.Lost[vb] {
			l.lose(vb, events-l.Lost[vb])
		}
	}
}

// append writes the losses behind the other fields of a record, nothing if there are none:
// a record that ends before them was written before they were counted.
func (l Losses) append(dst []byte) []byte {
	if l.none() {
		return dst
	}
	dst = binary.AppendUvarint(dst, l.InDoubt)
	dst = binary.AppendUvarint(dst, uint64(len(l.Lost)))
	for _, vb := range l.VBuckets() {
		dst = binary.AppendUvarint(dst, uint64(vb))
		dst = binary.AppendUvarint(dst, l.Lost[vb])
	}
	return dst
}

func (d *decoder) losses() (l Losses) {
	if d.err != nil || len(d.b) == 0 {
		return l
	}
	l.InDoubt = d.uint()
	for range d.count(2) {
		vb, events := d.vb(), d.uint()
		if d.err == nil {
			l.lose(vb, events)
		}
	}
	return l
}

// missing is the events of a vbucket that were sealed under the id, that are
// not in the store, which ended at final, and that are not held.
func (s *source) missing(vb int, final store.Head) uint64 {
	n := s.last(vb).events - s.eventsAt(vb, final)
	return n - min(n, s.heldBeyond(vb, final))
}

// heldBeyond is the events of a vbucket that are held and beyond a head.
func (s *source) heldBeyond(vb int, h store.Head) (n uint64) {
	for _, b := range s.batches {
		for i := range b.parts {
			if p := &b.parts[i]; p.vb == vb && p.head.Seq > h.Seq {
				n += p.events
			}
		}
	}
	return n
}

// forgotten counts what an id's end says that the store does not have, and
// nobody holds. If somebody else ended the id a copy of the spool may have sent
// it under another one, so that it is in doubt.
func (m *Machine) forgotten(s *source, c store.Closed) (some bool) {
	var list []string
	sum := uint64(0)
	for _, h := range c.Heads {
		if h.Verdict == store.SourceGone {
			continue
		}
		var n uint64
		switch s.relate(h.VB, h.Head) {
		case onChain:
			n = s.missing(h.VB, h.Head)
		case unknown:
			some = m.unsure(s, h) || some
		}
		if n == 0 {
			continue
		}
		sum += n
		list = append(list, fmt.Sprintf("%d of vbucket %d", n, h.VB))
		if c.Token == m.token {
			m.losses.lose(h.VB, n)
		}
	}
	switch {
	case sum == 0:
		return some
	case c.Token != m.token:
		m.losses.InDoubt += sum
		m.report(s, "%d events that a server acknowledged are not in the store, and in doubt, as somebody else ended their id: %s", sum, strings.Join(list, ", "))
		return true
	}
	m.lostNow += sum
	m.report(s, "%d events are lost: a server acknowledged them, the store lost them, and they were no longer held: %s", sum, strings.Join(list, ", "))
	return true
}

// unsure counts what an id's end may have forgotten, if it ended further back than
// is remembered: since a restart only the events of all Batches together are known.
// Some are counted and some are not.
func (m *Machine) unsure(s *source, h store.SourceHead) (some bool) {
	n := s.last(h.VB).events
	n -= min(n, s.heldBeyond(h.VB, h.Head))
	if n == 0 {
		return false
	}
	m.doubt(n)
	m.report(s, "up to %d events of vbucket %d that a server acknowledged are in doubt: the store has the Batches up to %d, and lost those after it, which were no longer held", n, h.VB, h.Head.Seq)
	return true
}

// restored is the events that were acknowledged and are sealed again, as they
// are beyond the final heads.
func (s *source) restored(final []store.Head) (events uint64) {
	for _, b := range s.batches {
		for i := range b.parts {
			if p := &b.parts[i]; (p.acked || p.again) && p.head.Seq > final[p.vb].Seq {
				events += p.events
			}
		}
	}
	return events
}

// HeldEvents is how many events a record holds that Held is true for, beside what
// is known to be counted.
func (m *Machine) HeldEvents(n uint32, r spool.Record) (events uint64) {
	if r.Kind == spool.KindPartials {
		return spool.EventsOf(r.Payload)
	}
	s := m.source(n)
	sealed, err := decodeSealed(r.Payload)
	if s == nil || err != nil {
		return 0
	}
	for i := range sealed.Parts {
		if p := &sealed.Parts[i]; sealed.Seq > s.finalSeq(p.VB) {
			events += p.Events
		}
	}
	return events
}

// doubt counts events that went to quarantine.
func (m *Machine) doubt(events uint64) {
	m.losses.InDoubt += events
	m.doubtNow += events
}

// keepBeyondFinal forgets the batches that were applied whole.
func (s *source) keepBeyondFinal() {
	kept := s.batches[:0]
	for _, b := range s.batches {
		for i := range b.parts {
			if b.seq > s.finalSeq(b.parts[i].vb) {
				kept = append(kept, b)
				break
			}
		}
	}
	clear(s.batches[len(kept):])
	s.batches, s.from, s.retained = kept, 0, 0
	for _, b := range kept {
		b.acked = false
	}
}
