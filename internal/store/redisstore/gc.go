package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// passes is what this process knows of garbage collection. Who measures the
// time between two passes must be one: so each pass, which has a random name in
// each vbucket, lets a horizon rise only if the pass before is one that this
// process knew of when its caller began to measure. If somebody else has passed
// since, nothing rises, and the time counts from now. No clock decides.
type passes struct {
	turn sync.Mutex // held by who collects
	list []lastPass

	mu       sync.Mutex
	horizons []store.Horizons // as last seen
}

// lastPass is of one vbucket.
type lastPass struct {
	known passName // the last one when the caller began to measure
	// Of calls since then that failed in another vbucket, or whose outcome is
	// not known: how much of what is measured has counted if they were done.
	tried map[passName]time.Duration
}

type passName [16]byte

// horizon returns the horizons of a vbucket as last seen.
func (ps *passes) horizon(vb int) store.Horizons {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.horizons[vb]
}

// saw remembers horizons, which only rise.
func (ps *passes) saw(vb int, h store.Horizons) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	have := &ps.horizons[vb]
	have.Spool, have.Direct = max(have.Spool, h.Spool), max(have.Direct, h.Direct)
}

// observe remembers the last pass of every vbucket: its caller begins to
// measure afterwards.
func (ps *passes) observe(ctx context.Context, s *Store) error {
	states, errs := s.states(ctx)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	ps.list = make([]lastPass, len(states))
	ps.horizons = make([]store.Horizons, len(states))
	for vb, st := range states {
		ps.list[vb].known = st.pass
		ps.horizons[vb] = st.horizons
	}
	return nil
}

// elapsed returns how much of what the caller measured a horizon may rise
// after the pass that is the last one, and whether that is known.
func (l *lastPass) elapsed(measured time.Duration, last passName) (time.Duration, bool) {
	if counted, ok := l.tried[last]; ok {
		return measured - counted, true
	}
	return measured, last == l.known
}

// GC implements store.Store.
func (s *Store) GC(ctx context.Context, elapsed time.Duration, now time.Time) (removed int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.life.RUnlock()
	ps := &s.passes
	ps.turn.Lock()
	defer ps.turn.Unlock()
	ops := make([]op, s.vbuckets)
	done := make([]*passOp, s.vbuckets)
	for vb := range ops {
		done[vb] = s.newPass(vb, elapsed, now)
		ops[vb] = done[vb]
	}
	err = errors.Join(s.doAll(ctx, ops)...)
	for vb, o := range done {
		if err == nil {
			ps.list[vb] = lastPass{known: o.last}
			ps.saw(vb, o.horizons)
			removed += o.removed
		}
	}
	if err != nil {
		return 0, err
	}
	return removed, nil
}

// passOp raises the horizons of a vbucket and removes the rows of Sources born
// before them, in one change.
type passOp struct {
	changeOp
	last     passName
	horizons store.Horizons
	removed  int
}

func (s *Store) newPass(vb int, measured time.Duration, now time.Time) *passOp {
	o := &passOp{changeOp: changeOp{s: s, vb: vb, lvl: commit, everyone: true}}
	l := &s.passes.list[vb]
	o.decide = func(b *cache, p *plan) error {
		o.last, o.removed = b.state.pass, 0
		if rise, ok := l.elapsed(measured, b.state.pass); ok {
			_, _ = rand.Read(o.last[:]) // never fails
			p.state.pass = o.last
			p.state.horizons = b.state.horizons.Raise(rise, now)
			if l.tried == nil {
				l.tried = map[passName]time.Duration{}
			}
			l.tried[o.last] = measured
		}
		o.horizons = p.state.horizons
		for id := range o.all {
			if id.Birth < o.horizons.Of(id.Class) {
				p.forget = append(p.forget, id)
				o.removed++
			}
		}
		return nil
	}
	return o
}
