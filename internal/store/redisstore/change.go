package redisstore

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/tabaproject/taba/internal/store"
)

// changeOp changes a vbucket on condition that it is still what was decided
// on, and decides again if it is not.
type changeOp struct {
	s        *Store
	vb       int
	lvl      level
	sources  []store.SourceID // whose rows are needed
	everyone bool             // the rows of all Sources are needed
	// decide makes a plan. It is called again after somebody else's change and
	// must begin anew.
	decide func(b *cache, p *plan) error

	all      map[store.SourceID]store.Row // if everyone: as of allToken
	allToken token

	plan   *plan
	asking bool // the commands in flight only read
	failed error
	bodies int // that the commands in flight hand over
	bytes  int // of these
	epoch  store.Epoch
	stable bool
}

// plan is what is to be changed.
type plan struct {
	state   state
	rows    map[store.SourceID]store.Row // to set
	forget  []store.SourceID             // rows to drop
	entries []*entry
}

// entry is a new log entry.
type entry struct {
	head          head
	outline, body []byte
	staged        string // key of what was handed over; empty: nothing was
}

// newToken returns a token that nobody ever had.
func newToken() (t token) {
	_, _ = rand.Read(t[:]) // never fails
	return t
}

func newPlan(b *cache) *plan {
	p := &plan{state: b.state, rows: map[store.SourceID]store.Row{}}
	p.state.token = newToken()
	return p
}

// add puts an entry after the last one.
func (p *plan) add(e *entry) store.Position {
	whole := e.head.entry
	whole.Body = e.body
	at := p.state.end.Next(&whole)
	h := &e.head
	h.entry.Position = at
	h.outline, h.body = uint64(len(e.outline)), uint64(len(e.body))
	h.events = p.state.end.events + h.entry.Events
	h.bytes = p.state.end.bytes + h.outline + h.body + entryOverhead
	p.state.end = mark{Position: at, events: h.events, bytes: h.bytes}
	p.entries = append(p.entries, e)
	return at
}

// entryOverhead is what an entry takes besides its body and outline, about.
const entryOverhead = 64

func (o *changeOp) vbucket() int { return o.vb }
func (o *changeOp) level() level { return o.lvl }

func (o *changeOp) commands(b *batch) {
	c := b.c.vb(o.vb)
	o.bodies, o.bytes = 0, 0
	if o.asking = !c.knows(o.sources) || o.everyone && (o.all == nil || o.allToken != c.state.token); o.asking {
		o.ask(b)
		return
	}
	expected := c.state.token
	p := newPlan(c)
	if o.failed = o.decide(c, p); o.failed != nil {
		b.add("PING") // an operation has at least one answer
		return
	}
	o.plan = p
	o.write(b, expected)
	c.apply(p)
}

// knows reports whether a state and the rows of Sources are known.
func (b *cache) knows(ids []store.SourceID) bool {
	for _, id := range ids {
		if _, ok := b.rows[id]; !ok {
			return false
		}
	}
	return b.valid
}

// apply takes a plan for done: what follows in the same round trip builds on
// it, and is refused if it is not.
func (b *cache) apply(p *plan) {
	if len(b.rows)+len(p.rows) > maxRows {
		clear(b.rows)
	}
	b.state = p.state
	for id, row := range p.rows {
		b.rows[id] = &row
	}
	for _, id := range p.forget {
		b.rows[id] = nil
	}
}

// ask reads the state, and rows with it.
func (o *changeOp) ask(b *batch) {
	b.add("MULTI")
	b.add("GET", o.s.key(o.vb, kindState))
	switch {
	case o.everyone:
		b.add("HGETALL", o.s.key(o.vb, kindRows))
	case len(o.sources) > 0:
		words := []string{"HMGET", o.s.key(o.vb, kindRows)}
		for _, id := range o.sources {
			words = append(words, rowField(id))
		}
		b.add(words...)
	}
	b.add("EXEC")
}

