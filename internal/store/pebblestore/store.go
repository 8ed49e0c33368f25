package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/seglog"
)

// Store is the embedded engine. See Open.
type Store struct {
	opts Options
	meta store.Meta
	db   *pebble.DB
	lock *pebble.Lock
	g    *guard
	log  *seglog.Log
	vbs  []*vbucket

	members store.Roster // of this process alone
	commits commits
	upkeep  upkeep

	// horizons is written with every vbucket's lock held and read with one.
	horizons store.Horizons

	life   sync.RWMutex // held for reading while a method runs
	closed bool
	stuck  atomic.Bool // Pebble panicked: its locks may never be released
}

var _ store.Store = (*Store)(nil)

// vbucket is what is kept in memory of one vbucket.
type vbucket struct {
	id     int
	mu     sync.Mutex             // held by who appends, until the sync has returned
	end    mark                   // of the last entry, guarded by mu
	synced atomic.Pointer[mark]   // of the last entry whose sync has returned
	folds  sync.Mutex             // held by who compacts
	ledger atomic.Pointer[ledger] // as the last compaction left it
}

// mark is a place in a log, with what was appended up to it.
type mark struct {
	store.Position
	events uint64
	bytes  uint64
}

// Meta implements store.Store.
func (s *Store) Meta() store.Meta { return s.meta }

func (s *Store) epoch() store.Epoch { return store.Epoch(s.meta.ID) }

// begin is called first by every method. If it returns nil the method must
// call s.life.RUnlock when it is done.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.life.RLock()
	err := s.g.failure()
	if s.closed {
		err = store.ErrClosed
	}
	if err != nil {
		s.life.RUnlock()
	}
	return err
}

// beginVB is begin for methods of one vbucket.
func (s *Store) beginVB(ctx context.Context, vb int) (*vbucket, error) {
	if vb < 0 || vb >= len(s.vbs) {
		return nil, fmt.Errorf("vbucket %d is not one of the store's %d", vb, len(s.vbs))
	}
	return s.vbs[vb], s.begin(ctx)
}

// settle is the last step of every method: once the disk is cut off nothing
// that was read can be relied on, and what went wrong since is of no interest.
func (s *Store) settle(err error) error {
	if failure := s.g.failure(); failure != nil {
		return failure
	}
	return err
}

// apply applies a batch, which releases it, without making it durable. An error
// means that its fate is not known until the store is opened again.
func (s *Store) apply(b *pebble.Batch) (err error) {
	defer s.recovered(&err)
	if err := s.db.Apply(b, pebble.NoSync); err != nil {
		s.g.cut(err)
	}
	if err := s.g.failure(); err != nil {
		return err
	}
	return b.Close()
}

// recovered is deferred by what calls Pebble and may meet a panic of its.
func (s *Store) recovered(err *error) {
	if p := recover(); p != nil {
		s.stuck.Store(true)
		s.g.cut(fmt.Errorf("pebble panicked: %v", p))
		*err = s.g.failure()
	}
}

// flush makes all that was applied durable in Pebble's tables.
func (s *Store) flush() (err error) {
	defer s.recovered(&err)
	done, err := s.db.AsyncFlush()
	if err != nil {
		return s.settle(err)
	}
	select {
	case <-done:
	case <-s.g.off: // Pebble may try again for ever
	}
	return s.g.failure()
}

// Shutdown implements store.Store.
func (s *Store) Shutdown() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.upkeep.wait()
	if s.g.failure() == nil {
		_ = s.flush() // closeDB says what failed
	}
	return errors.Join(s.closeDB(), s.lock.Close())
}

// closeDB closes Pebble and the log. After a failure nothing it does reaches the disk, and
// what it then complains about is of no interest.
func (s *Store) closeDB() (err error) {
	s.upkeep.wait()
	failure := s.g.failure()
	if s.stuck.Load() {
		return failure
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("close the store in %s: %v", s.opts.Dir, p)
		}
		if failure != nil {
			err = failure
		}
	}()
	if s.log != nil {
		err = s.log.Close()
	}
	return errors.Join(err, s.db.Close())
}

// get reads a value and hands it to use, which must not keep it. It returns
// false if there is none.
func get(r pebble.Reader, key []byte, use func(value []byte) error) (bool, error) {
	v, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, errors.Join(use(v), closer.Close())
}

// scan visits the keys that begin with prefix, in order. What it hands out is
// valid during the visit.
func scan(ctx context.Context, r pebble.Reader, prefix []byte, visit func(key, value []byte) error) error {
	it, err := r.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return err
	}
	for it.First(); it.Valid() && err == nil; it.Next() {
		var v []byte
		if v, err = it.ValueAndErr(); err == nil {
			err = visit(it.Key(), v)
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}
