package view

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wait"
)

// Prune appends to every vbucket's log that clients' States with nothing left
// at the given time are dropped there.
func (c *Compactor) Prune(ctx context.Context, at float64) error {
	return c.prune(ctx, at, func(int) bool { return true })
}

func (c *Compactor) prune(ctx context.Context, at float64, those func(vb int) bool) error {
	var errs []error
	for vb := range c.vbuckets() {
		if !those(vb) {
			continue
		}
		if _, err := c.st.Command(ctx, vb, store.Command{Kind: store.KindPrune, At: at}); err != nil {
			errs = append(errs, fmt.Errorf("prune vbucket %d: %w", vb, err))
		}
	}
	c.Kick()
	return errors.Join(errs...)
}

// PruneEvery prunes the share at what at returns, once per interval, until ctx
// ends.
func (c *Compactor) PruneEvery(ctx context.Context, interval time.Duration, at func() float64) {
	for wait.For(ctx, interval) == nil {
		if err := c.prune(ctx, at(), c.o.Mine); err != nil && ctx.Err() == nil {
			c.o.Log.Error("pruning failed and will be tried again", "in", interval, "err", err)
		}
	}
}

// Delete appends to the logs that the tabs of these names are deleted, of
// whatever Type.
func (c *Compactor) Delete(ctx context.Context, names []store.TabName) error {
	part := c.st.Meta().Partition
	byVB := map[int][]store.TabName{}
	for _, n := range names {
		vb := part.Of(n.Namespace, n.Name)
		byVB[vb] = append(byVB[vb], n)
	}
	for vb := range c.vbuckets() {
		if len(byVB[vb]) == 0 {
			continue
		}
		if _, err := c.st.Command(ctx, vb, store.Command{Kind: store.KindDelete, Names: byVB[vb]}); err != nil {
			return fmt.Errorf("delete in vbucket %d: %w", vb, err)
		}
	}
	c.Kick()
	return nil
}

// follow catches up with one vbucket, if the View follows it at all. It is a
// courtesy: a View that was left behind starts again from the records.
func (v *View) follow(ctx context.Context, vb int) {
	s := v.shards[vb]
	s.mu.RLock()
	started := s.started
	s.mu.RUnlock()
	if !started {
		return
	}
	if err := s.catchUp(ctx); err != nil {
		v.log.Debug("the View could not catch up before the log is trimmed", "vbucket", vb, "err", err)
	}
	v.hots.trim()
}
