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
	counts  bool  // the server counts who has synced: WAITAOF
	follow  int   // replicas that answered last
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
	must := len(cmds)
	cmds = append(cmds, c.client.cmd(askSyncs...), c.client.cmd(askCounts...))
	rs := c.client.DoMulti(ctx, cmds...)
	for _, r := range rs[:must] {
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
	c.h.synced.Store(syncs(rs[must]))
	c.counts = c.h.countsSynced(rs[must+1])
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
	b := &batch{c: c, share: c.h.s.opts.transaction}
	tasks = b.take(tasks)
	most := none
	for _, t := range tasks {
		most = max(most, t.op.level())
	}
	f := c.fence(c.replicas(most))
	tail := len(b.cmds)
	b.fence(f, tasks[len(tasks)-1].op.vbucket())
	rs := c.conn.DoMulti(ctx, b.cmds...)
	acked, err := f.read(c, rs[tail:])
	if err != nil {
		c.broken = err
		finish(tasks, err)
		return nil
	}
	all, refused := b.repliesTo(rs)
	again, tasks = c.divide(tasks, refused)
	var late []*task // what they rest on has not reached enough replicas
	for _, t := range tasks {
		more, err := t.op.replies(c, replies{all[t.from:t.to]})
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
		c.await(late, acked, f)
	}
	return again
}

func (c *session) explain(err error) error {
	if _, ok := rueidis.IsRedisErr(err); ok {
		return explain(c.addr, err)
	}
	return err
}

// batch is the commands of one round trip.
type batch struct {
	c     *session
	cmds  []rueidis.Completed
	share shares // how many bytes of bodies share a transaction

	transactions []*transaction
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

// replies are the answers to the commands of one task.
type replies struct{ rs []reply }

// last returns the answer to the last command, and the first error of all.
func (r replies) last() (rueidis.RedisMessage, error) {
	for _, x := range r.rs[:len(r.rs)-1] {
		if x.err != nil && !rueidis.IsRedisNil(x.err) {
			return rueidis.RedisMessage{}, x.err
		}
	}
	x := r.rs[len(r.rs)-1]
	if rueidis.IsRedisNil(x.err) {
		x.err = nil
	}
	return x.RedisMessage, x.err
}
