package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/tabaproject/taba/internal/store"
)

// Compact implements store.Store. It watches the ledger, which every
// compaction writes, reads what it decides on, and writes provided that nobody
// else has compacted meanwhile; else it begins again. It waits for no replica:
// a compaction that is lost was never needed.
func (s *Store) Compact(ctx context.Context, vb int, updates []store.Update, trim store.Position) (store.Compacted, error) {
	if err := s.beginVB(ctx, vb); err != nil {
		return store.Compacted{}, err
	}
	defer s.life.RUnlock()
	for {
		done, ok, err := s.compact(ctx, vb, updates, trim)
		if errors.Is(err, errMoved) {
			_ = s.refresh() // an error will be met again
		}
		if errors.Is(err, errRaced) {
			continue
		}
		if err != nil || ok {
			return done, err
		}
	}
}

// compact tries once.
func (s *Store) compact(ctx context.Context, vb int, updates []store.Update, trim store.Position) (done store.Compacted, ok bool, err error) {
	h := s.shard(vb)
	h.folds.Lock()
	defer h.folds.Unlock()
	p := h.place.Load()
	if p == nil {
		return done, false, fmt.Errorf("%w: vbucket %d", errMoved, vb)
	}
	if err := errors.Join(p.err, h.fit()); err != nil {
		return done, false, err
	}
	cl, err := s.asked(ctx, p.addr, s.login())
	if err != nil {
		return done, false, err
	}
	conn, release := cl.Dedicate()
	defer release()
	c := newCompaction(ctx, s, vb, cl, conn)
	done, ok, err = c.run(updates, trim)
	if err != nil {
		_ = conn.Do(ctx, cl.cmd("UNWATCH")).Error() // or the connection is broken, which is seen next
		s.forgetIfGone(ctx, p.addr, cl)
		return store.Compacted{}, false, explainAll(p.addr, err)
	}
	return done, ok, nil
}

// explainAll explains an error if it is of Redis.
func explainAll(addr string, err error) error {
	if _, ok := rueidis.IsRedisErr(err); ok {
		return explain(addr, err)
	}
	return fmt.Errorf("redis at %s: %w", addr, err)
}

// compaction is one call of Compact. What is decided later sees what was
// decided before: it changes what was read.
type compaction struct {
	ctx    context.Context
	s      *Store
	vb     int
	cl     *client
	conn   rueidis.DedicatedClient
	ledger ledger
	end    uint64
	heads  map[store.Position]bool // whether the log has an entry
	of     map[string]records      // by name
	graves map[string]uint64       // by tab
	dirs   map[string]directory    // by name
	writes [][]string
}

// directory is the clients of a name, by Type and client: those that were
// asked for.
type directory map[string]clientEntry

func newCompaction(ctx context.Context, s *Store, vb int, cl *client, conn rueidis.DedicatedClient) *compaction {
	return &compaction{
		ctx: ctx, s: s, vb: vb, cl: cl, conn: conn,
		heads: map[store.Position]bool{}, of: map[string]records{}, graves: map[string]uint64{}, dirs: map[string]directory{},
	}
}

// ask does commands in one round trip.
func (c *compaction) ask(words [][]string) (answers, error) {
	if len(words) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.s.opts.Timeout)
	defer cancel()
	cmds := make([]rueidis.Completed, len(words))
	for i, w := range words {
		cmds[i] = c.cl.cmd(w...)
	}
	a := make(answers, len(words))
	for i, r := range c.conn.DoMulti(ctx, cmds...) {
		if err := r.Error(); err != nil && !rueidis.IsRedisNil(err) {
			return nil, err
		}
		a[i], _ = r.ToMessage() // nil is an answer
	}
	return a, nil
}

func (c *compaction) key(kind string) string { return c.s.key(c.vb, kind) }

func (c *compaction) run(updates []store.Update, trim store.Position) (done store.Compacted, ok bool, err error) {
	if err := c.read(updates); err != nil {
		return done, false, err
	}
	if err := c.look(updates, trim); err != nil {
		return done, false, err
	}
	before := c.ledger
	for i := range updates {
		if c.update(&updates[i]) {
			done.Applied++
		} else {
			done.Stale++
		}
	}
	if err := c.trimTo(trim); err != nil {
		return done, false, err
	}
	done.Trim = c.ledger.trim
	if c.ledger == before && len(c.writes) == 0 {
		_, err := c.ask([][]string{{"UNWATCH"}})
		return done, true, err
	}
	ok, err = c.write()
	return done, ok, err
}

