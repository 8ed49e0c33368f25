package view

import (
	"context"
	"errors"
	"fmt"

	"github.com/tabaproject/taba/internal/store"
)

// firstAverage is what a State is assumed to take in memory until it is
// known.
const firstAverage = 4 << 10

// heat returns the States of kinds, at the shard's position or further, and
// reads those that are cold. An element is nil if that kind is gone.
func (s *shard) heat(ctx context.Context, kinds []*kind, detail store.Detail) ([]*hot, error) {
	found := make([]*hot, len(kinds))
	if !s.warm(kinds, detail, found) {
		s.fill.Lock()
		defer s.fill.Unlock()
		if !s.warm(kinds, detail, found) {
			if err := s.read(ctx, kinds, detail, found); err != nil {
				return nil, err
			}
		}
	}
	s.v.hots.touch(found)
	return found, nil
}

// warm finds what is hot. It reports whether that is all.
func (s *shard) warm(kinds []*kind, detail store.Detail, found []*hot) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := true
	for i, k := range kinds {
		if h := k.hot; h != nil && h.detail >= detail {
			found[i] = h
		} else {
			all = false
		}
	}
	return all
}

// read materialises the kinds that were not found. It may have to start
// again, or read on, because the log moves meanwhile.
func (s *shard) read(ctx context.Context, kinds []*kind, detail store.Detail, found []*hot) error {
	var names []store.TabName
	for i, k := range kinds {
		if found[i] == nil {
			names = append(names, k.tab.name)
		}
	}
	for range maxRestarts {
		m := newMaterial(s.v.reg, detail, names, s.v.setAside)
		_, err := s.pages(ctx, store.LoadRequest{Names: names, Records: detail}, m.follow)
		for err == nil && !s.link(m, kinds, found) {
			_, err = s.pages(ctx, store.LoadRequest{After: m.end, Names: names}, m.follow)
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrDiverged) {
			return fmt.Errorf("vbucket %d: read cold tabs: %w", s.vb, err)
		}
	}
	return fmt.Errorf("vbucket %d: %w again and again", s.vb, store.ErrDiverged)
}

// link makes m hot and puts it where nothing was found, unless the shard has
// followed the log further than m did.
func (s *shard) link(m *material, kinds []*kind, found []*hot) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started && m.end.Offset < s.pos.Offset {
		return false
	}
	var bytes, states int
	for i, k := range kinds {
		if found[i] != nil {
			continue
		}
		c := m.find(k)
		if c == nil {
			continue
		}
		c.within = 0 // the shard may be behind m and come to that entry again
		h := &hot{shard: s, kind: k, detail: m.detail, content: c}
		found[i] = h
		bytes += c.size
		states += 1 + len(c.clients)
		if now := s.current(k); s.started && now != nil {
			s.v.hots.unlink(now.hot)
			h.kind, now.hot = now, h
			s.v.hots.link(h)
		}
	}
	if states > 0 {
		s.v.average.Store(int64(max(bytes/states, 64)))
	}
	return true
}

// current returns the kind that takes k's place in the directory of today.
func (s *shard) current(k *kind) *kind {
	t := s.dir.tabs[k.tab.name]
	if t == nil {
		return nil
	}
	for _, o := range t.kinds {
		if o.typ == k.typ {
			return o
		}
	}
	return nil
}

// find returns the contents of a kind, nil if there are none.
func (m *material) find(k *kind) *content {
	for _, c := range m.tabs[k.tab.name] {
		if c.tab.Type == k.typ && c.exists {
			return c
		}
	}
	return nil
}
