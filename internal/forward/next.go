package forward

import (
	"slices"
	"time"

	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/store"
)

// Next returns what is to be done now. It changes state only to note that the
// action has begun; each action but DoNothing and DoRelease is answered by its
// event before Next is called again, except that events may come while a
// request is in flight.
func (m *Machine) Next(now time.Duration) Action {
	m.expire(now)
	if len(m.writes) > 0 {
		return Action{Kind: DoWrite, Write: m.writes[0]}
	}
	if a, ok := m.nextLocal(); ok {
		return a
	}
	if m.front() == nil {
		m.round = m.round[:0]
		// What is rarely due comes first: under load there is always
		// something to send.
		for _, next := range []func(time.Duration) (Action, bool){m.nextOpen, m.nextHeads, m.nextClose, m.nextSend, m.nextSeal} {
			if a, ok := next(now); ok {
				return a
			}
		}
	} else if a, ok := m.nextBeside(now); ok {
		return a
	}
	if a, ok := m.nextHeld(now); ok {
		return a
	}
	if low := m.lowest(); low > m.low {
		m.low = low
		return Action{Kind: DoRelease, LSN: low}
	}
	return Action{}
}

// nextLocal is what needs no server.
func (m *Machine) nextLocal() (Action, bool) {
	for _, s := range m.sources {
		if s.ackDirty && !s.dropped {
			s.ackDirty = false
			m.write(false, spool.KindAck, s, appendAcked(nil, s.acks()))
			return Action{Kind: DoWrite, Write: m.writes[0]}, true
		}
		if s.dropped {
			return Action{Kind: DoQuarantine, Source: s.n, ID: s.ID, Note: s.why}, true
		}
	}
	return Action{}, false
}

// lowest is the LSN of the oldest record still needed.
func (m *Machine) lowest() uint64 {
	low := m.seen
	for _, s := range m.sources {
		low = min(low, s.lowest())
	}
	return low
}

// ready reports whether the kind's pause is over.
func (m *Machine) ready(k Kind, now time.Duration) bool { return now >= m.pause[k] }

// begin makes a the request in flight.
func (m *Machine) begin(a Action) (Action, bool) {
	m.attempt++
	a.Attempt = m.attempt
	m.flight = append(m.flight, &a)
	return a, true
}

func (m *Machine) wantsOpen(now time.Duration) bool {
	return m.inForce == nil || m.mustOpen || m.inForce.exclusive || now-m.inForce.since >= m.c.RotateAfter
}

func (m *Machine) nextOpen(now time.Duration) (Action, bool) {
	if !m.started || !m.ready(DoOpen, now) || !m.wantsOpen(now) {
		return Action{}, false
	}
	return m.begin(Action{Kind: DoOpen})
}

// front is the oldest request in flight, but for what is held; nil: there is none.
func (m *Machine) front() *Action {
	for _, a := range m.flight {
		if !a.held {
			return a
		}
	}
	return nil
}

// nextBeside sends to other servers what goes to them, while one is sent to. Each
// is sent to once before everything is answered: so what else is due gets its
// turn, and no vbucket has two requests in flight.
func (m *Machine) nextBeside(now time.Duration) (Action, bool) {
	if m.c.Routes == nil || m.front().Kind != DoSend {
		return Action{}, false
	}
	return m.nextSend(now)
}

// nextSend sends what is not acknowledged, the oldest source first.
func (m *Machine) nextSend(now time.Duration) (Action, bool) {
	if !m.ready(DoSend, now) {
		return Action{}, false
	}
	for _, s := range m.sources {
		if s.closed || s.exclusive || s.dropped || !m.waits(s) {
			continue
		}
		a := Action{Kind: DoSend, Source: s.n, ID: s.ID, Opened: s.opened}
		if a.Server, a.Parts = m.collect(s, now); len(a.Parts) == 0 {
			return Action{}, false // the rest is in flight
		}
		m.round = append(m.round, a.Server)
		if slices.ContainsFunc(a.Parts, func(p *Part) bool { return p.ref.tries > 0 || p.ref.again }) {
			m.resentAt = now
		}
		return m.begin(a)
	}
	return Action{}, false
}

