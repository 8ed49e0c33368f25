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
	// Lacks is told of vbuckets that cannot be read, and the answer is one of
	// the others; nil: then there is an UnreadError instead of an answer.
	Lacks *Lacks
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
	shards := v.shards
	if r.Names.some && r.Names.re == nil {
		shards = v.ofNames(r.Namespace, r.Names.candidates())
	}
	shards, err := v.read(ctx, shards, r.Lacks)
	if err != nil {
		return nil, nil, err
	}
	clients := chooseClients(shards, r)
	var targets []target
	if r.Names.some && r.Names.re == nil {
		targets = v.lookUp(shards, r, clients)
	} else {
		for _, s := range shards {
			targets = s.scan(r, clients, targets)
		}
	}
	slices.SortFunc(targets, func(a, b target) int { return cmp.Compare(a.name(), b.name()) })
	return targets, clients, nil
}

// read is catchUp, within the budget.
func (v *View) read(ctx context.Context, shards []*shard, lacks *Lacks) ([]*shard, error) {
	shards, err := v.catchUp(ctx, shards, lacks)
	v.hots.trim()
	return shards, err
}

// chooseClients returns the names of the chosen clients that there are.
func chooseClients(shards []*shard, r *Request) clientSet {
	if r.Clients.All() {
		return nil
	}
	if r.Clients.re == nil {
		return r.Clients.list(func(name string) bool {
			return slices.ContainsFunc(shards, func(s *shard) bool { return s.hasClient(r.Namespace, name) })
		})
	}
	set := clientSet{}
	for _, s := range shards {
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

// lookUp returns the tabs of a list of names that are in some shards.
func (v *View) lookUp(shards []*shard, r *Request, clients clientSet) []target {
	names := r.Names.list(func(name string) bool { return v.has(store.TabName{Namespace: r.Namespace, Name: name}) })
	var targets []target
	for name := range names {
		n := store.TabName{Namespace: r.Namespace, Name: name}
		s := v.shardOf(n)
		if !slices.Contains(shards, s) {
			continue
		}
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
