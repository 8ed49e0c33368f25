package view

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/tabaproject/taba/internal/store"
)

// Names returns the chosen tabs' names, sorted. If clients are chosen, they
// are the tabs that one of them has.
func (v *View) Names(ctx context.Context, r Request) ([]string, error) {
	targets, _, err := v.choose(ctx, &r)
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.name()
	}
	return names, err
}

// Find returns which names of the request's list there are, of whatever Type,
// registered or not, sorted.
func (v *View) Find(ctx context.Context, r Request) ([]store.TabName, error) {
	if _, err := v.read(ctx, v.ofNames(r.Namespace, r.Names.candidates()), r.Lacks); err != nil {
		return nil, err
	}
	var found []store.TabName
	list := r.Names.list(func(name string) bool { return v.has(store.TabName{Namespace: r.Namespace, Name: name}) })
	for name := range list {
		if n := (store.TabName{Namespace: r.Namespace, Name: name}); v.has(n) {
			found = append(found, n)
		}
	}
	slices.SortFunc(found, func(a, b store.TabName) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

func (v *View) has(n store.TabName) bool {
	s := v.shardOf(n)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.dir.tabs[n] != nil
}

// Clients returns the chosen clients that there are, sorted. Clients whose
// States were pruned are among them. The choice of names is not looked at.
func (v *View) Clients(ctx context.Context, r Request) ([]string, error) {
	shards, err := v.read(ctx, v.shards, r.Lacks)
	if err != nil {
		return nil, err
	}
	chosen := chooseClients(shards, &r)
	there := map[string]struct{}{}
	for _, s := range shards {
		s.mu.RLock()
		for n := range s.dir.clients {
			_, want := chosen[n.Name]
			if n.Namespace == r.Namespace && (chosen == nil || want) {
				there[n.Name] = struct{}{}
			}
		}
		s.mu.RUnlock()
	}
	return slices.Sorted(maps.Keys(there)), nil
}

// TabType is a tab's name with its Type.
type TabType struct{ Name, Type string }

// Types returns the chosen tabs with their Types, sorted by name.
func (v *View) Types(ctx context.Context, r Request) ([]TabType, error) {
	targets, _, err := v.choose(ctx, &r)
	types := make([]TabType, len(targets))
	for i, t := range targets {
		types[i] = TabType{Name: t.name(), Type: t.kind.typ}
	}
	return types, err
}
