package redisstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/tabaproject/taba/internal/store"
)

// Store is the engine. See Open.
type Store struct {
	opts     Options
	meta     store.Meta
	vbuckets int
	keys     []string // per vbucket, what its keys begin with
	slots    []int    // per vbucket, its slot in a Cluster
	opened   atomic.Bool

	ctx    context.Context // ends when the store is closed
	cancel context.CancelFunc
	work   sync.WaitGroup
	asking singleflight.Group

	mu       sync.Mutex
	shards   map[string]*shard
	stopping bool
	route    atomic.Pointer[[]*shard] // per vbucket

	lost bool // it was reported that servers are not known where; of watch alone

	clientsMu sync.Mutex
	clients   map[string]*client // for questions, by address

	passes passes
	homes  homes // of the nodes of a Cluster

	life   sync.RWMutex // held for reading while a method runs
	closed bool
}

var _ store.Store = (*Store)(nil)

func newStore(o Options) *Store {
	s := &Store{opts: o, shards: map[string]*shard{}, clients: map[string]*client{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// cut says into how many vbuckets the store is cut.
func (s *Store) cut(vbuckets int) {
	s.vbuckets = vbuckets
	s.keys, s.slots = nil, nil
	for vb := range vbuckets {
		s.keys = append(s.keys, keyPrefix(s.opts.Prefix, vb))
		s.slots = append(s.slots, slot(vb))
	}
}

// Meta implements store.Store.
func (s *Store) Meta() store.Meta { return s.meta }

// epochOf is the epoch of a vbucket that was made on a server with the
// replication id birth and is on one with the replication id now.
func epochOf(id [16]byte, birth, now string) store.Epoch {
	if birth == now {
		return store.Epoch(id)
	}
	sum := sha256.Sum256(append(id[:], now...))
	return store.Epoch(sum[:len(id)])
}

// begin is called first by every method. If it returns nil the method must
// call s.life.RUnlock when it is done.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.life.RLock()
	if s.closed {
		s.life.RUnlock()
		return store.ErrClosed
	}
	return nil
}

// beginVB is begin for methods of one vbucket.
func (s *Store) beginVB(ctx context.Context, vb int) error {
	if vb < 0 || vb >= s.vbuckets {
		return fmt.Errorf("vbucket %d is not one of the store's %d", vb, s.vbuckets)
	}
	return s.begin(ctx)
}

// shard returns the shard of a vbucket.
func (s *Store) shard(vb int) *shard { return (*s.route.Load())[vb] }

// all returns every shard.
func (s *Store) all() []*shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.shards))
}

// do does an operation on its vbucket. It returns when the operation is done:
// the context can keep it from beginning, not end it, as what it was given is
// used until then.
func (s *Store) do(ctx context.Context, o op) error { return s.doAll(ctx, []op{o})[0] }

// doAll does operations, those of one server in one round trip. An operation
// that found its vbucket gone elsewhere, so that nothing was done, is done
// there.
func (s *Store) doAll(ctx context.Context, ops []op) []error {
	errs := make([]error, len(ops))
	begun := time.Now()
	left := make([]int, len(ops))
	for i := range left {
		left[i] = i
	}
	for pause := time.Millisecond; ; pause *= 2 {
		tasks := make([]*task, len(left))
		for n, i := range left {
			tasks[n] = s.shard(ops[i].vbucket()).start(ctx, ops[i])
		}
		var moved []int
		for n, i := range left {
			if errs[i] = <-tasks[n].done; errors.Is(errs[i], errMoved) {
				moved = append(moved, i)
			}
		}
		if len(moved) == 0 || ctx.Err() != nil || time.Since(begun) > s.opts.Timeout {
			return errs
		}
		_ = s.refresh() // an error will be met again
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		left = moved
	}
}

// Writable implements store.Store.
func (s *Store) Writable(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.life.RUnlock()
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	if err := s.refresh(); err != nil {
		return err
	}
	return s.examine(ctx)
}

// Shutdown implements store.Store.
func (s *Store) Shutdown() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.end()
	return nil
}

// end stops everything.
func (s *Store) end() {
	s.cancel()
	s.mu.Lock()
	s.stopping = true
	for _, h := range s.shards {
		close(h.stop)
	}
	s.mu.Unlock()
	s.work.Wait()
	s.clientsMu.Lock()
	defer s.clientsMu.Unlock()
	for _, c := range s.clients {
		c.close()
	}
}