// collect returns a server that is not sent to in this round, and the
// unacknowledged parts of s that go to it, in order, up to a request's worth.
func (m *Machine) collect(s *source, now time.Duration) (server int, parts []*Part) {
	routes := m.routes(s, now)
	size, limit := 0, m.requestBytes()
	for _, b := range s.batches[s.from:] {
		for i := range b.parts {
			p := &b.parts[i]
			to := route(routes, p.vb)
			if p.acked || m.holds[p.vb] != nil || slices.Contains(m.round, to) || len(parts) > 0 && to != server || m.flying(s, p.vb) {
				continue
			}
			server = to
			if size += p.bytes; len(parts) > 0 && size > limit {
				return server, parts
			}
			parts = append(parts, sendable(s, b, p))
		}
	}
	return server, parts
}

func sendable(s *source, b *batch, p *part) *Part {
	return &Part{LSN: b.lsn, ref: p, Part: store.Part{
		Source: s.ID, VB: p.vb, Seq: p.head.Seq, Prev: p.prev, Chain: p.head.Chain, Digest: p.digest, Events: p.events,
	}}
}

// routes is where the parts of s go.
func (m *Machine) routes(s *source, now time.Duration) []int {
	if m.c.Routes == nil {
		return nil
	}
	return m.c.Routes(s.Partition.VBuckets, now)
}

// requestBytes bounds the parts of a request.
func (m *Machine) requestBytes() int {
	if m.narrow > 0 {
		return min(m.c.RequestBytes, m.narrow)
	}
	return m.c.RequestBytes
}

func route(routes []int, vb int) int {
	if vb >= len(routes) {
		return 0
	}
	return routes[vb]
}

// sending reports whether a request with parts of s is in flight.
func (m *Machine) sending(s *source) bool {
	return slices.ContainsFunc(m.flight, func(a *Action) bool { return a.Source == s.n })
}

// flying reports whether a part of a vbucket is in flight, to a server that its
// parts no longer go to.
func (m *Machine) flying(s *source, vb int) bool {
	for _, a := range m.flight {
		for _, p := range a.Parts {
			if a.Source == s.n && p.VB == vb {
				return true
			}
		}
	}
	return false
}

// nextSeal seals when nothing is in flight but what is held.
func (m *Machine) nextSeal(now time.Duration) (Action, bool) {
	for _, s := range m.sources {
		if !s.closed && !s.exclusive && !s.dropped && m.waits(s) {
			return Action{}, false // one Batch in flight
		}
	}
	early := now < m.pace()
	for _, s := range m.sources {
		first, last := s.inputs()
		if last == 0 || s.dropped {
			continue
		}
		o := m.owner(s)
		if o == nil || o.exclusive || o.dropped || o.orphan || early && s.pending.count.Bytes < uint64(m.c.RequestBytes) {
			continue
		}
		return Action{Kind: DoSeal, Source: s.n, ID: o.ID, Opened: o.opened, LSN: first, Last: last}, true
	}
	return Action{}, false
}

// inputs is the range of records to be sealed; last is 0 if there are none.
func (s *source) inputs() (first, last uint64) {
	if !s.pending.empty() {
		first, last = s.pending.first, s.pending.last
	}
	if s.closed && len(s.batches) > 0 {
		low, high := s.batches[0].lsn, s.batches[len(s.batches)-1].lsn
		if last == 0 {
			return low, high
		}
		return min(first, low), max(last, high)
	}
	return first, last
}

