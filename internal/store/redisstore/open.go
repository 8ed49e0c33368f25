package redisstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/rueidis"

	"github.com/tabaproject/taba/internal/store"
)

// Open opens the store that Options name. Where there is none it makes one,
// unless Options.Expect says that there should be.
func Open(ctx context.Context, o Options) (*Store, error) {
	if len(o.Addrs) == 0 {
		return nil, errors.New("the store has no address")
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	s := newStore(o.withDefaults())
	if err := s.open(ctx); err != nil {
		s.end()
		return nil, err
	}
	s.work.Go(s.watch)
	s.work.Go(s.lookForStrangers)
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeouts*s.opts.Timeout)
	defer cancel()
	// What the store is cut into says the first vbucket.
	v := s.opts.VBuckets
	if v == 0 {
		v = s.implied()
	}
	s.cut(v)
	if err := s.refresh(); err != nil {
		return err
	}
	m, found, err := s.stored(ctx, 0)
	if err != nil {
		return err
	}
	if err := s.expected(m, found); err != nil {
		return err
	}
	if found {
		if s.opts.VBuckets > 0 && m.Partition.VBuckets != s.opts.VBuckets {
			return fmt.Errorf("the setting vbuckets is %d, the store was created with %d: set it to %d, or leave it out", s.opts.VBuckets, m.Partition.VBuckets, m.Partition.VBuckets)
		}
		if err := s.opts.ranges(m.Partition.VBuckets); err != nil {
			return err
		}
		s.cut(m.Partition.VBuckets)
		if err := s.refresh(); err != nil {
			return err
		}
	} else {
		m.Meta = store.NewMeta(s.vbuckets, s.opts.Now())
		m.Format = format
	}
	if err := s.fitAll(ctx); err != nil {
		return err
	}
	if !m.complete {
		if m, err = s.create(ctx, m, found); err != nil {
			return err
		}
	}
	s.meta = m.Meta
	s.opts.Logger.Info("the store is open", "identity", fmt.Sprintf("%x", m.ID), "vbuckets", m.Partition.VBuckets)
	s.opened.Store(true)
	return s.greetAll(ctx)
}

// openTimeouts is how many answers an opening may have to wait for.
const openTimeouts = 4

// implied is the number of vbuckets that the ranges of masters say, or 16.
func (s *Store) implied() int {
	v := 0
	for _, m := range s.opts.Masters {
		v = max(v, m.Last+1)
	}
	if v == 0 {
		return defaultVBuckets
	}
	return v
}

// expected compares what is there with what is expected.
func (s *Store) expected(m meta, found bool) error {
	want := s.opts.Expect
	switch {
	case want == "":
		return nil
	case !found:
		return fmt.Errorf("expect: store %s is not there, the server is empty; bring it back from a replica or a backup, as docs/operations.md says under Restore, or leave expect out to begin a new store", want)
	case fmt.Sprintf("%x", m.ID) != want:
		return fmt.Errorf("expect: the store is %x, not %s", m.ID, want)
	}
	return nil
}

// stored reads the description of a vbucket.
func (s *Store) stored(ctx context.Context, vb int) (m meta, found bool, err error) {
	h := s.shard(vb)
	p := h.place.Load()
	if p.err != nil {
		return m, false, p.err
	}
	c, err := s.asked(ctx, p.addr, s.login())
	if err != nil {
		return m, false, err
	}
	text, err := c.Do(ctx, c.cmd("GET", s.key(vb, kindMeta))).ToString()
	if rueidis.IsRedisNil(err) {
		return m, false, nil
	}
	if err != nil {
		return m, false, explain(p.addr, err)
	}
	m, err = decodeMeta(text)
	if err != nil {
		err = fmt.Errorf("redis at %s: %s: %w", p.addr, s.key(vb, kindMeta), err)
	}
	return m, true, err
}

