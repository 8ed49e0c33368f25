package view

import (
	"context"
	"sync"

	"github.com/tabaproject/taba/internal/store"
)

// chunks calls f with the States of targets, in order, so many at a time that
// they fit in a quarter of the budget. Of a vbucket that cannot be read there
// are none, and lacks is told; if that is nil, it is an error.
func (v *View) chunks(ctx context.Context, targets []target, detail store.Detail, lacks *Lacks,
	f func(targets []target, hots []*hot) error) error {
	limit := v.hots.budget / 4
	for len(targets) > 0 {
		n, bytes := 0, int64(0)
		for n < len(targets) && (n == 0 || bytes < limit) {
			states := 1
			if detail == store.WithClients {
				states += targets[n].clients
			}
			bytes += int64(states) * v.average.Load()
			n++
		}
		hots, err := v.heat(ctx, targets[:n], detail, lacks)
		if err != nil {
			return err
		}
		if err := f(targets[:n], hots); err != nil {
			return err
		}
		v.hots.trim()
		targets = targets[n:]
	}
	return nil
}

// heat returns the States of targets, which may be of several shards: these are
// read side by side.
func (v *View) heat(ctx context.Context, targets []target, detail store.Detail, lacks *Lacks) ([]*hot, error) {
	kinds := make(map[*shard][]*kind, len(v.shards))
	var shards []*shard
	for _, t := range targets {
		if kinds[t.shard] == nil {
			shards = append(shards, t.shard)
		}
		kinds[t.shard] = append(kinds[t.shard], t.kind)
	}
	strict := lacks == nil
	if strict {
		lacks = &Lacks{}
	}
	var mu sync.Mutex // guards byShard
	byShard := make(map[*shard][]*hot, len(kinds))
	eachShard(shards, func(s *shard) {
		found, err := s.heat(ctx, kinds[s], detail)
		if err != nil {
			found = make([]*hot, len(kinds[s]))
			if lacks.add(s.vb, err); ctx.Err() == nil {
				s.note(err)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		byShard[s] = found
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if strict && lacks.Any() {
		return nil, lacks.Err()
	}
	hots := make([]*hot, len(targets))
	for i, t := range targets {
		hots[i] = byShard[t.shard][0]
		byShard[t.shard] = byShard[t.shard][1:]
	}
	return hots, nil
}
