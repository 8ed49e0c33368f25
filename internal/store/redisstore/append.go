package redisstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/tabaproject/taba/internal/store"
)

// Append implements store.Store.
func (s *Store) Append(ctx context.Context, parts []store.Part) ([]store.PartResult, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	results := make([]store.PartResult, len(parts))
	var appends []*appendOp
	byVB := map[int]*appendOp{}
	for i := range parts {
		vb := parts[i].VB
		if vb < 0 || vb >= s.vbuckets {
			results[i].Err = fmt.Errorf("a part is for vbucket %d, which is not one of the store's %d", vb, s.vbuckets)
			continue
		}
		a := byVB[vb]
		if a == nil {
			a = s.newAppend(vb)
			byVB[vb] = a
			appends = append(appends, a)
		}
		a.add(&parts[i], i)
	}
	ops := make([]op, 0, len(appends))
	ready := appends[:0]
	for _, a := range appends {
		if err := s.shard(a.vb).fit(); err != nil {
			a.fail(results, err)
			continue
		}
		ops = append(ops, a)
		ready = append(ready, a)
	}
	for i, err := range s.doAll(ctx, ops) {
		if err != nil {
			ready[i].fail(results, err)
			continue
		}
		ready[i].tell(results)
	}
	return results, nil
}

// appendOp appends parts to one vbucket.
type appendOp struct {
	changeOp
	parts   []*store.Part
	at      []int // their places among the results
	entries []*entry
	bad     []error // of bodies
	results []store.PartResult
}

func (s *Store) newAppend(vb int) *appendOp {
	a := &appendOp{changeOp: changeOp{s: s, vb: vb, lvl: commit}}
	a.decide = a.apply
	return a
}

func (a *appendOp) add(p *store.Part, at int) {
	a.parts = append(a.parts, p)
	a.at = append(a.at, at)
	if !slices.Contains(a.sources, p.Source) {
		a.sources = append(a.sources, p.Source)
	}
}

// level: that a Source has ended must be safe before it is answered, whatever
// other answers wait for.
func (a *appendOp) level() level {
	for i := range a.results {
		if a.results[i].Verdict == store.SourceClosed {
			return every
		}
	}
	return a.lvl
}

// apply decides each part in order.
func (a *appendOp) apply(b *cache, p *plan) error {
	if a.entries == nil {
		a.entries = make([]*entry, len(a.parts))
		a.bad = make([]error, len(a.parts))
	}
	a.results = make([]store.PartResult, len(a.parts))
	for i, part := range a.parts {
		stored := b.rows[part.Source]
		if row, ok := p.rows[part.Source]; ok {
			stored = &row
		}
		verdict, row := store.Decide(stored, b.state.horizons.Of(part.Source.Class), part)
		r := &a.results[i]
		*r = store.PartResult{Verdict: verdict, Head: row.Head, Token: row.Token}
		if verdict != store.Applied {
			continue
		}
		if err := a.outline(i); err != nil {
			*r = store.PartResult{Err: err}
			continue
		}
		r.Position = p.add(a.entries[i])
		p.rows[part.Source] = row
	}
	return nil
}

// outline makes the entry of a part, once.
func (a *appendOp) outline(i int) error {
	if a.entries[i] != nil || a.bad[i] != nil {
		return a.bad[i]
	}
	p := a.parts[i]
	outline, events, err := store.AppendOutline(nil, p.Body)
	if err != nil {
		a.bad[i] = fmt.Errorf("part %d of source %v: %w", p.Seq, p.Source, err)
		return a.bad[i]
	}
	a.entries[i] = &entry{outline: outline, body: p.Body, head: head{entry: store.Entry{
		Kind: store.KindPartials, Source: p.Source, Seq: p.Seq, Events: events,
	}}}
	return nil
}

func (a *appendOp) fail(results []store.PartResult, err error) {
	for _, i := range a.at {
		results[i] = store.PartResult{Err: err}
	}
}

func (a *appendOp) tell(results []store.PartResult) {
	for n, i := range a.at {
		r := a.results[n]
		if r.Err == nil {
			r.Epoch = a.epoch
			if a.stable {
				r.Stable = r.Head.Seq
			}
		}
		results[i] = r
	}
}

// Command implements store.Store.
func (s *Store) Command(ctx context.Context, vb int, c store.Command) (at store.Position, err error) {
	if err := c.Check(); err != nil {
		return at, err
	}
	if err := s.beginVB(ctx, vb); err != nil {
		return at, err
	}
	defer s.life.RUnlock()
	if err := s.shard(vb).fit(); err != nil {
		return at, err
	}
	o := &changeOp{s: s, vb: vb, lvl: commit}
	o.decide = func(_ *cache, p *plan) error {
		at = p.add(&entry{head: head{entry: store.Entry{Kind: c.Kind, Command: c}}})
		return nil
	}
	if err := s.do(ctx, o); err != nil {
		return store.Position{}, err
	}
	return at, nil
}