// write hands bodies over and calls the script.
func (o *changeOp) write(b *batch, expected token) {
	keys := []string{o.s.key(o.vb, kindState), o.s.key(o.vb, kindRows), o.s.key(o.vb, kindHeads)}
	args := []string{string(expected[:]), o.plan.state.encode()}
	args = append(args, strconv.Itoa(len(o.sources)), strconv.Itoa(len(o.plan.rows)), strconv.Itoa(len(o.plan.forget)), strconv.Itoa(len(o.plan.entries)))
	for _, id := range o.sources {
		args = append(args, rowField(id))
	}
	for id, row := range o.plan.rows {
		args = append(args, rowField(id), encodeRow(row))
	}
	for _, id := range o.plan.forget {
		args = append(args, rowField(id))
	}
	for _, e := range o.plan.entries {
		args = append(args, e.head.encode())
		if e.head.entry.Kind == store.KindPartials {
			o.stage(b, e)
			keys = append(keys, e.staged, o.s.entryKey(o.vb, e.head.entry.Position.Offset))
		}
	}
	b.script(changeScript, keys, args)
}

// stage hands an entry over under a name of its own, once.
func (o *changeOp) stage(b *batch, e *entry) {
	if e.staged != "" {
		return
	}
	var name [stageLen]byte
	_, _ = rand.Read(name[:]) // never fails
	o.bodies++
	o.bytes += len(e.outline) + len(e.body)
	e.staged = o.s.key(o.vb, kindStage) + hex.EncodeToString(name[:])
	b.add("HSET", e.staged, fieldOutline, rueidis.BinaryString(e.outline), fieldBody, rueidis.BinaryString(e.body))
	b.add("PEXPIRE", e.staged, strconv.FormatInt(stageTimeouts*o.s.opts.Timeout.Milliseconds(), 10))
}

// stageTimeouts is how long what was handed over and never linked stays.
const stageTimeouts = 10

// handed implements change.
func (o *changeOp) handed() (bodies, bytes int, ok bool) {
	return o.bodies, o.bytes, !o.asking && o.failed == nil
}

// undone implements change.
func (o *changeOp) undone(c *session) {
	for _, e := range o.plan.entries {
		e.staged = ""
	}
	c.vb(o.vb).forget()
}

func (o *changeOp) replies(c *session, r replies) (again bool, err error) {
	b := c.vb(o.vb)
	if o.failed != nil {
		return false, o.failed
	}
	m, err := r.last()
	if err != nil {
		b.forget()
		return c.reload(err)
	}
	if o.asking {
		return true, o.learn(b, m)
	}
	list, err := m.ToArray()
	if err != nil || len(list) == 0 {
		b.forget()
		return false, errors.Join(errValue, err)
	}
	switch done, _ := list[0].ToInt64(); {
	case done == 1:
		o.epoch, o.stable = c.epoch(o.plan.state.birth), c.stable()
		return false, nil
	case done == 2:
		for _, e := range o.plan.entries {
			e.staged = ""
		}
		b.forget()
	case len(list) < 2 || list[1].IsNil():
		return false, o.lost(c)
	default:
		st, err := list[1].ToString()
		if err != nil {
			return false, err
		}
		return true, b.learn(st, o.sources, list[2:])
	}
	return true, nil
}

// lost says that a vbucket is not there.
func (o *changeOp) lost(c *session) error {
	return fmt.Errorf("redis at %s: vbucket %d is missing, the server has lost data; bring it back from a replica or a backup", c.addr, o.vb)
}

// learn takes what ask has read.
func (o *changeOp) learn(b *cache, m rueidis.RedisMessage) error {
	list, err := m.ToArray()
	if err != nil {
		return err
	}
	if list[0].IsNil() {
		return fmt.Errorf("vbucket %d is missing, the server has lost data; bring it back from a replica or a backup", o.vb)
	}
	st, err := list[0].ToString()
	if err != nil {
		return err
	}
	if !o.everyone {
		var rows []rueidis.RedisMessage
		if len(list) > 1 {
			rows, err = list[1].ToArray()
		}
		return errors.Join(err, b.learn(st, o.sources, rows))
	}
	rows, err := list[1].AsStrMap()
	if err = errors.Join(err, b.learn(st, nil, nil)); err != nil {
		return err
	}
	o.all, o.allToken = make(map[store.SourceID]store.Row, len(rows)), b.state.token
	for field, value := range rows {
		var id store.SourceID
		err := id.UnmarshalBinary([]byte(field))
		if err == nil {
			o.all[id], err = decodeRow(value)
		}
		if err != nil {
			return fmt.Errorf("a field of %s: %w", o.s.key(o.vb, kindRows), err)
		}
	}
	return nil
}
