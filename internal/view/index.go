package view

import (
	"cmp"
	"slices"
	"strings"

	"github.com/RaduBerinde/btreemap"

	"github.com/tabaproject/taba/internal/store"
)

// index is a directory in order: what lists and ranges of names are read from.
// It is made when it is first needed and kept from then on.
type index struct {
	tabs    *btreemap.BTreeMap[*tab, struct{}]
	clients *btreemap.BTreeMap[*client, struct{}]
	// tags counts the tabs that have a tag, as key, and each of its values, as
	// key=value: both as they are in names, where neither has an = of its own.
	tags *btreemap.BTreeMap[store.TabName, int]
}

// indexDegree makes nodes of about eight cache lines.
const indexDegree = 32

func newIndex() *index {
	return &index{
		tabs:    btreemap.New[*tab, struct{}](indexDegree, compareTabs),
		clients: btreemap.New[*client, struct{}](indexDegree, compareClients),
		tags:    btreemap.New[store.TabName, int](indexDegree, compareNames),
	}
}

func compareTabs(a, b *tab) int       { return compareNames(a.name, b.name) }
func compareClients(a, b *client) int { return compareNames(a.name, b.name) }

func compareNames(a, b store.TabName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// A change is one of a directory that its index has to follow: of a tab or of a
// client. To follow it twice is as good as once.
type change struct {
	tab     *tab
	client  *client
	removed bool
}

func (x *index) apply(c change) {
	switch {
	case c.tab != nil && c.removed:
		if _, _, was := x.tabs.Delete(c.tab); was {
			x.count(c.tab, -1)
		}
	case c.tab != nil:
		if _, _, was := x.tabs.ReplaceOrInsert(c.tab, struct{}{}); !was {
			x.count(c.tab, 1)
		}
	case c.removed:
		x.clients.Delete(c.client)
	default:
		x.clients.ReplaceOrInsert(c.client, struct{}{})
	}
}

// count counts a tab's tags.
func (x *index) count(t *tab, by int) {
	_, rest, more := strings.Cut(t.name.Name, ";")
	before := ""
	for more {
		var tag string
		tag, rest, more = strings.Cut(rest, ";")
		key, _, valued := strings.Cut(tag, "=")
		if key != before {
			x.tag(t.name.Namespace, key, by)
		}
		if valued {
			x.tag(t.name.Namespace, tag, by)
		}
		before = key
	}
}

func (x *index) tag(namespace, tag string, by int) {
	n := store.TabName{Namespace: namespace, Name: tag}
	_, old, _ := x.tags.Get(n)
	if old+by <= 0 {
		x.tags.Delete(n)
	} else {
		x.tags.ReplaceOrInsert(n, old+by)
	}
}

// note lets the directory's index follow, if there is one or will be.
func (d *directory) note(c change) {
	switch {
	case d.index != nil:
		d.index.apply(c)
	case d.indexing:
		d.changes = append(d.changes, c)
	}
}

// snapshot returns everything that is in the directory, as changes.
func (d *directory) snapshot() []change {
	all := make([]change, 0, len(d.tabs)+len(d.clients))
	for _, t := range d.tabs {
		all = append(all, change{tab: t})
	}
	for _, c := range d.clients {
		all = append(all, change{client: c})
	}
	return all
}

// inOrder sorts changes, so that an index grows at its end.
func inOrder(all []change) {
	slices.SortFunc(all, func(a, b change) int {
		switch {
		case a.tab != nil && b.tab != nil:
			return compareTabs(a.tab, b.tab)
		case a.tab == nil && b.tab == nil:
			return compareClients(a.client, b.client)
		case a.tab != nil:
			return -1
		}
		return 1
	})
}

// ordered calls use with the shard's index, which is made if need be, while
// the directory cannot change.
func (s *shard) ordered(use func(*index)) {
	s.mu.RLock()
	x := s.dir.index
	if x != nil {
		defer s.mu.RUnlock()
		use(x)
		return
	}
	s.mu.RUnlock()
	s.indexes.Lock()
	for !s.makeIndex() {
	}
	s.indexes.Unlock()
	s.ordered(use)
}

// makeIndex makes an index while queries and commits go on: what changes
// meanwhile is noted. It reports false if the shard started again. s.indexes is
// held.
func (s *shard) makeIndex() bool {
	s.mu.Lock()
	d := s.dir
	made := d.index != nil
	d.indexing, d.changes = !made, nil
	s.mu.Unlock()
	if made {
		return true
	}
	s.mu.RLock()
	all := d.snapshot() // of which changes may have some, too
	s.mu.RUnlock()
	inOrder(all)
	x := newIndex()
	for _, c := range all {
		x.apply(c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range d.changes {
		x.apply(c)
	}
	d.index, d.indexing, d.changes = x, false, nil
	return s.dir == d
}
