package view

import (
	"cmp"
	"context"
	"slices"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// Request says what is asked.
type Request struct {
	Namespace string
	Names     Selector
	Clients   Selector
	Now       float64      // the time at which what is reduced is folded, UTC seconds
	At        float64      // the time as of which answers are rendered: Now less the pipeline's latency
	Format    state.Format // how they are rendered
}

// target is one tab that a request chose.
type target struct {
	shard   *shard
	kind    *kind
	clients int      // how many it has
	others  []string // Types, in a Look
}

func (t target) name() string { return t.kind.tab.name.Name }

// clientSet is the clients a request chose; nil means all.
type clientSet map[string]struct{}

// choose catches up and returns the tabs of a request that have a Type and,
// where clients are chosen, one of them; sorted by name.
func (v *View) choose(ctx context.Context, r *Request) ([]target, clientSet, error) {
	if err := v.CatchUp(ctx); err != nil {
		return nil, nil, err
	}
	clients := v.chooseClients(r)
	var targets []target
	if r.Names.some && r.Names.re == nil {
		targets = v.lookUp(r, clients)
	} else {
		for _, s := range v.shards {
			targets = s.scan(r, clients, targets)
		}
	}
	slices.SortFunc(targets, func(a, b target) int { return cmp.Compare(a.name(), b.name()) })
	return targets, clients, nil
}

// chooseClients returns the names of the chosen clients that there are.
func (v *View) chooseClients(r *Request) clientSet {
	if r.Clients.All() {
		return nil
	}
	if r.Clients.re == nil {
		return r.Clients.list(func(name string) bool {
			return slices.ContainsFunc(v.shards, func(s *shard) bool { return s.hasClient(r.Namespace, name) })
		})
	}
	set := clientSet{}
	for _, s := range v.shards {
		s.mu.RLock()
		for n := range s.dir.clients {
			if n.Namespace == r.Namespace && r.Clients.re.MatchString(n.Name) {
				set[n.Name] = struct{}{}
			}
		}
		s.mu.RUnlock()
	}
	return set
}

func (s *shard) hasClient(namespace, name string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.dir.clients[store.TabName{Namespace: namespace, Name: name}] != nil
}

// lookUp returns the tabs of a list of names.
func (v *View) lookUp(r *Request, clients clientSet) []target {
	names := r.Names.list(func(name string) bool { return v.has(store.TabName{Namespace: r.Namespace, Name: name}) })
	var targets []target
	for name := range names {
		n := store.TabName{Namespace: r.Namespace, Name: name}
		s := v.shardOf(n)
		s.mu.RLock()
		if t := s.dir.tabs[n]; t != nil {
			targets = s.accept(t, clients, targets)
		}
		s.mu.RUnlock()
	}
	return targets
}

// scan returns the tabs of the shard that r chooses, other than by a list.
func (s *shard) scan(r *Request, clients clientSet, targets []target) []target {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if targets == nil && clients == nil && r.Names.All() {
		targets = make([]target, 0, len(s.dir.tabs))
	}
	for n, t := range s.dir.tabs {
		if n.Namespace == r.Namespace && (r.Names.re == nil || r.Names.re.MatchString(n.Name)) {
			targets = s.accept(t, clients, targets)
		}
	}
	return targets
}

// accept adds a tab if it has a Type and one of the clients. The shard's lock
// is held.
func (s *shard) accept(t *tab, clients clientSet, targets []target) []target {
	k := t.answer()
	if k == nil || (clients != nil && !s.hasAny(k, clients)) {
		return targets
	}
	return append(targets, target{shard: s, kind: k, clients: len(k.clients)})
}

// hasAny reports whether k has one of the clients. It walks the smaller set.
func (s *shard) hasAny(k *kind, clients clientSet) bool {
	if len(clients) <= len(k.clients) {
		for name := range clients {
			c := s.dir.clients[store.TabName{Namespace: k.tab.name.Namespace, Name: name}]
			if c == nil {
				continue
			}
			if _, has := k.clients[c]; has {
				return true
			}
		}
		return false
	}
	for c := range k.clients {
		if _, chosen := clients[c.name.Name]; chosen {
			return true
		}
	}
	return false
}

// chunks calls f with the States of targets, in order, so many at a time that
// they fit in a quarter of the budget.
func (v *View) chunks(ctx context.Context, targets []target, detail store.Detail,
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
		hots, err := v.heat(ctx, targets[:n], detail)
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

// heat returns the States of targets, which may be of several shards.
func (v *View) heat(ctx context.Context, targets []target, detail store.Detail) ([]*hot, error) {
	kinds := make(map[*shard][]*kind, len(v.shards))
	for _, t := range targets {
		kinds[t.shard] = append(kinds[t.shard], t.kind)
	}
	byShard := make(map[*shard][]*hot, len(kinds))
	for s, ks := range kinds {
		found, err := s.heat(ctx, ks, detail)
		if err != nil {
			return nil, err
		}
		byShard[s] = found
	}
	hots := make([]*hot, len(targets))
	for i, t := range targets {
		hots[i] = byShard[t.shard][0]
		byShard[t.shard] = byShard[t.shard][1:]
	}
	return hots, nil
}
