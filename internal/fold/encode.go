package fold

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// Encode passes the Partials to emit as one body per vbucket that has any, by
// ascending vbucket. Within a body they are sorted by tab and client, so equal
// Partials give equal bytes. A body is valid only during emit.
func (a *Accumulator) Encode(p store.Partition, emit func(vb int, body []byte, events uint64)) {
	for _, t := range a.tabs {
		t.vb = p.Of(t.name.Namespace, t.name.Name)
	}
	order := a.sorted()
	for len(order) > 0 {
		vb, n := order[0].vb, 1
		for n < len(order) && order[n].vb == vb {
			n++
		}
		body, events := a.write(order[:n])
		emit(vb, body, events)
		order = order[n:]
	}
}

// EncodeAll appends one body with all Partials to dst, sorted by tab and
// client. It appends nothing if there are none.
func (a *Accumulator) EncodeAll(dst []byte) (body []byte, events uint64) {
	for _, t := range a.tabs {
		t.vb = 0
	}
	body, events = a.write(a.sorted())
	return append(dst, body...), events
}

// sorted returns the tabs by vbucket, then name.
func (a *Accumulator) sorted() []*tab {
	a.order = a.order[:0]
	for _, t := range a.tabs {
		a.order = append(a.order, t)
	}
	slices.SortFunc(a.order, func(x, y *tab) int {
		return cmp.Or(cmp.Compare(x.vb, y.vb), compareTabs(&x.name, &y.name))
	})
	return a.order
}

func compareTabs(x, y *store.Tab) int {
	if c := strings.Compare(x.Namespace, y.Namespace); c != 0 {
		return c
	}
	if c := strings.Compare(x.Name, y.Name); c != 0 {
		return c
	}
	return strings.Compare(x.Type, y.Type)
}

// write encodes the given tabs. The body is valid until the next write.
func (a *Accumulator) write(tabs []*tab) (body []byte, events uint64) {
	w := &a.writer
	w.Reset()
	for _, t := range tabs {
		w.Tab(t.name)
		t.order = t.order[:0]
		for client := range t.clients {
			t.order = append(t.order, client)
		}
		slices.Sort(t.order)
		for _, client := range t.order {
			s := t.clients[client]
			w.Partial(client, s.N(), func(dst []byte) []byte { return state.AppendAt(dst, s, a.level) })
		}
	}
	return w.Bytes(), w.Events()
}
