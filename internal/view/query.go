package view

import (
	"context"
	"errors"
	"fmt"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// ErrTypes: tabs of different Types cannot be merged.
var ErrTypes = errors.New("tabs of different Types cannot be merged into one")

// Row is one rendered answer.
type Row struct {
	Name   string
	Client string // of a projection
	Render []byte // valid during the call it is passed to
}

// Tabs renders every chosen tab over its clients, by name. Without a choice
// of clients that is the all-clients State, which remembers clients that were
// pruned; else the States of the chosen clients are reduced to one.
func (v *View) Tabs(ctx context.Context, r Request, emit func(Row) error) error {
	targets, clients, err := v.choose(ctx, &r)
	if err != nil {
		return err
	}
	detail := store.WithAll
	if clients != nil {
		detail = store.WithClients
	}
	return v.chunks(ctx, targets, detail, r.Lacks, func(targets []target, hots []*hot) error {
		return render(len(targets), func(i int, p *page) {
			h := hots[i]
			if h == nil {
				return
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			st := h.content.whole()
			if clients != nil {
				st = h.content.reduce(clients, r.Now, p)
			}
			if st != nil {
				p.add(targets[i].name(), "", st, &r)
			}
			v.hots.account(h)
		}, emit)
	})
}

// Projection renders every chosen client of every chosen tab, by name and
// then client.
func (v *View) Projection(ctx context.Context, r Request, emit func(Row) error) error {
	targets, clients, err := v.choose(ctx, &r)
	if err != nil {
		return err
	}
	return v.chunks(ctx, targets, store.WithClients, r.Lacks, func(targets []target, hots []*hot) error {
		return render(len(targets), func(i int, p *page) {
			h := hots[i]
			if h == nil {
				return
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			h.content.each(clients, func(client string, st state.State) {
				p.add(targets[i].name(), client, st, &r)
			})
			v.hots.account(h)
		}, emit)
	})
}

// SuperTabs appends the one answer for all chosen tabs and clients to dst. It
// appends nothing if there is nothing to merge, and returns ErrTypes if the
// tabs are of different Types.
func (v *View) SuperTabs(ctx context.Context, r Request, dst []byte) ([]byte, error) {
	targets, clients, err := v.choose(ctx, &r)
	if err != nil {
		return dst, err
	}
	detail := store.WithAll
	if clients != nil {
		detail = store.WithClients
	}
	sum := super{now: r.Now}
	err = v.chunks(ctx, targets, detail, r.Lacks, func(_ []target, hots []*hot) error {
		for _, h := range hots {
			if h == nil {
				continue
			}
			if err := sum.tab(h, clients); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || sum.state == nil {
		return dst, err
	}
	return sum.state.Render(dst, r.At, r.Format), nil
}

// super merges the States of several tabs.
type super struct {
	now   float64
	tabs  [2]string // the first tab, and its Type
	state state.State
	count int
}

func (s *super) tab(h *hot, clients clientSet) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var err error
	add := func(_ string, st state.State) {
		if err == nil {
			err = s.add(h.content, st)
		}
	}
	if clients != nil {
		h.content.each(clients, add)
	} else if st := h.content.whole(); st != nil {
		add("", st)
	}
	return err
}

func (s *super) add(c *content, st state.State) error {
	if s.count == 0 {
		s.state = c.handler.New()
		s.tabs = [2]string{c.tab.Name, c.tab.Type}
	}
	if c.tab.Type != s.tabs[1] {
		return fmt.Errorf("%w: %q is a %s, %q is a %s", ErrTypes, s.tabs[0], s.tabs[1], c.tab.Name, c.tab.Type)
	}
	if s.count == 1 {
		// One State alone is shown as it is; more of them are reduced, and to
		// reduce means that what has expired by now is gone.
		s.state.Fold(s.now, &state.Bundle{Tab: s.tabs[0]}, refuseNothing)
	}
	s.state.Merge(st)
	s.count++
	return nil
}

func refuseNothing(int, state.Reason) {}

// whole returns the all-clients State, nil if there is none.
func (c *content) whole() state.State {
	if !c.open(&c.all) {
		return nil
	}
	return c.all.st
}

// each calls f for the chosen clients that have a State, in order.
func (c *content) each(clients clientSet, f func(client string, st state.State)) {
	for _, name := range c.names() {
		if clients != nil {
			if _, chosen := clients[name]; !chosen {
				continue
			}
		}
		if cl := c.clients[name]; c.open(cl) {
			f(name, cl.st)
		}
	}
}

// reduce merges the States of the chosen clients into one of p's, nil if none
// has one.
func (c *content) reduce(clients clientSet, now float64, p *page) state.State {
	var sum state.State
	c.each(clients, func(_ string, st state.State) {
		if sum == nil {
			sum = p.zero(c.handler)
			sum.Fold(now, &state.Bundle{Tab: c.tab.Name}, refuseNothing)
		}
		sum.Merge(st)
	})
	return sum
}
