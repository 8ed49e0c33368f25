package forward

import (
	"fmt"
	"slices"
	"time"

	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
)

// inFlight returns the request that attempt identifies, nil if it is answered.
func (m *Machine) inFlight(attempt uint64) *Action {
	for _, a := range m.flight {
		if a.Attempt == attempt {
			return a
		}
	}
	return nil
}

// end ends a request.
func (m *Machine) end(a *Action) {
	m.flight = slices.DeleteFunc(m.flight, func(f *Action) bool { return f == a })
}

// take returns the request in flight if attempt identifies it, and ends it.
func (m *Machine) take(attempt uint64, kind Kind) (a Action, s *source, ok bool) {
	f := m.inFlight(attempt)
	if f == nil || f.Kind != kind {
		return Action{}, nil, false
	}
	m.end(f)
	m.count(*f)
	return *f, m.source(f.Source), true
}

// Failed tells that the outcome of a request is not known. Requests of its
// kind are not made again before pause has passed.
func (m *Machine) Failed(attempt uint64, pause, now time.Duration) {
	a := m.inFlight(attempt)
	if a == nil {
		return
	}
	m.pause[a.Kind] = now + pause
	if s := m.source(a.Source); a.Kind == DoHeads && s != nil {
		s.ask = true
	}
	m.count(*a)
	m.end(a)
}

// TooLarge tells that a server refused a request for its size. It reports
// whether the next will be smaller: a part is sealed and keeps its size.
func (m *Machine) TooLarge(attempt uint64, now time.Duration) bool {
	a := m.inFlight(attempt)
	if a == nil || len(a.Parts) < 2 {
		return false
	}
	size := 0
	for _, p := range a.Parts {
		size += p.ref.bytes
	}
	m.narrow = size / 2
	m.Failed(attempt, 0, now)
	return true
}

// Postponed tells that a request could not be made yet.
func (m *Machine) Postponed(attempt uint64, pause, now time.Duration) {
	if a := m.inFlight(attempt); a != nil {
		m.pause[a.Kind] = now + pause
		m.end(a)
	}
}

// count counts the parts of a request that was made.
func (m *Machine) count(a Action) {
	for _, p := range a.Parts {
		m.counts.Sent++
		if p.ref.tries++; p.ref.tries > 1 || p.ref.again {
			m.counts.Resent++
		}
	}
}

// Opened tells the answer to DoOpen. An error says why it is not followed;
// the next is asked for after pause.
func (m *Machine) Opened(attempt uint64, nonce store.Nonce, r wire.OpenReply, pause, now time.Duration) error {
	if _, _, ok := m.take(attempt, DoOpen); !ok {
		return nil
	}
	if err := m.acceptable(nonce, r); err != nil {
		m.pause[DoOpen] = now + pause
		return err
	}
	for _, s := range append([]*source(nil), m.sources...) {
		if s.n > 0 && !s.dropped && s.foreign(r) {
			m.report(s, "the servers have another store now: Batches acknowledged by the old one are no longer reconciled")
			m.write(false, spool.KindClose, s, appendClosed(nil, &closed{}))
			m.remove(s)
		}
	}
	s := m.ensure(m.next)
	s.opened = opened{ID: r.Source, StoreID: r.StoreID, Partition: r.Partition}
	s.since = now
	m.next++
	m.inForce, m.mustOpen = s, false
	m.write(true, spool.KindSource, s, appendOpened(nil, &s.opened))
	return nil
}

// foreign reports whether s belongs to another store than r's.
func (s *source) foreign(r wire.OpenReply) bool {
	return s.StoreID != r.StoreID || s.Partition != r.Partition
}

// acceptable says whether the id of an open reply may come into force.
func (m *Machine) acceptable(nonce store.Nonce, r wire.OpenReply) error {
	switch {
	case r.Source.Nonce != nonce || r.Source.Class != store.ClassSpool:
		return fmt.Errorf("the server opened a source that was not asked for: %v", r.Source)
	case r.Partition.Version != 1 || r.Partition.VBuckets < 1 || r.Partition.VBuckets > maxVBuckets:
		return fmt.Errorf("the store is partitioned in a way this release does not know: version %d, %d vbuckets", r.Partition.Version, r.Partition.VBuckets)
	}
	for _, s := range m.sources {
		switch {
		case s.ID == r.Source:
			return fmt.Errorf("the server opened source %v, which this spool has used before", r.Source)
		case s.n == 0 || s.dropped || s.orphan || !s.foreign(r):
		case s.unacked() || !s.pending.empty() || s.closed && s.held():
			return fmt.Errorf("the server's store is %x, but the spool holds what belongs to store %x: bring that store back, or start with another spool directory; what is here is kept", r.StoreID, s.StoreID)
		}
	}
	return nil
}

