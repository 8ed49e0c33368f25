package forward

import (
	"errors"
	"fmt"
	"time"
)

// hold is what is known of a vbucket that the store could not commit to. Its
// parts go in requests of their own, one at a time, so that nothing else waits
// for them, until all of them are acknowledged. The chain of a vbucket is its
// own, so the others go on, with Batches that have parts for it too.
type hold struct {
	since    time.Duration // its parts wait
	until    time.Duration // not sent to before
	failures int           // in a row
	detour   int           // how many servers further on they go, until home
	home     time.Duration
}

// unavailableError is a part whose outcome is not known because of the store: it
// is about its vbucket and not about the server that says so.
type unavailableError struct {
	vb   int
	news bool // the vbucket was not held before
	err  error
}

func (e *unavailableError) Error() string {
	return fmt.Sprintf("vbucket %d is held, the others go on: the store could not commit to it: %v", e.vb, e.err)
}

func (e *unavailableError) Unwrap() error { return e.err }

// graver is which of two to tell of.
func graver(a, b *unavailableError) *unavailableError {
	if a != nil && a.news {
		return a
	}
	return b
}

// askedFor is how long a server asked to wait.
func askedFor(err error) time.Duration {
	var status *StatusError
	if errors.As(err, &status) {
		return status.RetryAfter
	}
	return 0
}

// hold holds a vbucket, for as long as was asked for or for longer with each
// failure in a row. It reports whether that is news.
func (m *Machine) hold(vb int, asked, now time.Duration) (news bool) {
	h := m.holds[vb]
	if h == nil {
		h = &hold{since: now}
		m.holds[vb] = h
		news = true
	}
	if h.until <= now { // else it is another part of the same request
		h.until = now + m.c.Pause(h.failures, asked)
		h.failures++
	}
	return news
}

// server is which one the parts of a held vbucket go to: the one that they
// belong to, once more, and then one after the other, as it may be the only one
// that does not reach the store.
func (h *hold) server(home, servers int, now time.Duration) (to, detour int) {
	if servers > 1 {
		switch {
		case h.failures > 1:
			detour = (h.failures - 1) % servers
		case now < h.home:
			detour = h.detour
		}
	}
	return (home + detour) % max(1, servers), detour
}

// tell takes the answer to a request for held vbuckets: those that failed are
// held on, and of the others those of which all was sent are held no longer.
func (m *Machine) tell(a *Action, now time.Duration) {
	for _, p := range a.Parts {
		h := m.holds[p.VB]
		if h == nil || h.until > now {
			continue
		}
		h.failures = 0
		if a.detour > 0 && now >= h.home {
			h.detour, h.home = a.detour, now+m.c.Detour
		}
		switch {
		case a.more:
		case now < h.home:
			h.since = now
		default:
			delete(m.holds, p.VB)
		}
	}
}

// nextHeld sends what is held for long enough, beside everything else.
func (m *Machine) nextHeld(now time.Duration) (Action, bool) {
	if len(m.holds) == 0 || !m.ready(DoSend, now) {
		return Action{}, false
	}
	for _, a := range m.flight {
		if a.held {
			return Action{}, false
		}
	}
	for _, s := range m.sources {
		if s.closed || s.exclusive || s.dropped || !s.unacked() {
			continue
		}
		a := Action{Kind: DoSend, Source: s.n, ID: s.ID, Opened: s.opened, held: true}
		if m.collectHeld(&a, s, now); len(a.Parts) > 0 {
			return m.begin(a)
		}
	}
	if !m.idle(now) {
		return Action{}, false
	}
	a := m.Next(now) // what needs all vbuckets may have waited for this
	return a, a.Kind != DoNothing
}

// idle forgets holds of which no part waits any more: it was acknowledged, or
// its Source was given up. It reports whether that lets anything go on.
func (m *Machine) idle(now time.Duration) (news bool) {
	for vb, h := range m.holds {
		if h.until > now {
			continue
		}
		news = news || h.failures > 0 || now >= h.home
		if h.failures, h.since = 0, now; now >= h.home {
			delete(m.holds, vb)
		}
	}
	return news
}

// collectHeld puts the parts of held vbuckets that go to one server into a, up
// to a request's worth; of those that are only tried the first.
func (m *Machine) collectHeld(a *Action, s *source, now time.Duration) {
	routes, servers := m.routes(s, now), 1
	if m.c.Servers != nil {
		servers = m.c.Servers()
	}
	size, limit := 0, m.requestBytes()
	tried := make(map[int]bool)
	for _, b := range s.batches[s.from:] {
		for i := range b.parts {
			p := &b.parts[i]
			h := m.holds[p.vb]
			if p.acked || h == nil || h.until > now || m.flying(s, p.vb) {
				continue
			}
			to, detour := h.server(route(routes, p.vb), servers, now)
			if len(a.Parts) > 0 && (to != a.Server || detour != a.detour) {
				continue
			}
			if tried[p.vb] && h.failures > 0 {
				a.more = true
				continue
			}
			if size += p.bytes; len(a.Parts) > 0 && size > limit {
				a.more = true
				return
			}
			a.Server, a.detour, tried[p.vb] = to, detour, true
			a.Parts = append(a.Parts, sendable(s, b, p))
		}
	}
}

// pace is when the next Batch is sealed while vbuckets are held: what it holds
// for them is remembered until they are back. So the time between two grows
// with the time for which something is held, and their number with its
// logarithm.
func (m *Machine) pace() (at time.Duration) {
	for _, h := range m.holds {
		at = max(at, m.sealedAt+(m.sealedAt-h.since)/pacing)
	}
	return at
}

// pacing is how much shorter the time between two Batches is than that for which
// a vbucket is held: 0.1 s after a minute, 7 s after an hour, some 4,000 Batches.
const pacing = 512

// holding reports whether a vbucket cannot be committed to, as far as is known.
// What needs all of them is not asked for then.
func (m *Machine) holding() bool {
	for _, h := range m.holds {
		if h.failures > 0 {
			return true
		}
	}
	return false
}

// waits reports whether a part of s waits to be acknowledged whose vbucket is not
// held.
func (m *Machine) waits(s *source) bool {
	if !s.unacked() {
		return false
	}
	if len(m.holds) == 0 {
		return true
	}
	for _, b := range s.batches[s.from:] {
		if b.acked {
			continue
		}
		for i := range b.parts {
			if p := &b.parts[i]; !p.acked && m.holds[p.vb] == nil {
				return true
			}
		}
	}
	return false
}
