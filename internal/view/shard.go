package view

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tabaproject/taba/internal/store"
)

// shard follows one vbucket.
type shard struct {
	v     *View
	vb    int
	catch turns      // follow, one at a time
	fill  sync.Mutex // one query at a time reads cold tabs: the others find them hot

	trouble atomic.Pointer[error] // why the log could not be read the last time
	probed  atomic.Bool           // it is being tried again

	indexes sync.Mutex // one query at a time makes an index

	mu      sync.RWMutex // guards what follows; not held while the store is read
	dir     *directory
	started bool // dir holds what was in the store at pos
	pos     store.Position
	history uint64 // counts how often the shard started again

	decode scratch // of the run of catch
}

func newShard(v *View, vb int) *shard {
	s := &shard{v: v, vb: vb, dir: newDirectory(v.reg)}
	s.catch.run = s.follow
	return s
}

// catchUp brings the directory and all that is hot to the end that the log
// had when catchUp was called, or further.
func (s *shard) catchUp(ctx context.Context) error { return s.catch.do(ctx) }

// maxRestarts is how often follow starts again before it gives up: once is
// enough unless the log diverges or is trimmed at every single step.
const maxRestarts = 8

func (s *shard) follow(ctx context.Context) error {
	for range maxRestarts {
		err := s.step(ctx)
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrDiverged) {
			return fmt.Errorf("vbucket %d: read the log: %w", s.vb, err)
		}
		s.v.restarts.Add(1)
		s.mu.Lock()
		s.started = false
		s.mu.Unlock()
	}
	return fmt.Errorf("vbucket %d: %w again and again", s.vb, store.ErrDiverged)
}

// step reads what is new, or everything if the shard has to start again.
func (s *shard) step(ctx context.Context) error {
	s.mu.RLock()
	started, pos := s.started, s.pos
	s.mu.RUnlock()
	if !started {
		return s.start(ctx)
	}
	_, err := s.pages(ctx, store.LoadRequest{After: pos}, func(l *store.Loaded) {
		for i := range l.Entries {
			s.apply(&l.Entries[i])
		}
	})
	return err
}

// pages calls use with what req asks for and with the rest of the log, a page
// at a time, and returns the end.
func (s *shard) pages(ctx context.Context, req store.LoadRequest, use func(*store.Loaded)) (store.Position, error) {
	return pages(ctx, s.v.st, s.vb, s.v.page, req, use)
}

func pages(ctx context.Context, st store.Store, vb int, size int64, req store.LoadRequest, use func(*store.Loaded)) (store.Position, error) {
	req.MaxBytes = size
	for {
		l, err := st.Load(ctx, vb, req)
		if err != nil {
			return store.Position{}, err
		}
		use(l)
		if !l.More {
			return l.End, nil
		}
		req.After, req.Records = l.End, store.NoRecords
	}
}

// start builds the directory from the records and the whole log. Entries that
// a record has folded already say the same again, even a deletion: whatever
// came after it is in the log too.
func (s *shard) start(ctx context.Context) error {
	fresh := newDirectory(s.v.reg)
	end, err := s.pages(ctx, store.LoadRequest{Records: store.DirectoryOnly}, func(l *store.Loaded) {
		for i := range l.Records {
			fresh.load(&l.Records[i])
		}
		for i := range l.Entries {
			s.enter(fresh, &l.Entries[i])
		}
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.dir.tabs {
		for _, k := range t.kinds {
			s.v.hots.unlink(k.hot)
		}
	}
	s.dir, s.pos, s.started = fresh, end, true
	s.history++
	return nil
}

// apply brings the shard one entry further.
func (s *shard) apply(e *store.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enter(s.dir, e)
	s.pos = e.Position
}

// enter applies an entry to a directory and to what is hot in it.
func (s *shard) enter(d *directory, e *store.Entry) {
	switch e.Kind {
	case store.KindPartials:
		s.partials(d, e)
	case store.KindDelete:
		for _, n := range e.Command.Names {
			s.remove(d, n)
		}
	case store.KindPrune:
		for _, t := range d.tabs {
			for _, k := range t.kinds {
				s.prune(k.hot, e)
			}
		}
	}
}

func (s *shard) partials(d *directory, e *store.Entry) {
	r := store.NewBodyReader(e.Body)
	for r.NextTab() {
		k := d.kind(&r.Tab)
		if k == nil {
			k = d.add(r.Tab.Tab(), e.Position.Offset)
		}
		if k != k.tab.kinds[0] {
			s.v.conflicts.Add(r.Tab.Events)
		}
		s.tab(d, k, &r, e.Position.Offset)
	}
	if err := r.Err(); err != nil {
		s.v.log.Error("an entry of the log is malformed, the rest of it is left out",
			"vbucket", s.vb, "entry", e.Position.Offset, "err", err)
	}
}

// tab takes in the Partials of one tab.
func (s *shard) tab(d *directory, k *kind, r *store.BodyReader, offset uint64) {
	var c *content
	if h := k.hot; h != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		defer s.v.hots.account(h)
		if h.content.begin(offset) {
			c = h.content
		}
	}
	for r.NextPartial() {
		d.addClient(k, r.Partial.Client)
		if c != nil && !c.partial(&r.Partial, &s.decode) {
			s.v.setAside(c.tab, r.Partial.Client, r.Partial.Events)
		}
	}
}

func (s *shard) remove(d *directory, n store.TabName) {
	t := d.tabs[n]
	if t == nil {
		return
	}
	for _, k := range slices.Clone(t.kinds) {
		s.v.hots.unlink(k.hot)
		d.remove(k)
	}
}

func (s *shard) prune(h *hot, e *store.Entry) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.content.at < e.Position.Offset {
		h.content.prune(e.Command.At)
		h.content.at = e.Position.Offset
	}
	s.v.hots.account(h)
}

// typeOf answers from the directory.
func (s *shard) typeOf(n store.TabName) (string, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t := s.dir.tabs[n]; t != nil {
		if k := t.answer(); k != nil {
			return k.typ, true
		}
	}
	return "", false
}
