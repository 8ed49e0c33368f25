package view

import (
	"context"

	"github.com/tabaproject/taba/internal/store"
)

// What a View knows of names without looking whether the log has brought more:
// CatchUp does that.

// TabCount is how many tabs there are.
func (v *View) TabCount() int { return v.count(func(d *directory) int { return len(d.tabs) }) }

// StateCount is how many clients the tabs have, all together. Those whose State
// was pruned count: their names are kept.
func (v *View) StateCount() int { return v.count(func(d *directory) int { return d.states }) }

// HasTab reports whether there is a tab of a name.
func (v *View) HasTab(name string) bool {
	n := store.TabName{Name: name}
	s := v.shardOf(n)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.dir.tabs[n] != nil
}

// HasState reports whether a tab of a Type has a client.
func (v *View) HasState(t store.Tab, client string) bool {
	n := store.TabName{Namespace: t.Namespace, Name: t.Name}
	s := v.shardOf(n)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.dir.has(n, t.Type, client)
}

func (v *View) count(of func(*directory) int) (n int) {
	for _, s := range v.shards {
		s.mu.RLock()
		n += of(s.dir)
		s.mu.RUnlock()
	}
	return n
}

// has reports whether a client has a tab of a Type.
func (d *directory) has(n store.TabName, typ, client string) bool {
	t, c := d.tabs[n], d.clients[store.TabName{Namespace: n.Namespace, Name: client}]
	if t == nil || c == nil {
		return false
	}
	for _, k := range t.kinds {
		if k.typ == typ {
			_, has := k.clients[c]
			return has
		}
	}
	return false
}

// ClientCount is how many clients there are.
func (v *View) ClientCount(ctx context.Context) (int, error) {
	if len(v.shards) == 1 {
		return v.count(func(d *directory) int { return len(d.clients) }), nil
	}
	clients, err := v.Clients(ctx, Request{}) // one may have tabs in several shards
	return len(clients), err
}
