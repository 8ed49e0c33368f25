// Package fold turns events into Partials. It is pure: no I/O, no clock, no
// goroutine; now is a parameter.
//
// An Accumulator holds the Partials of what accrued: per (tab, client) one
// State. The goroutine that reads a request folds into an accumulator of its
// own; accumulators are merged when they are committed. An Accumulator is not
// safe for concurrent use and has no bound of its own: callers stop feeding it
// (or commit it) by Size.
package fold

import (
	"iter"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// Accumulator holds the Partials of what accrued since it was last emptied.
type Accumulator struct {
	reg    *state.Registry
	kinds  kinds
	tabs   map[store.Tab]*tab
	spare  []*tab // emptied, for reuse
	made   recent // tabs
	events uint64
	size   int

	level   state.Level // of what is written
	writer  store.BodyWriter
	written recent // bytes of body
	largest int    // body that writer has room for

	order  []*tab        // scratch of Encode
	staged []state.State // scratch of AddBody
}

// tab holds the Partials of one tab, by client.
type tab struct {
	name    store.Tab
	kind    *kind
	clients map[string]state.State

	vb    int      // scratch of Encode
	order []string // scratch of Encode: the clients, sorted
}

// What holding a tab and a client costs beside names and States, roughly.
const (
	tabOverhead    = 256
	clientOverhead = 64
)

// New returns an empty Accumulator for the Types in reg.
func New(reg *state.Registry) *Accumulator {
	return &Accumulator{reg: reg, level: state.Newest, kinds: make(kinds), tabs: make(map[store.Tab]*tab)}
}

// SetLevel says who will read what Encode and EncodeAll write from now on; until
// then it is those that read state.Newest.
func (a *Accumulator) SetLevel(l state.Level) { a.level = l }

// Fold adds a bundle of the given Type that was received at now (UTC seconds).
// Events that do not fit are passed to refuse by their index; the others
// count. A bundle of which nothing fits leaves no trace, so that refused
// events cannot register tabs. Fold reports false, and folds nothing, if the
// Type is not registered. It keeps b's names but not its events. A nil refuse
// is told nothing.
func (a *Accumulator) Fold(now float64, namespace, typ string, b *state.Bundle, refuse func(event int, why state.Reason)) (known bool) {
	if refuse == nil {
		refuse = func(int, state.Reason) {}
	}
	t := a.tabs[store.Tab{Namespace: namespace, Name: b.Tab, Type: typ}]
	if t == nil {
		k := a.kind(typ)
		if k == nil {
			return false
		}
		t = a.addTab(store.Tab{Namespace: namespace, Name: b.Tab, Type: typ}, k)
	}
	s, exists := t.clients[b.Client]
	if !exists {
		s = t.kind.get()
		a.keep(t, b.Client, s)
	}
	n, size := s.N(), s.Size()
	s.Fold(now, b, refuse)
	a.events += s.N() - n
	a.size += s.Size() - size
	if !exists && len(b.Events) > 0 && s.N() == 0 {
		a.dropClient(t, b.Client)
	}
	return true
}

// Merge moves the Partials of src in and leaves src empty. States whose
// (tab, client) is not there yet are moved, not copied; for each, a spare
// State is handed back, so that accumulators that are filled and merged in
// turn need not allocate. Both must be of the same Registry.
func (a *Accumulator) Merge(src *Accumulator) {
	if src == a || src.Empty() {
		return
	}
	if a.Empty() { // the common case when little is going on
		a.swap(src)
		return
	}
	for name, from := range src.tabs {
		to := a.tabs[name]
		if to == nil {
			to = a.addTab(name, a.kind(name.Type))
		}
		for client, s := range from.clients {
			if have, exists := to.clients[client]; exists {
				a.absorb(have, s, from.kind)
				continue
			}
			a.keep(to, client, s)
			to.kind.lend(from.kind)
		}
		clear(from.clients)
	}
	src.Reset()
}

// swap exchanges the Partials of a and src, spares included.
func (a *Accumulator) swap(src *Accumulator) {
	a.kinds, src.kinds = src.kinds, a.kinds
	a.tabs, src.tabs = src.tabs, a.tabs
	a.spare, src.spare = src.spare, a.spare
	a.made, src.made = src.made, a.made
	a.events, src.events = src.events, a.events
	a.size, src.size = src.size, a.size
}

// keep files s, which it takes over, under a client that is not there yet.
func (a *Accumulator) keep(t *tab, client string, s state.State) {
	t.clients[client] = s
	t.kind.used.now++
	a.events += s.N()
	a.size += s.Size() + len(client) + clientOverhead
}

// absorb merges s into have and makes s a spare.
func (a *Accumulator) absorb(have, s state.State, spare *kind) {
	n, size := have.N(), have.Size()
	have.Merge(s)
	a.events += have.N() - n
	a.size += have.Size() - size
	spare.put(s)
}

// Clamp moves whatever the Partials say happened after limit (UTC seconds) to
// limit and returns how many events it moved. It is applied to what others
// folded, before that is merged with anything.
func (a *Accumulator) Clamp(limit float64) (moved uint64) {
	for _, t := range a.tabs {
		for _, s := range t.clients {
			moved += s.Clamp(limit)
		}
	}
	return moved
}

// Empty reports whether there are no Partials.
func (a *Accumulator) Empty() bool { return len(a.tabs) == 0 }

// Events is the number of events in the Partials: the sum of their N.
func (a *Accumulator) Events() uint64 { return a.events }

// Size is the approximate memory held by the Partials, in bytes.
func (a *Accumulator) Size() int { return a.size }

// Tabs iterates over the Partials, in no particular order:
//
//	for tab, clients := range acc.Tabs {
//		for client, s := range clients { … }
//	}
//
// The accumulator must not be changed meanwhile, and the States only read.
func (a *Accumulator) Tabs(yield func(t store.Tab, clients iter.Seq2[string, state.State]) bool) {
	for name, t := range a.tabs {
		clients := func(yield func(string, state.State) bool) {
			for client, s := range t.clients {
				if !yield(client, s) {
					return
				}
			}
		}
		if !yield(name, clients) {
			return
		}
	}
}

// Reset drops all Partials and keeps their memory for reuse, as far as it was
// needed lately.
func (a *Accumulator) Reset() {
	for _, t := range a.tabs {
		for _, s := range t.clients {
			t.kind.put(s)
		}
		a.recycle(t)
	}
	clear(a.tabs)
	a.events, a.size = 0, 0
	clear(a.order)
	a.settle()
	for _, k := range a.kinds {
		k.settle()
	}
}

func (a *Accumulator) addTab(name store.Tab, k *kind) *tab {
	var t *tab
	if last := len(a.spare) - 1; last >= 0 {
		t, a.spare = a.spare[last], a.spare[:last]
	} else {
		t = &tab{clients: make(map[string]state.State, 1)}
	}
	t.name, t.kind = name, k
	a.made.now++
	a.tabs[name] = t
	a.size += len(name.Namespace) + len(name.Name) + tabOverhead
	return t
}

// dropClient undoes keep, and addTab if nothing else is there. The State is
// empty.
func (a *Accumulator) dropClient(t *tab, client string) {
	s := t.clients[client]
	delete(t.clients, client)
	a.size -= s.Size() + len(client) + clientOverhead
	t.kind.put(s)
	if len(t.clients) == 0 {
		delete(a.tabs, t.name)
		a.size -= len(t.name.Namespace) + len(t.name.Name) + tabOverhead
		a.recycle(t)
	}
}
