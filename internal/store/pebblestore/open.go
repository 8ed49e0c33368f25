package pebblestore

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/store"
)

// Open opens the store in a directory, and makes one if there is none. One
// process at a time can have it open.
func Open(o Options) (*Store, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := makeDir(o.FS, o.Dir); err != nil {
		return nil, fmt.Errorf("open a store: make the directory %s: %w", o.Dir, err)
	}
	lock, err := pebble.LockDirectory(o.Dir, o.FS)
	if err != nil {
		return nil, fmt.Errorf("open the store in %s: it cannot be locked, is another process using it? %w", o.Dir, err)
	}
	s := &Store{opts: o, lock: lock, g: &guard{FS: o.FS, dir: o.Dir, off: make(chan struct{})}}
	if err = secureManifests(o.FS, o.Dir); err != nil {
		err = describe(o.Dir, err)
	} else {
		err = s.open()
	}
	if err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", o.Dir, errors.Join(err, lock.Close()))
	}
	return s, nil
}

func (s *Store) open() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("pebble panicked: %v", p)
		}
	}()
	s.g.onFirst = func(err error) { s.opts.Logger.Error("the store has stopped and must be opened again", "err", err) }
	if s.db, err = pebble.Open(s.opts.Dir, s.opts.pebble(s.g, s.lock)); err != nil {
		if failure := s.g.failure(); failure != nil {
			return failure // says more, for example that the disk is full
		}
		return err
	}
	if err = s.settle(s.load()); err != nil {
		return errors.Join(err, s.closeDB())
	}
	return nil
}

// lockName is what Pebble calls its lock file.
const lockName = "LOCK"

// makeDir creates a directory and makes it durable, with all above it. The lock
// file, which comes next, tells later calls that this is done; without it nobody
// knows how far an earlier one came.
func makeDir(on vfs.FS, dir string) error {
	_, err := on.Stat(on.PathJoin(dir, lockName))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := on.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for d := dir; on.PathDir(d) != d; {
		d = on.PathDir(d)
		if err := syncDir(on, d); err != nil && !errors.Is(err, fs.ErrPermission) { // nobody makes a name in such a one
			return err
		}
	}
	return nil
}

func syncDir(on vfs.FS, dir string) error {
	d, err := on.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// load reads what is kept in memory, of a new store after writing it.
func (s *Store) load() error {
	found, err := get(s.db, []byte{kindMeta}, func(v []byte) (err error) {
		s.meta, err = decodeMeta(v)
		return err
	})
	if err == nil && !found {
		err = s.create()
	}
	if err == nil {
		err = s.check()
	}
	if err == nil && s.meta.Format < format {
		err = s.upgrade()
	}
	if err == nil {
		err = s.openLog()
	}
	if err != nil {
		return err
	}
	_, err = get(s.db, []byte{kindHorizons}, func(v []byte) (err error) {
		s.horizons, err = decodeHorizons(v)
		return err
	})
	for vb := range s.meta.Partition.VBuckets {
		b := &vbucket{id: vb}
		if err == nil {
			err = b.load(s.db)
		}
		s.vbs = append(s.vbs, b)
	}
	if err == nil {
		err = s.openUpkeep()
	}
	return err
}

// load reads where a vbucket's log begins and ends. What Pebble has in its tables
// is synced, and the manifest was made durable before it was read; what was
// replayed is in the commit log, which has made sure of its end: so all of it counts
// as synced, also what a process that was killed had left in the machine's memory.
func (b *vbucket) load(r pebble.Reader) error {
	l, err := readLedger(r, b.id)
	if err == nil {
		b.end, err = lastMark(r, b.id, &l)
	}
	end := b.end
	b.synced.Store(&end)
	b.ledger.Store(&l)
	return err
}

// create writes what is fixed in a store for ever.
func (s *Store) create() error {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return err
	}
	foreign := it.First()
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return err
	}
	if foreign {
		return errors.New("the directory holds a Pebble database that is not Taba's; choose another directory")
	}
	if err := s.makeLog(); err != nil {
		return err
	}
	s.meta = store.NewMeta(max(s.opts.VBuckets, 1), s.opts.Now().UTC())
	s.meta.Format = format
	b := s.db.NewBatch()
	err = errors.Join(
		b.Set([]byte{kindMeta}, encodeMeta(s.meta), nil),
		b.Set([]byte{kindHorizons}, encodeHorizons(store.NewHorizons(s.meta.Created)), nil),
	)
	if err != nil {
		return err
	}
	return s.applyNow(b)
}

// applyNow applies a batch and makes it durable without the log.
func (s *Store) applyNow(b *pebble.Batch) error {
	if err := s.apply(b); err != nil {
		return err
	}
	return s.flush()
}

// upgrade says that what is written from now on is of this release's format, so
// that earlier ones, which would not understand it, refuse it. What is there
// already needs no change.
func (s *Store) upgrade() error {
	if s.meta.Format < firstLogged {
		if err := s.makeLog(); err != nil {
			return err
		}
	}
	s.meta.Format = format
	b := s.db.NewBatch()
	if err := b.Set([]byte{kindMeta}, encodeMeta(s.meta), nil); err != nil {
		return err
	}
	return s.applyNow(b)
}

// check refuses a store that this release or these settings do not fit.
func (s *Store) check() error {
	p := s.meta.Partition
	switch want := s.opts.VBuckets; {
	case s.meta.Format < oldestFormat || s.meta.Format > format:
		return fmt.Errorf("it has format %d and this release of Taba reads formats %d to %d: use a release that reads it", s.meta.Format, oldestFormat, format)
	case p.Version != 1:
		return fmt.Errorf("it was made with partition function %d and this release of Taba knows 1: use a release that knows it", p.Version)
	case p.VBuckets < 1 || p.VBuckets > maxVBuckets:
		return fmt.Errorf("it says that it has %d vbuckets: %w", p.VBuckets, errValue)
	case want != 0 && want != p.VBuckets:
		return fmt.Errorf("the setting vbuckets is %d, but the store was created with %d, which cannot change: set it to %d or leave it out", want, p.VBuckets, p.VBuckets)
	}
	return nil
}

// lastMark finds the end of a vbucket's log.
func lastMark(r pebble.Reader, vb int, l *ledger) (mark, error) {
	m := mark{Position: l.trim, events: l.events, bytes: l.bytes}
	it, err := r.NewIter(&pebble.IterOptions{
		LowerBound: logKey(nil, kindHead, vb, l.trim.Offset+1),
		UpperBound: after(vbKey(nil, kindHead, vb)),
	})
	if err != nil {
		return mark{}, err
	}
	if it.Last() {
		m, err = readMark(it)
	}
	return m, errors.Join(err, it.Error(), it.Close())
}

func readMark(it *pebble.Iterator) (mark, error) {
	v, err := it.ValueAndErr()
	if err != nil {
		return mark{}, err
	}
	var h head
	if err := h.decode(offsetOf(it.Key()), v); err != nil {
		return mark{}, err
	}
	return mark{Position: h.entry.Position, events: h.events, bytes: h.bytes}, nil
}

func readLedger(r pebble.Reader, vb int) (l ledger, err error) {
	_, err = get(r, vbKey(nil, kindLedger, vb), l.decode)
	return l, err
}