// Replied tells the answer to DoSend: a result per part, in order. If it
// brings nothing forward the next is sent after pause. The error, if any, says
// what was odd about it.
func (m *Machine) Replied(attempt uint64, results []store.PartResult, pause, now time.Duration) error {
	a, s, ok := m.take(attempt, DoSend)
	if !ok || s == nil || s.dropped || s.closed || s.exclusive {
		return nil
	}
	if len(results) != len(a.Parts) {
		m.pause[DoSend] = now + pause
		return fmt.Errorf("%d results for %d parts", len(results), len(a.Parts))
	}
	progress := false
	var odd error
	var away *unavailableError
	for i := range results {
		if p := a.Parts[i]; results[i].Err != nil || results[i].Verdict == store.Unknown {
			m.counts.Refused++
			err := cause(results[i].Err)
			away = graver(away, &unavailableError{p.VB, m.hold(p.VB, askedFor(err), now), err})
			continue
		}
		moved, err := m.result(s, a.Parts[i].ref, &results[i], now)
		progress = progress || moved
		if err != nil {
			odd = err
		}
		if s.dropped || s.exclusive {
			return odd
		}
	}
	if a.held {
		m.tell(&a, now)
	}
	if odd == nil && away != nil {
		return away
	}
	if !progress {
		m.pause[DoSend] = now + pause
	}
	return odd
}

// result takes the verdict on one part and reports whether it brought
// anything forward.
func (m *Machine) result(s *source, p *part, r *store.PartResult, now time.Duration) (bool, error) {
	if r.Verdict == store.SourceGone {
		m.gone(s)
		return true, nil
	}
	m.noteEpoch(p.vb, r.Epoch)
	rel := s.relate(p.vb, r.Head)
	switch {
	case rel == offChain:
		m.fork(s, fmt.Sprintf("vbucket %d is at %d on another chain", p.vb, r.Head.Seq))
		return true, nil
	case r.Verdict == store.SourceClosed && (rel == unknown || r.Head.Seq < p.head.Seq):
		m.fork(s, "somebody else closed it")
		return true, nil
	case rel == unknown:
		m.lose(s, p.vb, r.Head.Seq, s.oldest(p.vb))
		return true, nil
	case r.Head.Seq >= p.head.Seq && r.Verdict != store.Gap:
		s.setStable(p.vb, r.Stable)
		n, restored := s.ack(p.vb, r.Head.Seq, now)
		m.counts.Acked += uint64(n)
		m.counts.Restored += restored
		return true, nil
	case r.Verdict == store.Gap && r.Head.Seq < p.prev:
		n, missing, ok := s.resend(p.vb, r.Head.Seq)
		if !ok {
			m.lose(s, p.vb, r.Head.Seq, missing)
		}
		return n > 0 || !ok, nil
	}
	return false, fmt.Errorf("part %d of vbucket %d, which follows %d, was answered %d with head %d", p.head.Seq, p.vb, p.prev, r.Verdict, r.Head.Seq)
}

func cause(err error) error {
	if err == nil {
		return fmt.Errorf("its outcome is not known")
	}
	return err
}

// noteEpoch has every source's heads asked for when a shard may have lost
// acknowledged writes.
func (m *Machine) noteEpoch(vb int, e store.Epoch) {
	if e == (store.Epoch{}) {
		return
	}
	if old, ok := m.epochs[vb]; ok && old != e {
		for _, s := range m.sources {
			s.ask = true
		}
	}
	m.epochs[vb] = e
}

// HeadsRead tells the answer to DoHeads. It releases nothing: it only has
// parts sent again.
func (m *Machine) HeadsRead(attempt uint64, heads []store.SourceHead, now time.Duration) {
	_, s, ok := m.take(attempt, DoHeads)
	if !ok || s == nil || s.closed || s.dropped || s.exclusive {
		return
	}
	s.lacks = false
	for _, h := range heads {
		m.noteEpoch(h.VB, h.Epoch)
		if h.Verdict == store.SourceGone {
			continue // what was acknowledged cannot be sent again, what was not will tell
		}
		m.compare(s, h)
	}
	m.admitLack(s)
}