// read reads the ledger and what there is of the tabs to be updated.
func (c *compaction) read(updates []store.Update) error {
	names, fields, whole := wanted(updates)
	ask := [][]string{
		{"WATCH", c.key(kindLedger)},
		{"GET", c.key(kindLedger)}, {"GET", c.key(kindState)}, {"HGETALL", c.key(kindGraves)},
		append([]string{"HMGET", c.key(kindRecords)}, append(names, "")...),
	}
	for _, n := range names {
		key := c.key(kindClients) + n
		if whole[n] {
			ask = append(ask, []string{"HGETALL", key})
		} else {
			ask = append(ask, append([]string{"HMGET", key}, append(fields[n], "")...))
		}
	}
	a, err := c.ask(ask)
	if err != nil {
		return err
	}
	if c.ledger, err = a.ledger(1); err != nil {
		return err
	}
	st, err := a.state(2)
	if err != nil {
		return err
	}
	c.end = st.end.Offset
	graves, err := a.fields(3)
	for t, v := range graves {
		if c.graves[t], err = decodeGrave(v); err != nil {
			break
		}
	}
	if err != nil {
		return err
	}
	if c.of, err = a.recordsOf(4, append(names, "")); err != nil {
		return err
	}
	for i, n := range names {
		if c.dirs[n], err = a.directory(5+i, fields[n], whole[n]); err != nil {
			return err
		}
	}
	return nil
}

// wanted lists the names of updates and the clients of each to be looked up;
// whole: all of them.
func wanted(updates []store.Update) (names []string, fields map[string][]string, whole map[string]bool) {
	fields, whole = map[string][]string{}, map[string]bool{}
	for i := range updates {
		u := &updates[i]
		n := nameText(nameOf(u.Tab))
		names = append(names, n)
		whole[n] = whole[n] || u.Reset || u.Remove
		for _, cs := range u.Clients {
			fields[n] = append(fields[n], clientField(u.Tab.Type, cs.Client))
		}
	}
	return sorted(names), fields, whole
}

// directory reads clients of a name. Asked for one by one, there is one more,
// which is none: a command needs a field.
func (a answers) directory(i int, fields []string, whole bool) (directory, error) {
	d := directory{}
	all := map[string]string{}
	var err error
	if whole {
		all, err = a.fields(i)
	} else {
		var list []rueidis.RedisMessage
		list, err = a[i].ToArray()
		for n, f := range fields {
			if n < len(list) && !list[n].IsNil() {
				all[f], _ = list[n].ToString() // it is not nil
			}
		}
	}
	for f, v := range all {
		if d[f], err = decodeClient(v); err != nil {
			break
		}
	}
	return d, err
}

// look finds out which positions are entries of the log.
func (c *compaction) look(updates []store.Update, trim store.Position) error {
	var at []store.Position
	for i := range updates {
		at = append(at, updates[i].New)
	}
	at = append(at, trim)
	slices.SortFunc(at, func(a, b store.Position) int { return compare(a.Offset, b.Offset) })
	at = slices.DeleteFunc(slices.Compact(at), func(p store.Position) bool {
		return p.Offset <= c.ledger.trim.Offset || p.Offset > c.end
	})
	ask := make([][]string, len(at))
	for i, p := range at {
		ask[i] = []string{"LINDEX", c.key(kindHeads), strconv.FormatUint(p.Offset-c.ledger.trim.Offset-1, 10)}
	}
	a, err := c.ask(ask)
	if err != nil {
		return err
	}
	for i, p := range at {
		v, found, err := a.text(i)
		if err != nil {
			return err
		}
		var h head
		if found {
			if err := h.decode(v); err != nil {
				return err
			}
		}
		c.heads[p] = found && h.entry.Position == p
	}
	c.heads[c.ledger.trim] = true
	return nil
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// write writes everything, provided that nobody else has compacted.
func (c *compaction) write() (ok bool, err error) {
	words := append([][]string{{"MULTI"}}, c.writes...)
	words = append(words, []string{"SET", c.key(kindLedger), c.ledger.encode()}, []string{"EXEC"})
	a, err := c.ask(words)
	if err != nil {
		return false, err
	}
	exec := a[len(a)-1]
	if exec.IsNil() {
		return false, nil
	}
	list, err := exec.ToArray()
	for i := range list {
		if e := list[i].Error(); e != nil && !rueidis.IsRedisNil(e) {
			err = errors.Join(err, e)
		}
	}
	return true, err
}
