package redisstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/tabaproject/taba/internal/store"
)

// session is one connection to one life of a master, for everything that must
// be waited for on the connection on which it was done. It is used by the
// shard's goroutine alone.
type session struct {
	h       *shard
	addr    string
	client  *client
	conn    rueidis.DedicatedClient
	release func()
	repl    replication
	vbs     map[int]*cache
	bare    bool  // the server has lost its scripts
	broken  error // why it is of no use any more
}

// cache is what is known of a vbucket, as of a token: whoever relies on it has
// the token compared.
type cache struct {
	state state
	valid bool
	rows  map[store.SourceID]*store.Row // nil: there is none
	trim  store.Position                // as last seen
}

// connect finds the shard's master and makes sure that it is one, holds the
// store, and keeps what it is told.
func (h *shard) connect(ctx context.Context) (*session, error) {
	p, err := h.s.locate(h)
	if err != nil {
		return nil, err
	}
	cl, err := h.s.dial(ctx, p.addr, h.s.login())
	if err != nil {
		return nil, err
	}
	c := &session{h: h, addr: p.addr, client: cl, vbs: map[int]*cache{}}
	if err := c.greet(ctx, p.vbs); err != nil {
		cl.close()
		return nil, err
	}
	c.conn, c.release = cl.Dedicate()
	return c, nil
}

func (c *session) close() {
	c.release()
	c.client.close()
}

func (c *session) greet(ctx context.Context, vbs []int) error {
	if err := c.h.s.checkServer(ctx, c.client, c.addr, vbs); err != nil {
		return err
	}
	cmds := []rueidis.Completed{c.client.cmd("INFO", "replication")}
	for _, sc := range scripts {
		cmds = append(cmds, c.client.cmd("SCRIPT", "LOAD", sc.source))
	}
	rs := c.client.DoMulti(ctx, cmds...)
	for _, r := range rs {
		if err := r.Error(); err != nil {
			return explain(c.addr, err)
		}
	}
	text, err := rs[0].ToString()
	if err != nil {
		return explain(c.addr, err)
	}
	c.repl = parseReplication(text)
	if !c.repl.master {
		return fmt.Errorf("redis at %s is a replica, a store needs a master", c.addr)
	}
	return nil
}

// vb returns what is known of a vbucket.
func (c *session) vb(vb int) *cache {
	b := c.vbs[vb]
	if b == nil {
		b = &cache{rows: map[store.SourceID]*store.Row{}}
		c.vbs[vb] = b
	}
	return b
}

// maxRows bounds the rows that a cache keeps of one vbucket.
const maxRows = 1 << 12

// forget drops what is known but not the trim point, which is only a guess.
func (b *cache) forget() {
	b.valid = false
	clear(b.rows)
}

// learn takes a state and rows read with it.
func (b *cache) learn(st string, ids []store.SourceID, rows []rueidis.RedisMessage) error {
	s, err := decodeState(st)
	if err != nil || !b.valid || s.token != b.state.token {
		b.forget()
	}
	if err != nil {
		return err
	}
	for i, id := range ids {
		var row *store.Row
		if i < len(rows) && !rows[i].IsNil() {
			v, err := rows[i].ToString()
			if err != nil {
				return err
			}
			r, err := decodeRow(v)
			if err != nil {
				return err
			}
			row = &r
		}
		b.rows[id] = row
	}
	b.state, b.valid = s, true
	return nil
}

// epoch is that of a vbucket under the server's replication id.
func (c *session) epoch(birth string) store.Epoch {
	return epochOf(c.h.s.meta.ID, birth, c.repl.id)
}

// round does one round trip for tasks and finishes those that are done. It
// returns those that want another.
func (c *session) round(tasks []*task) (again []*task) {
	ctx, cancel := context.WithTimeout(context.Background(), c.h.s.opts.Timeout)
	defer cancel()
	b := &batch{c: c}
	most := none
	for _, t := range tasks {
		t.from = len(b.cmds)
		t.op.commands(b)
		t.to = len(b.cmds)
		most = max(most, t.op.level())
	}
	need := c.replicas(most)
	tail := len(b.cmds)
	b.fence(tasks[len(tasks)-1].op.vbucket(), need)
	rs := c.conn.DoMulti(ctx, b.cmds...)
	acked, err := c.after(rs[tail:], need)
	if err != nil {
		c.broken = err
		finish(tasks, err)
		return nil
	}
	var late []*task // what they rest on has not reached enough replicas
	for _, t := range tasks {
		more, err := t.op.replies(c, replies{rs[t.from:t.to]})
		switch {
		case err != nil:
			finish([]*task{t}, c.explain(err))
		case more:
			again = append(again, t)
		case acked < c.replicas(t.op.level()):
			late = append(late, t)
		default:
			finish([]*task{t}, nil)
		}
	}
	if len(late) > 0 {
		c.await(late, acked)
	}
	return again
}

