package view

import (
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// material is the contents of some tabs of one vbucket, made from what Load
// returned for them and brought further by the entries that follow.
type material struct {
	reg    *state.Registry
	detail store.Detail
	tabs   map[store.TabName][]*content // of every Type
	end    store.Position
	decode scratch
	aside  func(tab store.Tab, client []byte, events uint64) // told of every State set aside
}

// newMaterial returns contents of names that follow has yet to fill.
func newMaterial(reg *state.Registry, detail store.Detail, names []store.TabName,
	aside func(store.Tab, []byte, uint64)) *material {
	m := &material{reg: reg, detail: detail, tabs: make(map[store.TabName][]*content, len(names)), aside: aside}
	for _, n := range names {
		m.tabs[n] = nil
	}
	return m
}

// follow takes over the records of l, applies its entries and is then at its
// end.
func (m *material) follow(l *store.Loaded) {
	for i := range l.Records {
		r := &l.Records[i]
		name := nameOf(r.Tab)
		if kinds, wanted := m.tabs[name]; wanted {
			c := newContent(r.Tab, m.reg, m.detail)
			c.load(r)
			m.tabs[name] = append(kinds, c)
		}
	}
	for i := range l.Entries {
		m.apply(&l.Entries[i])
	}
	m.end = l.End
}

func (m *material) apply(e *store.Entry) {
	switch e.Kind {
	case store.KindPartials:
		m.partials(e)
	case store.KindDelete:
		for _, n := range e.Command.Names {
			for _, c := range m.tabs[n] {
				if c.at < e.Position.Offset {
					c.drop()
					c.at = e.Position.Offset
				}
			}
		}
	case store.KindPrune:
		for _, kinds := range m.tabs {
			for _, c := range kinds {
				if c.at < e.Position.Offset {
					c.prune(e.Command.At)
					c.at = e.Position.Offset
				}
			}
		}
	}
}

func (m *material) partials(e *store.Entry) {
	r := store.NewBodyReader(e.Body)
	for r.NextTab() {
		c := m.content(&r.Tab)
		if c == nil || !c.begin(e.Position.Offset) {
			continue
		}
		for r.NextPartial() {
			if !c.partial(&r.Partial, &m.decode) {
				m.aside(c.tab, r.Partial.Client, r.Partial.Events)
			}
		}
	}
}

// content returns the place of a tab, or nil if its name was not asked for.
func (m *material) content(t *store.TabBytes) *content {
	kinds, wanted := m.tabs[store.TabName{Namespace: string(t.Namespace), Name: string(t.Name)}]
	if !wanted {
		return nil
	}
	for _, c := range kinds {
		if c.tab.Type == string(t.Type) {
			return c
		}
	}
	c := newContent(t.Tab(), m.reg, m.detail)
	name := store.TabName{Namespace: c.tab.Namespace, Name: c.tab.Name}
	m.tabs[name] = append(kinds, c)
	return c
}
