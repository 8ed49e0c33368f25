package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// unfitError says why nothing may be written to a server that would take it.
type unfitError struct{ error }

func unfit(format string, args ...any) error { return unfitError{fmt.Errorf(format, args...)} }

// fit returns why nothing may be written to the shard.
func (h *shard) fit() error {
	if err := h.sick.Load(); err != nil {
		if e, ok := errors.AsType[unfitError](*err); ok {
			return e
		}
	}
	return nil
}

// checkServer returns why a store must not be on a server: it would evict
// what it was told, or forget it, or the store is not there.
func (s *Store) checkServer(ctx context.Context, c *client, addr string, vbs []int) error {
	info, err := c.info(ctx, "memory", "persistence")
	if err != nil {
		return explain(addr, err)
	}
	if info["loading"] == "1" {
		return fmt.Errorf("redis at %s is reading its data from disk", addr)
	}
	if policy := info["maxmemory_policy"]; policy != "noeviction" {
		return unfit("redis at %s: maxmemory-policy is %s, which throws data away; set it to noeviction", addr, policy)
	}
	if s.opts.Persistence == AppendOnly && info["aof_enabled"] != "1" {
		return unfit("redis at %s: appendonly is no, what was acknowledged would be lost at a restart; set it to yes, or say persistence=any in the store's URL", addr)
	}
	if info["aof_enabled"] == "1" && info["aof_last_write_status"] == "err" {
		return fmt.Errorf("redis at %s: it cannot write its append-only file, is its disk full?", addr)
	}
	return s.checkVBuckets(ctx, c, addr, vbs)
}

// checkVBuckets makes sure that a server holds its vbuckets of this store.
func (s *Store) checkVBuckets(ctx context.Context, c *client, addr string, vbs []int) error {
	if !s.opened.Load() {
		return nil // they may have to be made yet
	}
	var cmds []rueidis.Completed
	for _, vb := range vbs {
		cmds = append(cmds, c.cmd("GET", s.key(vb, kindMeta)), c.cmd("EXISTS", s.key(vb, kindState), s.key(vb, kindLedger), s.key(vb, kindFence)))
	}
	rs := c.DoMulti(ctx, cmds...)
	for i, vb := range vbs {
		text, err := rs[2*i].ToString()
		if rueidis.IsRedisNil(err) {
			return unfit("redis at %s: vbucket %d is missing, the server has lost data of store %x; bring it back from a replica or a backup, as docs/operations.md says under Restore", addr, vb, s.meta.ID)
		}
		if err != nil {
			return explain(addr, err)
		}
		m, err := decodeMeta(text)
		if err != nil {
			return fmt.Errorf("redis at %s: %s: %w", addr, s.key(vb, kindMeta), err)
		}
		if m.Meta != s.meta {
			return unfit("redis at %s: vbucket %d is of store %x, not of store %x; name each store's own servers, or another prefix", addr, vb, m.ID, s.meta.ID)
		}
		n, err := rs[2*i+1].ToInt64()
		if err != nil {
			return explain(addr, err)
		}
		if n != 3 {
			return unfit("redis at %s: %d of 3 keys of vbucket %d are missing, somebody has deleted them; bring them back from a backup", addr, 3-n, vb)
		}
	}
	return nil
}

// watch looks after the shards until the store is closed: where their masters
// are, and whether these are still fit.
func (s *Store) watch() {
	tick := time.NewTicker(s.glance())
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		s.look()
	}
}

// glance is how often it is looked whether anything has changed: a master that
// hangs is noticed well before what waits for it times out.
func (s *Store) glance() time.Duration { return max(s.opts.Timeout/5, time.Millisecond) }

func (s *Store) look() {
	ctx, cancel := context.WithTimeout(s.ctx, s.opts.Timeout)
	defer cancel()
	if err := s.refresh(); err == nil {
		s.lost = false
	} else if s.ctx.Err() == nil && !s.lost {
		s.lost = true
		s.opts.Logger.Warn("it is not known where the store's servers are", "error", err)
	}
	_ = s.examine(ctx) // each shard remembers
}

// examine checks every shard, and lets it take writes or not. It returns why
// nothing would be acknowledged.
func (s *Store) examine(ctx context.Context) error {
	shards := s.all()
	errs := make([]error, len(shards))
	var wg sync.WaitGroup
	for i, h := range shards {
		wg.Go(func() { errs[i] = h.examine(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (h *shard) examine(ctx context.Context) error {
	p := h.place.Load()
	var err error
	switch {
	case p == nil && slices.Contains(*h.s.route.Load(), h):
		err = fmt.Errorf("%w: no server has the vbuckets that %s had", errMoved, h.name)
	case p == nil: // it serves nothing any more
	case p.err != nil:
		err = p.err
	default:
		err = h.probe(ctx, p)
	}
	before := h.sick.Load()
	if err == nil {
		h.sick.Store(nil)
		if before != nil {
			h.s.opts.Logger.Info("the store acknowledges again", "server", h.name)
		}
		return nil
	}
	if ctx.Err() == nil && h.sick.CompareAndSwap(before, &err) && before == nil {
		h.s.opts.Logger.Warn("the store acknowledges nothing", "server", h.name, "error", err)
	}
	return err
}

func (h *shard) probe(ctx context.Context, p *place) error {
	c, err := h.s.asked(ctx, p.addr, h.s.login())
	if err != nil {
		return err
	}
	if err := h.s.checkServer(ctx, c, p.addr, p.vbs); err != nil {
		if _, answered := rueidis.IsRedisErr(err); !answered {
			defer h.s.forgetIfGone(ctx, p.addr, c)
		}
		return err
	}
	info, err := c.info(ctx, "replication", "memory")
	if err != nil {
		return explain(p.addr, err)
	}
	if info["role"] != "master" {
		return fmt.Errorf("redis at %s is a replica, a store needs a master", p.addr)
	}
	if err := roomIn(info, p.addr); err != nil {
		return err
	}
	h.synced.Store(syncs(c.Do(ctx, c.cmd(askSyncs...))))
	if err := h.short(p.addr, replicationOf(info).online); err != nil {
		return err
	}
	return h.unsynced(p)
}

// roomIn returns an error if a server is out of memory.
func roomIn(info map[string]string, addr string) error {
	used, _ := strconv.ParseUint(info["used_memory"], 10, 64)
	most, _ := strconv.ParseUint(info["maxmemory"], 10, 64)
	if most > 0 && used >= most {
		return fmt.Errorf("redis at %s: its memory is full, %d of %d bytes; give it more maxmemory", addr, used, most)
	}
	return nil
}

// forgetIfGone drops a client whose connection is broken.
func (s *Store) forgetIfGone(ctx context.Context, addr string, c *client) {
	if err := c.Do(ctx, c.cmd("PING")).Error(); err != nil {
		s.forgetClient(addr)
	}
}
