package view

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tabaproject/taba/internal/store"
)

// A vbucket that could not be read the last time is tried again, but whoever
// asks does not wait for it much longer than for the others: a server of a
// store that hangs must not make every answer wait for as long as it takes to
// be sure. As long as nothing else is asked for it is waited for.

// patience is how much longer than for the others it is waited for one that
// was away.
const patience = 4

// catchUp brings shards to the ends of their logs and returns those that are.
// The others are told to lacks or, if that is nil, are an UnreadError.
func (v *View) catchUp(ctx context.Context, shards []*shard, lacks *Lacks) ([]*shard, error) {
	strict := lacks == nil
	if strict {
		lacks = &Lacks{}
	}
	if len(shards) == 1 { // the common case
		if err := shards[0].try(ctx); err != nil {
			lacks.add(shards[0].vb, err)
		}
	} else {
		catchUpAll(ctx, shards, lacks)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !lacks.Any() {
		return shards, nil
	}
	if strict {
		return nil, lacks.Err()
	}
	return without(shards, lacks.VBuckets()), nil
}

// catchUpAll tells lacks which shards it was not possible for.
func catchUpAll(ctx context.Context, shards []*shard, lacks *Lacks) {
	well, away := sorted(shards)
	start := time.Now()
	waiting := probe(ctx, away)
	eachShard(well, func(s *shard) {
		if err := s.try(ctx); err != nil {
			lacks.add(s.vb, err)
		}
	})
	until := time.Now().Add(patience * time.Since(start))
	for _, p := range waiting {
		if err := p.result(ctx, time.Until(until)); err != nil {
			lacks.add(p.shard.vb, err)
		}
	}
}

// sorted tells which shards could be read the last time. If none could, all
// are waited for as if they had been.
func sorted(shards []*shard) (well, away []*shard) {
	for _, s := range shards {
		if s.trouble.Load() == nil {
			well = append(well, s)
		} else {
			away = append(away, s)
		}
	}
	if len(well) == 0 {
		return away, nil
	}
	return well, away
}

func without(shards []*shard, vbs []int) (rest []*shard) {
	lacking := make(map[int]bool, len(vbs))
	for _, vb := range vbs {
		lacking[vb] = true
	}
	for _, s := range shards {
		if !lacking[s.vb] {
			rest = append(rest, s)
		}
	}
	return rest
}

// try catches up, and remembers whether that was possible. That whoever asked
// has gone is nobody's trouble.
func (s *shard) try(ctx context.Context) error {
	err := s.catchUp(ctx)
	if ctx.Err() == nil {
		s.note(err)
	}
	return err
}

func (s *shard) note(err error) {
	if err == nil {
		if s.trouble.Load() != nil && s.trouble.Swap(nil) != nil {
			s.v.log.Info("the vbucket can be read again", "vbucket", s.vb)
		}
	} else if s.trouble.Swap(&err) == nil {
		s.v.log.Warn("the vbucket cannot be read, answers are without it", "vbucket", s.vb, "error", err)
	}
}

// probing is an attempt to read a shard that was away.
type probing struct {
	shard *shard
	done  chan error // nil: somebody else's attempt is under way
}

// probe tries shards that were away, each once at a time however many ask.
func probe(ctx context.Context, away []*shard) []probing {
	list := make([]probing, len(away))
	for i, s := range away {
		list[i].shard = s
		if !s.probed.CompareAndSwap(false, true) {
			continue
		}
		done := make(chan error, 1)
		list[i].done = done
		go func() {
			defer s.probed.Store(false)
			// It is of use to others when this one has gone. The store ends it.
			done <- s.try(context.WithoutCancel(ctx))
		}()
	}
	return list
}

// result waits for an attempt for a while.
func (p *probing) result(ctx context.Context, patience time.Duration) error {
	if p.done != nil {
		wait := time.NewTimer(max(patience, 0))
		defer wait.Stop()
		select {
		case err := <-p.done:
			return err
		case <-wait.C:
		}
	}
	if err := p.shard.trouble.Load(); err != nil {
		return *err
	}
	return p.shard.try(ctx) // others found that it is back
}

// eachShard calls f for all shards side by side.
func eachShard(shards []*shard, f func(*shard)) {
	if len(shards) == 1 {
		f(shards[0])
		return
	}
	var g errgroup.Group
	g.SetLimit(fanOut)
	for _, s := range shards {
		g.Go(func() error {
			f(s)
			return nil
		})
	}
	_ = g.Wait() // f keeps errors itself
}

// ofNames returns the shards that have names.
func (v *View) ofNames(namespace string, names map[string]struct{}) []*shard {
	var shards []*shard
	have := make([]bool, len(v.shards))
	for name := range names {
		s := v.shardOf(store.TabName{Namespace: namespace, Name: name})
		if !have[s.vb] {
			have[s.vb] = true
			shards = append(shards, s)
		}
	}
	return shards
}
