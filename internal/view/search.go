package view

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/RaduBerinde/btreemap"

	"github.com/tabaproject/taba/internal/store"
)

// A Page says which part of a sorted list is asked for.
type Page struct {
	Namespace string
	Prefix    string
	After     string                 // nothing up to this one
	Limit     int                    // how many
	Match     func(name string) bool // nil: all
	Lacks     *Lacks                 // as that of a Request
}

// Counted is a text with the number of tabs that have it.
type Counted struct {
	Text string
	Tabs int
}

// from returns where a page begins.
func (p *Page) from(prefix string) store.TabName {
	return store.TabName{Namespace: p.Namespace, Name: prefix + max(p.Prefix, p.After)}
}

// has reports whether a name belongs to the page, and whether any behind it may.
func (p *Page) has(n store.TabName, prefix string) (yes, more bool) {
	if n.Namespace != p.Namespace || !strings.HasPrefix(n.Name, prefix+p.Prefix) {
		return false, false
	}
	if p.After != "" && n.Name <= prefix+p.After {
		return false, true
	}
	return p.Match == nil || p.Match(n.Name), true
}

// cut merges the lists of shards and cuts them to the page. It reports whether
// something is left.
func cut[T any](p *Page, all []T, compare func(a, b T) int) ([]T, bool) {
	slices.SortFunc(all, compare)
	if len(all) > p.Limit {
		return all[:p.Limit], true
	}
	return all, false
}

// SearchTabs returns a page of the tabs with their Types, and whether there are
// more.
func (v *View) SearchTabs(ctx context.Context, p Page) (tabs []TabType, more bool, err error) {
	shards, err := v.read(ctx, v.shards, p.Lacks)
	if err != nil {
		return nil, false, err
	}
	for _, s := range shards {
		n := 0
		err := s.eachTab(ctx, p.from(""), func(t *tab) bool {
			yes, more := p.has(t.name, "")
			if yes {
				tabs = append(tabs, TabType{Name: t.name.Name, Type: t.kinds[0].typ})
				n++
			}
			return more && n <= p.Limit
		})
		if err != nil {
			return nil, false, err
		}
	}
	tabs, more = cut(&p, tabs, func(a, b TabType) int { return strings.Compare(a.Name, b.Name) })
	return tabs, more, nil
}

// SearchClients returns a page of the clients, and whether there are more.
func (v *View) SearchClients(ctx context.Context, p Page) (clients []string, more bool, err error) {
	shards, err := v.read(ctx, v.shards, p.Lacks)
	if err != nil {
		return nil, false, err
	}
	for _, s := range shards {
		n := 0
		s.ordered(func(x *index) {
			for c := range x.clients.Ascend(btreemap.GE(&client{name: p.from("")}), btreemap.Max[*client]()) {
				yes, more := p.has(c.name, "")
				if yes {
					clients = append(clients, c.name.Name)
					n++
				}
				if !more || n > p.Limit {
					return
				}
			}
		})
	}
	slices.Sort(clients)
	clients = slices.Compact(clients) // a client may have tabs in several shards
	clients, more = cut(&p, clients, strings.Compare)
	return clients, more, nil
}

// SearchTags returns a page of the keys of tags, as they are in names.
func (v *View) SearchTags(ctx context.Context, p Page) (tags []Counted, more bool, err error) {
	return v.searchTags(ctx, p, func(x *index, add func(store.TabName, int) bool) {
		at := btreemap.GE(p.from(""))
		for again := true; again; {
			again = false
			for n, tabs := range x.tags.Ascend(at, btreemap.Max[store.TabName]()) {
				if key, _, valued := strings.Cut(n.Name, "="); valued {
					n.Name = key + ">" // behind all its values
					at, again = btreemap.GE(n), true
					break
				}
				if !add(n, tabs) {
					return
				}
			}
		}
	}, "")
}

// SearchTagValues returns a page of the values of a tag, as they are in names.
func (v *View) SearchTagValues(ctx context.Context, key string, p Page) (values []Counted, more bool, err error) {
	prefix := key + "="
	return v.searchTags(ctx, p, func(x *index, add func(store.TabName, int) bool) {
		for n, tabs := range x.tags.Ascend(btreemap.GE(p.from(prefix)), btreemap.Max[store.TabName]()) {
			if !add(n, tabs) {
				return
			}
		}
	}, prefix)
}

// searchTags collects what each visits in the shards' indexes, without the
// prefix that all of it has.
func (v *View) searchTags(ctx context.Context, p Page, each func(*index, func(store.TabName, int) bool), prefix string) ([]Counted, bool, error) {
	shards, err := v.read(ctx, v.shards, p.Lacks)
	if err != nil {
		return nil, false, err
	}
	counts := map[string]int{}
	for _, s := range shards {
		n := 0
		s.ordered(func(x *index) {
			each(x, func(name store.TabName, tabs int) bool {
				yes, more := p.has(name, prefix)
				if yes {
					counts[name.Name[len(prefix):]] += tabs
					n++
				}
				return more && n <= p.Limit
			})
		})
	}
	all := make([]Counted, 0, len(counts))
	for text, tabs := range counts {
		all = append(all, Counted{Text: text, Tabs: tabs})
	}
	all, more := cut(&p, all, func(a, b Counted) int { return cmp.Compare(a.Text, b.Text) })
	return all, more, nil
}

// CountTypes returns how many tabs have each Type, sorted by Type.
func (v *View) CountTypes(ctx context.Context, lacks *Lacks) ([]Counted, error) {
	shards, err := v.read(ctx, v.shards, lacks)
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, s := range shards {
		s.mu.RLock()
		for typ, n := range s.dir.types {
			counts[typ] += n
		}
		s.mu.RUnlock()
	}
	var all []Counted
	for _, typ := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, Counted{Text: typ, Tabs: counts[typ]})
	}
	return all, nil
}
