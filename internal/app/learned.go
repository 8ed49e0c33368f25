package app

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/query"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/trail"
)

// learned is what an agent remembers of what it took since it started. Of tabs it
// is the Type under which each was taken first, so that later events of another
// Type fold as it or are refused before they are acknowledged, as a server would
// do. Of States it is only that there are some, by a fingerprint: 64 bits suffice
// to count, since two of ten million are equal once in 400,000 agents. The limits
// on names bound it.
type learned struct {
	seed maphash.Seed

	mu     sync.RWMutex
	byName map[store.TabName]string
	states map[uint64]struct{}
}

func newLearned() *learned {
	return &learned{seed: maphash.MakeSeed(), byName: map[store.TabName]string{}, states: map[uint64]struct{}{}}
}

// CatchUp implements ingest.Directory: what is committed is learned before.
func (l *learned) CatchUp(context.Context) error { return nil }

// TabCount implements ingest.Directory.
func (l *learned) TabCount() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.byName)
}

// StateCount implements ingest.Directory.
func (l *learned) StateCount() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.states)
}

// HasTab implements ingest.Directory.
func (l *learned) HasTab(name string) bool {
	_, ok := l.TypeOf("", name)
	return ok
}

// HasState implements ingest.Directory.
func (l *learned) HasState(tab store.Tab, client string) bool {
	f := l.fingerprint(l.ofTab(tab.Name), client)
	l.mu.RLock()
	defer l.mu.RUnlock()
	_, ok := l.states[f]
	return ok
}

// TypeOf implements ingest.TypeTable.
func (l *learned) TypeOf(namespace, tab string) (string, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	typ, ok := l.byName[store.TabName{Namespace: namespace, Name: tab}]
	return typ, ok
}

// fingerprint is that of a State, tab the one of its tab.
func (l *learned) fingerprint(tab uint64, client string) uint64 {
	return tab ^ maphash.String(l.seed, client)
}

func (l *learned) ofTab(name string) uint64 {
	const mix = 0x9E3779B97F4A7C15 // odd: multiplying by it loses nothing
	return maphash.String(l.seed, name) * mix
}

// learn remembers what is new in acc.
func (l *learned) learn(acc *fold.Accumulator) {
	var tabs []store.Tab
	var states []uint64
	l.mu.RLock()
	for t, clients := range acc.Tabs {
		if _, known := l.byName[store.TabName{Namespace: t.Namespace, Name: t.Name}]; !known {
			tabs = append(tabs, t)
		}
		tab := l.ofTab(t.Name)
		for client := range clients {
			if f := l.fingerprint(tab, client); !l.knows(f) {
				states = append(states, f)
			}
		}
	}
	l.mu.RUnlock()
	if len(tabs)+len(states) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range tabs {
		name := store.TabName{Namespace: t.Namespace, Name: t.Name}
		if _, known := l.byName[name]; !known {
			l.byName[name] = t.Type
		}
	}
	for _, f := range states {
		l.states[f] = struct{}{}
	}
}

func (l *learned) knows(state uint64) bool {
	_, ok := l.states[state]
	return ok
}

// Tab implements query.Known.
func (l *learned) Tab(_ context.Context, name string) (*query.ExplainedTab, []query.Sending, error) {
	typ, ok := l.TypeOf("", name)
	if !ok {
		return nil, nil, nil
	}
	return &query.ExplainedTab{Type: typ, Others: []string{}}, nil, nil
}

// maxCompared is how many names are compared with one that is asked for.
const maxCompared = 50_000

// Names implements query.Known.
func (l *learned) Names(_ context.Context, name string) ([]query.Near, error) {
	var near []query.Near
	compared := 0
	l.mu.RLock()
	for n, typ := range l.byName {
		if compared++; compared > maxCompared {
			break
		}
		if trail.Like(name, trail.Printable(n.Name)) < trail.Unlike {
			near = append(near, query.Near{Name: n.Name, Type: typ, State: "taken"})
		}
	}
	l.mu.RUnlock()
	slices.SortFunc(near, func(a, b query.Near) int {
		return cmp.Or(int(trail.Like(name, a.Name)-trail.Like(name, b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return near, nil
}
