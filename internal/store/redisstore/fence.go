package redisstore

import (
	"fmt"
	"strconv"

	"github.com/redis/rueidis"
)

// fence is what ends a round trip: a write, if replicas are to be waited for,
// the wait, and the question whether the server is still the one that it was.
type fence struct {
	need   int  // replicas that must have the write
	synced bool // they and the master must have synced it, too
	again  bool // the write was made before: it is only waited for
}

// fence waits for replicas, and for their disks where it can and commits are
// synced at once: where they are not it would wait a second for most of them.
func (c *session) fence(need int) fence {
	return fence{need: need, synced: c.counts && c.h.synced.Load()}
}

// fence adds one. The write is one that a server which is out of memory still
// takes. Who follows is asked last, so that whoever answered is among them.
func (b *batch) fence(f fence, vb int) {
	if f.need > 0 {
		if !f.again {
			b.add("PEXPIREAT", b.c.h.s.key(vb, kindFence), farFuture)
		}
		b.wait(f)
	}
	b.add("INFO", "replication")
}

// farFuture is a time in milliseconds that does not come.
const farFuture = "9999999999999"

// wait waits for replicas, then for their disks. A replica tells what it has
// synced when it is asked, which is before it syncs what came with the question,
// and else once a second. As WAIT asks first, WAITAOF asks when that is done:
// alone it would take until the second is over (BenchmarkWait).
func (b *batch) wait(f fence) {
	need, patience := strconv.Itoa(f.need), strconv.FormatInt(b.c.h.s.glance().Milliseconds(), 10)
	block := func(words ...string) {
		b.cmds = append(b.cmds, b.c.client.B().Arbitrary(words...).Blocking())
	}
	block("WAIT", need, patience)
	if f.synced {
		block("WAITAOF", "1", need, patience)
	}
}

// read reads the answers to a fence: how many replicas have what it asks for.
func (f fence) read(c *session, rs []rueidis.RedisResult) (acked int, err error) {
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
	if f.need == 0 {
		return 0, nil
	}
	if !f.again {
		touched, err := rs[0].ToInt64()
		if err != nil {
			return 0, explain(c.addr, err)
		}
		if touched == 0 {
			return 0, fmt.Errorf("redis at %s: a key %s of the store is missing, was something deleted?", c.addr, kindFence)
		}
		rs = rs[1:]
	}
	return f.count(c, rs)
}

// count reads the answers to WAIT and WAITAOF.
func (f fence) count(c *session, rs []rueidis.RedisResult) (acked int, err error) {
	n, err := rs[0].ToInt64()
	if err != nil {
		return 0, explain(c.addr, err)
	}
	c.follow = int(n)
	acked = c.follow
	if f.synced {
		both, err := rs[1].AsIntSlice()
		if err != nil {
			return 0, explain(c.addr, err)
		}
		if len(both) != 2 || both[0] < 1 { // the master itself has not synced
			return 0, nil
		}
		acked = int(both[1])
	}
	if acked >= f.need {
		c.h.behind.Store(nil)
	}
	return acked, nil
}