func (m *Machine) compare(s *source, h store.SourceHead) {
	if s.relate(h.VB, h.Head) != onChain {
		// A fork, or more was lost than is remembered. The reply to a part
		// that depends on it will tell for certain.
		if last, ok := s.lastHeld(h.VB); ok {
			s.resend(h.VB, last.prev)
		}
		return
	}
	if _, missing, ok := s.resend(h.VB, h.Head.Seq); !ok {
		s.resend(h.VB, missing)
		return
	}
	if last, ok := s.lastHeld(h.VB); h.Head.Seq < s.head(h.VB).Seq && (!ok || last.head.Seq <= h.Head.Seq) {
		s.lacks = true
	}
}

// admitLack has a source closed of which the store lacks what nobody holds, though
// nothing is sent any more that would tell: the end of its id says what is lost.
// What can be sent goes first, as an end waits for more replicas than parts do.
func (m *Machine) admitLack(s *source) {
	if !s.lacks || s.unacked() || s.exclusive {
		return
	}
	s.exclusive = true
	m.report(s, "the store lacks acknowledged Batches that were released; the source is closed, which tells how many events are lost")
}

// lastHeld is the newest part of a vbucket that is still held.
func (s *source) lastHeld(vb int) (part, bool) {
	for i := len(s.batches) - 1; i >= 0; i-- {
		for _, p := range s.batches[i].parts {
			if p.vb == vb {
				return p, true
			}
		}
	}
	return part{}, false
}

// Closed tells the answer to DoClose.
func (m *Machine) Closed(attempt uint64, c store.Closed, pause, now time.Duration) error {
	_, s, ok := m.take(attempt, DoClose)
	if !ok || s == nil || s.dropped {
		return nil
	}
	if !s.exclusive {
		for _, h := range c.Heads {
			if s.relate(h.VB, h.Head) == offChain {
				m.counts.Forks++
				m.report(s, "forked: vbucket %d ended at %d on another chain; nothing of it is held here", h.VB, h.Head.Seq)
				break
			}
		}
		some := m.forgotten(s, c)
		m.remove(s)
		m.write(some, spool.KindClose, s, appendClosed(nil, &closed{Losses: m.losses}))
		return nil
	}
	final, err := finals(s, c)
	if err != nil {
		m.pause[DoClose] = now + pause
		return err
	}
	before := m.counts.Restored
	if m.renumber(s, c, final) && m.counts.Restored > before {
		m.resentAt = now
	}
	return nil
}

// finals returns the final heads in the order of vbuckets.
func finals(s *source, c store.Closed) ([]store.Head, error) {
	final := make([]store.Head, s.Partition.VBuckets)
	seen := make([]bool, len(final))
	for _, h := range c.Heads {
		if h.VB < 0 || h.VB >= len(final) || seen[h.VB] {
			return nil, fmt.Errorf("the answer to close names vbucket %d wrongly or twice", h.VB)
		}
		seen[h.VB], final[h.VB] = true, h.Head
	}
	if len(c.Heads) != len(final) {
		return nil, fmt.Errorf("the answer to close has %d heads for %d vbuckets", len(c.Heads), len(final))
	}
	return final, nil
}

// renumber has what lies beyond the final heads sealed again under the id in
// force, if this close was ours alone and every head is on our chain. Else it
// may have been applied.
func (m *Machine) renumber(s *source, c store.Closed, final []store.Head) (renumbered bool) {
	if c.Token != m.token {
		m.forgotten(s, c)
		m.fork(s, "somebody else closed it")
		return false
	}
	for vb, h := range final {
		if s.relate(vb, h) != onChain {
			m.fork(s, fmt.Sprintf("vbucket %d ended at %d on another chain, or further back than is remembered", vb, h.Seq))
			return false
		}
	}
	for _, h := range c.Heads {
		if h.Verdict == store.SourceGone {
			m.gone(s)
			return false
		}
	}
	from := m.seen
	if len(s.batches) > 0 {
		from = s.batches[0].lsn
	}
	m.forgotten(s, c)
	m.counts.Restored += s.restored(final)
	s.exclusive, s.closed = false, true
	s.final, s.heir = final, m.inForce.n
	s.keepBeyondFinal()
	m.counts.Renumbered++
	m.write(true, spool.KindClose, s, appendClosed(nil, &closed{Heir: s.heir, Final: final, From: from, Losses: m.losses}))
	return true
}

// Gone tells that the source of a request other than DoSend was too old.
func (m *Machine) Gone(attempt uint64) {
	a := m.inFlight(attempt)
	if a == nil {
		return
	}
	_, s, _ := m.take(attempt, a.Kind)
	switch {
	case s == nil || s.dropped:
	case s.held() || len(m.bound(s)) > 0:
		m.gone(s)
	default:
		m.write(false, spool.KindClose, s, appendClosed(nil, &closed{}))
		m.remove(s)
	}
}
