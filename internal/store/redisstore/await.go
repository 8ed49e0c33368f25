package redisstore

import (
	"context"
	"fmt"
)

// await waits on for tasks that not enough replicas followed yet. How many are
// needed is found out anew all the time: more may follow now than was known, or
// one may have been forgotten. What was written is not written again: a disk that
// takes long for each write would never be done with the last one.
func (c *session) await(late []*task, acked int, f fence) {
	ctx, cancel := context.WithTimeout(context.Background(), c.h.s.opts.Timeout)
	defer cancel()
	for {
		_ = c.h.s.refresh() // a deployment that does not answer is as it was
		if c.h.place.Load() == nil {
			c.broken = fmt.Errorf("redis at %s was taken over from, the outcome is not known", c.addr)
			finish(late, c.broken)
			return
		}
		need := 0
		waiting := late[:0]
		for _, t := range late {
			if n := c.replicas(t.op.level()); n > acked {
				need = max(need, n)
				waiting = append(waiting, t)
			} else {
				finish([]*task{t}, nil)
			}
		}
		if late = waiting; len(late) == 0 {
			return
		}
		if ctx.Err() != nil {
			finish(late, c.tooFew(acked, need))
			return
		}
		written := f.need > 0
		f = c.fence(need)
		f.again = written
		if acked, c.broken = c.wait(late[0].op.vbucket(), f); c.broken != nil {
			finish(late, c.broken)
			return
		}
	}
}

// wait makes a round trip of nothing but a fence.
func (c *session) wait(vb int, f fence) (acked int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.h.s.opts.Timeout)
	defer cancel()
	b := &batch{c: c}
	b.fence(f, vb)
	return f.read(c, c.conn.DoMulti(ctx, b.cmds...))
}

// tooFew says what was waited for in vain.
func (c *session) tooFew(acked, need int) error {
	if c.follow < need {
		return fmt.Errorf("redis at %s: %d of %d replicas answered within %v%s: %w", c.addr, c.follow, need, c.h.s.opts.Timeout, c.h.missing(c.addr, c.repl.online), errReplicas)
	}
	err := fmt.Errorf("redis at %s: all %d replicas answered, but %d have synced with it within %v; each needs appendonly yes and a disk that keeps up, and one that has just copied everything its first file: %w", c.addr, need, acked, c.h.s.opts.Timeout, errReplicas)
	if acked < c.replicas(commit) {
		c.h.behind.Store(&err)
	}
	return err
}

// unsynced returns why commits are waited for in vain although every replica
// follows, and tries whether they still are: nobody else may, as long as it is
// said that they are.
func (h *shard) unsynced(p *place) error {
	err := h.behind.Load()
	if err == nil || !h.synced.Load() {
		return nil
	}
	h.start(h.s.ctx, &fenceOp{vb: p.vbs[0]})
	return *err
}

// fenceOp does nothing but wait.
type fenceOp struct{ vb int }

func (o *fenceOp) vbucket() int                            { return o.vb }
func (o *fenceOp) level() level                            { return commit }
func (o *fenceOp) commands(b *batch)                       { b.add("PING") }
func (o *fenceOp) replies(*session, replies) (bool, error) { return false, nil }
