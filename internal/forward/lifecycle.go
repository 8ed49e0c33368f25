package forward

import (
	"fmt"
	"slices"
	"time"

	"github.com/tabaproject/taba/internal/spool"
)

// Start ends replay. Until then Next must not be called.
func (m *Machine) Start(now time.Duration) {
	m.started, m.mustOpen = true, true
	for _, s := range m.sources {
		s.pending.since = now
		s.ask = len(s.batches) > 0
		for _, b := range s.batches {
			b.ackedAt = now
		}
		if s.orphan && !s.dropped {
			m.drop(s, "the record of its id was lost to damage")
		}
	}
	// The process before may have ended, or the disk lost something, after an
	// heir was given up and before those whose records were bound to its id.
	for _, s := range m.sources {
		if s.closed && !s.dropped && s.held() && m.forsaken(s) {
			m.drop(s, "the id that was to take over its records was given up")
		}
	}
}

// forsaken reports whether the id under which the records of a closed source
// were to be sealed is there no more. The first id may still have to come.
func (m *Machine) forsaken(s *source) bool {
	if o := m.owner(s); o != nil {
		return o.dropped
	}
	return s.n > 0 || m.next > 1
}

// fork gives up a source whose id has another history in the store. Whether
// what is held was applied cannot be known: all of it goes to quarantine.
func (m *Machine) fork(s *source, why string) {
	m.counts.Forks++
	m.drop(s, "forked: "+why)
}

// gone gives up a source that is older than the store remembers.
func (m *Machine) gone(s *source) {
	m.counts.Gone++
	m.drop(s, "older than the store remembers")
}

// drop gives up a source. The record comes first: it keeps others from being
// appended under the id while what is held is saved.
func (m *Machine) drop(s *source, why string) {
	for _, d := range append([]*source{s}, m.bound(s)...) {
		d.dropped, d.why, d.exclusive = true, why, false
		if m.inForce == d {
			m.inForce = nil
		}
		m.counts.Quarantined++
		m.report(d, "%s: %d records and %d Batches go to quarantine, to be sent by nobody but an operator", why, d.pending.count.Records, len(d.batches))
		m.write(true, spool.KindDrop, d, []byte(why))
	}
}

// bound are the closed sources of which records wait to be sealed under the id
// of s.
func (m *Machine) bound(s *source) (list []*source) {
	for _, k := range m.sources {
		if k.closed && !k.dropped && k.held() && m.owner(k) == s {
			list = append(list, k)
		}
	}
	return list
}

// lose has a source closed and renumbered: in vb the store is at have, and
// what is held begins after missing.
func (m *Machine) lose(s *source, vb int, have, missing uint64) {
	if s.exclusive {
		return
	}
	s.exclusive = true
	m.report(s, "the store lacks acknowledged Batches that were released, those of vbucket %d after %d up to %d; the source is closed, which tells how many events are lost, and the rest renumbered", vb, have, missing)
}

// Held reports whether a record belongs into the quarantine of source n.
func (m *Machine) Held(n uint32, r spool.Record) bool {
	s := m.source(n)
	if s == nil || r.Source != n {
		return false
	}
	switch r.Kind {
	case spool.KindPartials:
		return r.LSN > s.cover && r.LSN > s.moved
	case spool.KindSeal:
		return s.holds(r.LSN)
	}
	return false
}

// HeldFrom is the first record that Held can be true for.
func (m *Machine) HeldFrom(n uint32) uint64 {
	if s := m.source(n); s != nil {
		return s.lowest()
	}
	return ^uint64(0)
}

// Quarantined tells that what Held said of source n is saved: so many events.
func (m *Machine) Quarantined(n uint32, events uint64) {
	s := m.source(n)
	m.doubt(events)
	m.remove(s)
	m.write(true, spool.KindClose, s, appendClosed(nil, &closed{Losses: m.losses}))
}

// Replay takes the next record of the spool; see spool.Replayer.
func (m *Machine) Replay(r spool.Record) error {
	if err := m.replay(r); err != nil {
		return fmt.Errorf("record %d of source %d: %w", r.LSN, r.Source, err)
	}
	return nil
}

