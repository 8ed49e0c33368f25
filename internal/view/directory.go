package view

import (
	"cmp"
	"slices"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// directory knows every tab of a vbucket and every client of each tab, those
// whose State was pruned included.
type directory struct {
	reg     *state.Registry
	tabs    map[store.TabName]*tab
	clients map[store.TabName]*client // by namespace and client
	states  int                       // clients of kinds

	types map[string]int // how many tabs have the Type

	index    *index   // nil until it is needed
	indexing bool     // it is being made
	changes  []change // since that began
}

// tab is one name with all its Types.
type tab struct {
	name  store.TabName
	kinds []*kind // the tab's Type first
}

// kind is one tab of one Type.
type kind struct {
	tab     *tab
	typ     string
	handler state.Handler // nil if the Type is not registered
	first   uint64        // offset of the entry that created it
	clients map[*client]struct{}
	hot     *hot // nil if its States are not held
}

// client is one client with the tabs it has.
type client struct {
	name  store.TabName
	kinds map[*kind]struct{}
}

func newDirectory(reg *state.Registry) *directory {
	return &directory{reg: reg, tabs: map[store.TabName]*tab{}, clients: map[store.TabName]*client{}, types: map[string]int{}}
}

// answer returns the kind that gives the tab its Type and its answers, or nil
// if none of its Types is registered.
func (t *tab) answer() *kind {
	if k := t.kinds[0]; k.handler != nil {
		return k
	}
	return nil
}

// add returns the kind of a tab and makes it if need be.
func (d *directory) add(t store.Tab, first uint64) *kind {
	name := store.TabName{Namespace: t.Namespace, Name: t.Name}
	tb := d.tabs[name]
	if tb == nil {
		tb = &tab{name: name}
		d.tabs[name] = tb
		d.note(change{tab: tb})
	}
	k := &kind{tab: tb, typ: t.Type, first: first, clients: map[*client]struct{}{}}
	if h, ok := d.reg.Lookup(t.Type); ok {
		k.handler = h
	}
	tb.kinds = append(tb.kinds, k)
	d.types[k.typ]++
	slices.SortFunc(tb.kinds, compareKinds)
	return k
}

// compareKinds puts the kind that decides the tab's Type first.
func compareKinds(a, b *kind) int {
	if known := (a.handler != nil); known != (b.handler != nil) {
		if known {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.typ, b.typ))
}

// kind returns the kind that a group of Partials belongs to, nil if unknown.
func (d *directory) kind(t *store.TabBytes) *kind {
	tb := d.tabs[store.TabName{Namespace: string(t.Namespace), Name: string(t.Name)}]
	if tb == nil {
		return nil
	}
	for _, k := range tb.kinds {
		if k.typ == string(t.Type) {
			return k
		}
	}
	return nil
}

// addClient notes that a client has the tab.
func (d *directory) addClient(k *kind, name []byte) {
	c := d.clients[store.TabName{Namespace: k.tab.name.Namespace, Name: string(name)}]
	if c == nil {
		c = &client{
			name:  store.TabName{Namespace: k.tab.name.Namespace, Name: string(name)},
			kinds: map[*kind]struct{}{},
		}
		d.clients[c.name] = c
		d.note(change{client: c})
	}
	if _, has := k.clients[c]; !has {
		k.clients[c] = struct{}{}
		c.kinds[k] = struct{}{}
		d.states++
	}
}

// load takes over a record.
func (d *directory) load(r *store.Record) {
	k := d.add(r.Tab, r.First)
	for i := range r.Clients {
		d.addClient(k, []byte(r.Clients[i].Client))
	}
}

// remove forgets a kind, and the clients that have no other.
func (d *directory) remove(k *kind) {
	d.states -= len(k.clients)
	for c := range k.clients {
		delete(c.kinds, k)
		if len(c.kinds) == 0 {
			delete(d.clients, c.name)
			d.note(change{client: c, removed: true})
		}
	}
	if d.types[k.typ]--; d.types[k.typ] == 0 {
		delete(d.types, k.typ)
	}
	k.tab.kinds = slices.DeleteFunc(k.tab.kinds, func(o *kind) bool { return o == k })
	if len(k.tab.kinds) == 0 {
		delete(d.tabs, k.tab.name)
		d.note(change{tab: k.tab, removed: true})
	}
}
