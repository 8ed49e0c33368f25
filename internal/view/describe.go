package view

import (
	"context"

	"github.com/tabaproject/taba/internal/store"
)

// A Description is what is known of one tab as a whole.
type Description struct {
	Type    string
	Others  []string // Types of events of this name that are kept apart
	Clients int
	Events  uint64 // that answers are made from
}

// Describe describes a tab. ok is false if there is none of the name.
func (v *View) Describe(ctx context.Context, name string) (d Description, ok bool, err error) {
	if err := v.CatchUp(ctx); err != nil {
		return d, false, err
	}
	n := store.TabName{Name: name}
	s := v.shardOf(n)
	t := target{shard: s}
	s.mu.RLock()
	if tab := s.dir.tabs[n]; tab != nil {
		ok = true
		d.Type, d.Clients = tab.kinds[0].typ, len(tab.kinds[0].clients)
		for _, other := range tab.kinds[1:] {
			d.Others = append(d.Others, other.typ)
		}
		t.kind, t.clients = tab.answer(), d.Clients
	}
	s.mu.RUnlock()
	if t.kind == nil {
		return d, ok, nil
	}
	err = v.chunks(ctx, []target{t}, store.WithAll, new(Lacks), func(_ []target, hots []*hot) error {
		if h := hots[0]; h != nil {
			h.mu.Lock()
			defer h.mu.Unlock()
			if st := h.content.whole(); st != nil {
				d.Events = st.N()
			}
			v.hots.account(h)
		}
		return nil
	})
	return d, ok, err
}
