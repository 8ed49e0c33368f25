package view

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// asks is what a Compactor was asked to do next, whether it is due or not.
type asks struct{ compact, renew atomic.Bool }

// AskCompact lets Run compact the share, whether it is due or not.
func (c *Compactor) AskCompact() {
	c.asks.compact.Store(true)
	c.Kick()
}

// AskRenew lets Run compact the share, and write every record again that is
// written differently now: States in the encodings of earlier releases, or in
// those that not everybody reads who reads the store.
func (c *Compactor) AskRenew() {
	c.asks.renew.Store(true)
	c.Kick()
}

// answer does what was asked.
func (c *Compactor) answer(ctx context.Context) {
	renew := c.asks.renew.Swap(false)
	if compact := c.asks.compact.Swap(false); !compact && !renew {
		return
	}
	if err := c.compactAll(ctx, renew); err != nil && ctx.Err() == nil {
		c.o.Log.Error("not everything was compacted as it was asked", "err", err)
	}
}

// Renew is Compact, and writes every record again that is written differently
// now.
func (c *Compactor) Renew(ctx context.Context) error { return c.compactAll(ctx, true) }

// compactAll compacts the share. A vbucket that cannot be read does not keep
// the others from it.
func (c *Compactor) compactAll(ctx context.Context, renew bool) error {
	var errs []error
	for _, s := range c.sizes(ctx) {
		err := s.err
		if err == nil {
			err = c.compact(ctx, s.vb, s.stats, renew)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("compact vbucket %d: %w", s.vb, err))
		}
	}
	return errors.Join(errs...)
}

// sized is what the store says of a vbucket.
type sized struct {
	vb    int
	stats store.Stats
	err   error
}

// sizes asks for the sizes of the share, side by side: of vbuckets that are on
// one server the store asks together, and one that hangs is waited for once.
func (c *Compactor) sizes(ctx context.Context) []*sized {
	var list []*sized
	for vb := range c.vbuckets() {
		if c.o.Mine(vb) {
			list = append(list, &sized{vb: vb})
		}
	}
	if len(list) == 1 {
		s := list[0]
		s.stats, s.err = c.look(ctx, s.vb)
		return list
	}
	var g errgroup.Group
	g.SetLimit(fanOut)
	for _, s := range list {
		g.Go(func() error {
			s.stats, s.err = c.look(ctx, s.vb)
			return nil
		})
	}
	_ = g.Wait() // each has its own
	return list
}

// fanOut bounds how many vbuckets are asked at once: more than any store has
// servers, so that all work at the same time.
const fanOut = 32

// renew marks the States as changed that are encoded differently at a Level, and
// reports whether there are any. What cannot be decoded stays as it is.
func (c *content) renew(l state.Level) bool {
	any := c.renewState(&c.all, l)
	for _, cl := range c.clients {
		any = c.renewState(cl, l) || any
	}
	return any
}

func (c *content) renewState(h *held, l state.Level) bool {
	enc := h.enc
	if h.st != nil || !c.open(h) {
		return h.changed // it was merged into, or cannot be decoded
	}
	h.changed = h.changed || !bytes.Equal(state.AppendAt(nil, h.st, l), enc)
	return h.changed
}