func (c *session) explain(err error) error {
	if _, ok := rueidis.IsRedisErr(err); ok {
		return explain(c.addr, err)
	}
	return err
}

// after reads what ends a round: whether the server is still the one that it
// was, and how many replicas follow.
func (c *session) after(rs []rueidis.RedisResult, need int) (acked int, err error) {
	for _, r := range rs {
		if err := r.NonRedisError(); err != nil {
			return 0, fmt.Errorf("redis at %s: the outcome is not known: %w", c.addr, err)
		}
	}
	text, err := rs[len(rs)-1].ToString()
	if err != nil {
		return 0, explain(c.addr, err)
	}
	now := parseReplication(text)
	if !now.master || now.id != c.repl.id {
		return 0, fmt.Errorf("redis at %s is not the master any more that it was: the outcome is not known", c.addr)
	}
	c.repl = now
	if need == 0 {
		return 0, nil
	}
	touched, err := rs[0].ToInt64()
	if err != nil {
		return 0, explain(c.addr, err)
	}
	if touched == 0 {
		return 0, fmt.Errorf("redis at %s: a key %s of the store is missing, was something deleted?", c.addr, kindFence)
	}
	n, err := rs[1].ToInt64()
	if err != nil {
		return 0, explain(c.addr, err)
	}
	return int(n), nil
}

// await waits on for tasks that not enough replicas followed yet. How many are
// needed is found out anew all the time: more may follow now than was known, or
// one may have been forgotten.
func (c *session) await(late []*task, acked int) {
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
			finish(late, fmt.Errorf("redis at %s: %d of %d replicas answered within %v%s: %w", c.addr, acked, need, c.h.s.opts.Timeout, c.h.missing(c.addr, c.repl.online), errReplicas))
			return
		}
		if acked, c.broken = c.wait(late[0].op.vbucket(), need); c.broken != nil {
			finish(late, c.broken)
			return
		}
	}
}

// wait makes a round trip of nothing but a fence.
func (c *session) wait(vb, need int) (acked int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.h.s.opts.Timeout)
	defer cancel()
	b := &batch{c: c}
	b.fence(vb, need)
	return c.after(c.conn.DoMulti(ctx, b.cmds...), need)
}

// batch is the commands of one round trip.
type batch struct {
	c    *session
	cmds []rueidis.Completed
}

func (b *batch) add(words ...string) { b.cmds = append(b.cmds, b.c.client.cmd(words...)) }

// script adds a call of a script, and the script if the server has lost it.
func (b *batch) script(sc script, keys []string, args []string) {
	if b.c.bare {
		b.add("SCRIPT", "LOAD", sc.source)
		b.c.bare = false
	}
	call := b.c.client.B().Arbitrary("EVALSHA", sc.sha, strconv.Itoa(len(keys))).Keys(keys...).Args(args...)
	b.cmds = append(b.cmds, call.Build())
}

// fence ends a round: a write, if replicas are to be waited for, and the wait.
// The write is one that a server which is out of memory still takes. Who
// follows is asked last, so that whoever answered is among them.
func (b *batch) fence(vb, need int) {
	if need > 0 {
		b.add("PEXPIREAT", b.c.h.s.key(vb, kindFence), farFuture)
		wait := b.c.client.B().Arbitrary("WAIT").Args(strconv.Itoa(need), strconv.FormatInt(b.c.h.s.glance().Milliseconds(), 10))
		b.cmds = append(b.cmds, wait.Blocking())
	}
	b.add("INFO", "replication")
}

// farFuture is a time in milliseconds that does not come.
const farFuture = "9999999999999"

// replies are the answers to the commands of one task.
type replies struct{ rs []rueidis.RedisResult }

// last returns the answer to the last command, and the first error of all.
func (r replies) last() (rueidis.RedisMessage, error) {
	for _, x := range r.rs[:len(r.rs)-1] {
		if err := x.Error(); err != nil && !rueidis.IsRedisNil(err) {
			return rueidis.RedisMessage{}, err
		}
	}
	m, err := r.rs[len(r.rs)-1].ToMessage()
	if rueidis.IsRedisNil(err) {
		err = nil
	}
	return m, err
}