// nextHeads reconciles.
func (m *Machine) nextHeads(now time.Duration) (Action, bool) {
	if !m.ready(DoHeads, now) || m.holding() {
		return Action{}, false
	}
	for _, s := range m.sources {
		if at, ok := m.headsDue(s); ok && now >= at {
			s.ask, s.askedAt = false, now
			return m.begin(Action{Kind: DoHeads, Source: s.n, ID: s.ID, Opened: s.opened})
		}
	}
	return Action{}, false
}

// headsDue is when heads of s are to be asked for.
func (m *Machine) headsDue(s *source) (at time.Duration, ok bool) {
	switch {
	case s.closed || s.exclusive || s.dropped || s.orphan || len(s.history) == 0:
		return 0, false
	case s.ask:
		return 0, true
	case s.lacks:
		return 0, !s.unacked()
	case len(s.batches) == 0:
		return 0, false
	case !s.batches[0].acked:
		return 0, false // what is sent tells
	}
	return s.askedAt + m.c.Reconcile, true
}

// nextClose closes sources of which nothing is held, and those that are to be
// renumbered, once their successor is in force.
func (m *Machine) nextClose(now time.Duration) (Action, bool) {
	if !m.ready(DoClose, now) || m.inForce == nil || m.holding() {
		return Action{}, false
	}
	for _, s := range m.sources {
		if s == m.inForce || s.closed || s.dropped || s.orphan || s.held() && !s.exclusive || m.inherits(s) || m.sending(s) {
			continue
		}
		s.token = m.token
		return m.begin(Action{Kind: DoClose, Source: s.n, ID: s.ID, Token: m.token, Opened: s.opened})
	}
	return Action{}, false
}

// inherits reports whether records of a closed source wait to be sealed under
// s.
func (m *Machine) inherits(s *source) bool {
	for _, k := range m.sources {
		if _, last := k.inputs(); k.closed && last > 0 && m.owner(k) == s {
			return !s.exclusive // then they go on to its heir
		}
	}
	return false
}

// expire releases acknowledged Batches that are stable or were kept for long
// enough, oldest first, and forgets closed sources of which nothing is left.
func (m *Machine) expire(now time.Duration) {
	m.sources = slices.DeleteFunc(m.sources, m.spent)
	for _, s := range m.sources {
		if !s.closed && !s.dropped && !s.exclusive {
			m.expireBatches(s, now)
		}
	}
}

// spent reports whether nothing is left of a closed source, nor of any that
// names it as its heir.
func (m *Machine) spent(s *source) bool {
	if !s.closed || s.dropped || s.held() {
		return false
	}
	return !slices.ContainsFunc(m.sources, func(k *source) bool { return k.closed && k.heir == s.n })
}

func (m *Machine) expireBatches(s *source, now time.Duration) {
	retained := m.retained()
	n := 0
	for _, b := range s.batches {
		mayBeLost := m.c.RetainStable || !s.isStable(b)
		if !b.acked || mayBeLost && now-b.ackedAt < m.c.Retain && retained <= m.c.RetainBytes {
			break
		}
		retained -= b.bytes
		n++
	}
	s.release(n)
}

// retained is the bytes of acknowledged Batches.
func (m *Machine) retained() (n int64) {
	for _, s := range m.sources {
		n += s.retained
	}
	return n
}

// Wake is when Next may have something to do without an event; ok is false if
// never.
func (m *Machine) Wake(now time.Duration) (at time.Duration, ok bool) {
	soonest := func(t time.Duration) {
		if t > now && (!ok || t < at) {
			at, ok = t, true
		}
	}
	for _, p := range m.pause {
		soonest(p)
	}
	for _, h := range m.holds {
		soonest(h.until)
	}
	soonest(m.pace())
	if m.inForce != nil {
		soonest(m.inForce.since + m.c.RotateAfter)
	}
	for _, s := range m.sources {
		if due, ok := m.headsDue(s); ok {
			soonest(due)
		}
		if len(s.batches) > 0 && s.batches[0].acked {
			soonest(s.batches[0].ackedAt + m.c.Retain)
		}
	}
	return at, ok
}