// fitAll checks the servers before anything is written to them.
func (s *Store) fitAll(ctx context.Context) error {
	var errs []error
	for _, h := range s.all() {
		p := h.place.Load()
		if p == nil {
			continue
		}
		err := p.err
		if err == nil {
			var c *client
			if c, err = s.asked(ctx, p.addr, s.login()); err == nil {
				err = s.checkServer(ctx, c, p.addr, p.vbs)
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// create makes the vbuckets that are not there, the first one first and then
// completes it. Several servers may do so at once; the first one's description
// is everybody's. found: somebody began.
func (s *Store) create(ctx context.Context, m meta, found bool) (meta, error) {
	if !found {
		for vb := 1; vb < s.vbuckets; vb++ {
			other, there, err := s.stored(ctx, vb)
			if err != nil {
				return m, err
			}
			if there {
				return m, fmt.Errorf("vbucket 0 is missing, though vbucket %d of store %x is there: a server has lost its data, bring it back from a replica or a backup, as docs/operations.md says under Restore", vb, other.ID)
			}
		}
	}
	for vb := range s.vbuckets {
		o := &createOp{s: s, vb: vb, meta: m}
		if err := s.do(ctx, o); err != nil {
			return m, err
		}
		if vb == 0 {
			m = o.found
			if m.Partition.VBuckets != s.vbuckets {
				return m, fmt.Errorf("the store is being created with %d vbuckets by another server, not with %d: start again", m.Partition.VBuckets, s.vbuckets)
			}
		} else if o.found.Meta != m.Meta {
			return m, fmt.Errorf("vbucket %d is of store %x, not of store %x: name each store's own servers, or another prefix", vb, o.found.ID, m.ID)
		}
	}
	m.complete = true
	return m, s.do(ctx, &setOp{vb: 0, key: s.key(0, kindMeta), value: m.encode()})
}

// greetAll makes sure that every server holds what it should, and remembers
// the last pass of garbage collection.
func (s *Store) greetAll(ctx context.Context) error {
	var errs []error
	for _, h := range s.all() {
		// Replicas may be away: a server starts all the same.
		err := h.examine(ctx)
		if !errors.Is(err, errReplicas) {
			errs = append(errs, err)
		}
		if !h.synced.Load() && err == nil {
			s.opts.Logger.Warn("appendfsync is not always, or may not be asked for: killed and back at once, a server may lack what it answered last", "server", h.name)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return s.passes.observe(ctx, s)
}

// createOp makes a vbucket unless it is there.
type createOp struct {
	s     *Store
	vb    int
	meta  meta
	found meta
}

func (o *createOp) vbucket() int { return o.vb }
func (o *createOp) level() level { return every }

func (o *createOp) commands(b *batch) {
	st := state{token: newToken(), horizons: store.NewHorizons(o.meta.Created), birth: b.c.repl.id}
	l := ledger{}
	var keys []string
	for _, kind := range []string{kindMeta, kindState, kindLedger, kindFence, kindRows, kindHeads, kindGraves, kindRecords} {
		keys = append(keys, o.s.key(o.vb, kind))
	}
	b.script(createScript, keys, []string{o.meta.encode(), st.encode(), l.encode()})
}

func (o *createOp) replies(c *session, r replies) (bool, error) {
	m, err := r.last()
	if err != nil {
		return c.reload(err)
	}
	list, err := m.ToArray()
	if err != nil || len(list) != 2 {
		return false, errors.Join(errValue, err)
	}
	text, err := list[1].ToString()
	if err != nil {
		return false, err
	}
	if made, _ := list[0].ToInt64(); made == 2 {
		return false, fmt.Errorf("redis at %s: the key %q is there, but no store: it was left alone; remove it, or name another prefix", c.addr, text)
	}
	o.found, err = decodeMeta(text)
	return false, err
}

// setOp writes one value.
type setOp struct {
	vb         int
	key, value string
}

func (o *setOp) vbucket() int      { return o.vb }
func (o *setOp) level() level      { return every }
func (o *setOp) commands(b *batch) { b.add("SET", o.key, o.value) }
func (o *setOp) replies(_ *session, r replies) (bool, error) {
	_, err := r.last()
	return false, err
}

// reload lets an operation try again if the server has lost its scripts.
func (c *session) reload(err error) (again bool, _ error) {
	if e, ok := rueidis.IsRedisErr(err); ok && e.IsNoScript() {
		c.bare = true
		return true, nil
	}
	return false, err
}
