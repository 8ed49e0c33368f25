package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// Open implements store.Store. Nothing is written: an id says when it was
// born. The horizons of a vbucket that cannot be read are what they were last:
// they are an age behind the clock, so that they seldom decide.
func (s *Store) Open(ctx context.Context, class store.Class, nonce store.Nonce, now time.Time) (store.SourceID, error) {
	if err := s.begin(ctx); err != nil {
		return store.SourceID{}, err
	}
	defer s.life.RUnlock()
	states, errs := s.states(ctx)
	id := store.SourceID{Class: class, Nonce: nonce}
	for vb := range states {
		if errs[vb] == nil {
			s.passes.saw(vb, states[vb].horizons)
		}
		id.Birth = max(id.Birth, s.passes.horizon(vb).Birth(now))
	}
	return id, ctx.Err()
}

// states reads the state of every vbucket.
func (s *Store) states(ctx context.Context) ([]state, []error) {
	states := make([]state, s.vbuckets)
	ops := make([]op, s.vbuckets)
	for vb := range ops {
		ops[vb] = &readOp{vb: vb, ask: [][]string{{"GET", s.key(vb, kindState)}}, use: func(c *session, list answers) (err error) {
			states[vb], err = list.state(0)
			return err
		}}
	}
	return states, s.doAll(ctx, ops)
}

// Close implements store.Store. The first vbucket decides who was first: once
// it has a closer, and all replicas know, the others get the same.
func (s *Store) Close(ctx context.Context, id store.SourceID, t store.Token) (store.Closed, error) {
	if err := s.begin(ctx); err != nil {
		return store.Closed{}, err
	}
	defer s.life.RUnlock()
	first := s.newClose(0, id, t)
	if err := s.do(ctx, first); err != nil {
		return store.Closed{}, err
	}
	c := store.Closed{Token: t, Heads: []store.SourceHead{first.head}}
	if first.head.Verdict == store.SourceGone {
		for vb := 1; vb < s.vbuckets; vb++ {
			c.Heads = append(c.Heads, store.SourceHead{VB: vb, Epoch: first.head.Epoch, Verdict: store.SourceGone})
		}
		return c, nil
	}
	c.Token = first.row.Token
	var closes []*closeOp
	var ops []op
	for vb := 1; vb < s.vbuckets; vb++ {
		o := s.newClose(vb, id, c.Token)
		closes, ops = append(closes, o), append(ops, o)
	}
	if err := errors.Join(s.doAll(ctx, ops)...); err != nil {
		return store.Closed{}, err
	}
	for _, o := range closes {
		if o.head.Verdict == store.SourceClosed && o.row.Token != c.Token {
			return store.Closed{}, fmt.Errorf("source %v was closed by %x in vbucket 0 and by %x in vbucket %d", id, c.Token, o.row.Token, o.vb)
		}
		c.Heads = append(c.Heads, o.head)
	}
	return c, nil
}

// closeOp closes a Source in one vbucket.
type closeOp struct {
	changeOp
	row  store.Row
	head store.SourceHead
}

func (s *Store) newClose(vb int, id store.SourceID, t store.Token) *closeOp {
	o := &closeOp{changeOp: changeOp{s: s, vb: vb, lvl: every, sources: []store.SourceID{id}}}
	o.decide = func(b *cache, p *plan) error {
		row := b.rows[id]
		if store.Known(row, b.state.horizons.Of(id.Class), id) && (row == nil || !row.Closed) {
			closed := store.CloseRow(row, t)
			row = &closed
			p.rows[id] = closed
		}
		o.row, o.head = store.Row{}, sourceHead(vb, id, row, b.state.horizons)
		if row != nil {
			o.row = *row
		}
		return nil
	}
	return o
}

func (o *closeOp) replies(c *session, r replies) (bool, error) {
	again, err := o.changeOp.replies(c, r)
	o.head.Epoch = o.epoch
	return again, err
}

func sourceHead(vb int, id store.SourceID, row *store.Row, h store.Horizons) store.SourceHead {
	head := store.SourceHead{VB: vb, Verdict: store.Applied}
	switch {
	case !store.Known(row, h.Of(id.Class), id):
		head.Verdict = store.SourceGone
	case row != nil:
		head.Head = row.Head
		if row.Closed {
			head.Verdict = store.SourceClosed
		}
	}
	return head
}

// Heads implements store.Store. It waits for no replica: it releases nothing.
func (s *Store) Heads(ctx context.Context, id store.SourceID) ([]store.SourceHead, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	heads := make([]store.SourceHead, s.vbuckets)
	ops := make([]op, s.vbuckets)
	for vb := range ops {
		ask := [][]string{{"GET", s.key(vb, kindState)}, {"HGET", s.key(vb, kindRows), rowField(id)}}
		ops[vb] = &readOp{vb: vb, ask: ask, use: func(c *session, list answers) error {
			st, err := list.state(0)
			if err != nil {
				return err
			}
			var row *store.Row
			if v, ok, err := list.text(1); err != nil {
				return err
			} else if ok {
				r, err := decodeRow(v)
				if err != nil {
					return err
				}
				row = &r
			}
			heads[vb] = sourceHead(vb, id, row, st.horizons)
			heads[vb].Epoch = c.epoch(st.birth)
			return nil
		}}
	}
	if err := errors.Join(s.doAll(ctx, ops)...); err != nil {
		return nil, err
	}
	return heads, nil
}