func (m *Machine) replay(r spool.Record) error {
	if r.Kind == spool.KindCheckpoint {
		m.seen = max(m.seen, r.LSN)
	} else {
		m.seen = max(m.seen, r.LSN+1)
	}
	switch r.Kind {
	case spool.KindCheckpoint:
		return m.replayCheckpoint(r)
	case spool.KindPartials:
		s := m.known(r.Source)
		if r.LSN > s.cover && r.LSN > s.moved {
			s.pending.add(r.LSN, r.LSN, tally{1, uint64(len(spool.BodyOf(r.Payload))), spool.EventsOf(r.Payload)}, 0)
		}
	case spool.KindSource:
		d := decoder{b: r.Payload}
		o := d.opened()
		if err := d.done("source"); err != nil {
			return err
		}
		s := m.ensure(r.Source)
		s.opened, s.orphan = o, false
		m.inForce, m.next = s, max(m.next, r.Source+1)
	case spool.KindSeal:
		return m.replaySeal(r)
	case spool.KindAck:
		return m.replayAck(r)
	case spool.KindClose:
		return m.replayClose(r)
	case spool.KindDrop:
		s := m.known(r.Source)
		s.dropped, s.why = true, string(r.Payload)
		if m.inForce == s {
			m.inForce = nil
		}
	}
	return nil
}

// known returns the source with number n. If no record told of its id it is
// an orphan.
func (m *Machine) known(n uint32) *source {
	s := m.source(n)
	if s == nil {
		s = m.ensure(n)
		s.orphan = n > 0
		m.next = max(m.next, n+1)
	}
	return s
}

// replayCheckpoint learns what older records said, or would have said if they
// were not lost to damage.
func (m *Machine) replayCheckpoint(r spool.Record) error {
	next, sources, losses, err := decodeCheckpoint(r.Payload)
	if err != nil {
		return err
	}
	m.losses.learn(losses)
	first := m.next == 1 && len(m.sources) == 0
	for _, c := range sources {
		switch s := m.source(c.n); {
		case s == nil && (first || c.n >= m.next):
			*m.ensure(c.n) = *c
		case s == nil: // closed since
		case s.orphan:
			c.pending, c.batches, c.retained = s.pending, s.batches, s.retained
			*s = *c
		default:
			s.learn(c)
		}
	}
	m.next = max(m.next, next)
	if first {
		m.inForce = m.source(r.Source)
	}
	return nil
}

// learn takes over what a later checkpoint says about seals that were lost.
func (s *source) learn(c *source) {
	s.seq = max(s.seq, c.seq)
	s.cover, s.moved = max(s.cover, c.cover), max(s.moved, c.moved)
	s.pending.sub(max(s.cover, s.moved), tally{}, 0)
	for vb := range c.history {
		// An earlier release kept no events: then they are as far as seals tell.
		h := c.last(vb)
		h.events = max(h.events, s.last(vb).events)
		s.extendTo(vb, h)
	}
}

func (m *Machine) replaySeal(r spool.Record) error {
	rec, err := decodeSealed(r.Payload)
	if err != nil {
		return err
	}
	s := m.known(r.Source)
	m.admit(s, m.source(rec.Origin), &rec, r.LSN, int64(len(r.Payload)), 0)
	return nil
}

func (m *Machine) replayAck(r spool.Record) error {
	as, err := decodeAcked(r.Payload)
	if err != nil {
		return err
	}
	s := m.known(r.Source)
	for _, a := range as {
		s.setStable(a.VB, a.Stable)
		s.ack(a.VB, a.Seq, 0)
	}
	s.ackDirty = false
	return nil
}

func (m *Machine) replayClose(r spool.Record) error {
	c, err := decodeClosed(r.Payload)
	if err != nil {
		return err
	}
	m.losses.learn(c.Losses)
	s := m.known(r.Source)
	if c.Heir == 0 {
		m.remove(s)
		return nil
	}
	s.closed, s.orphan, s.heir, s.final = true, false, c.Heir, c.Final
	s.batches = slices.DeleteFunc(s.batches, func(b *batch) bool { return b.lsn < c.From })
	s.keepBeyondFinal()
	return nil
}
