package pebblestore

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/seglog"
)

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, vb int, req store.LoadRequest) (*store.Loaded, error) {
	b, err := s.beginVB(ctx, vb)
	if err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	if req.Records == store.NoRecords && b.synced.Load().Position == req.After {
		// Nothing new, which most queries find: no need to look.
		return &store.Loaded{End: req.After, Trim: b.ledger.Load().trim, Epoch: s.epoch()}, nil
	}
	r, err := s.read(ctx, b)
	if err != nil {
		return nil, s.settle(err)
	}
	l, err := r.load(req)
	if err = s.settle(errors.Join(err, r.close())); err != nil {
		return nil, err
	}
	return l, nil
}

// reader reads one vbucket at one instant, up to the last synced entry.
type reader struct {
	s      *Store
	ctx    context.Context
	vb     int
	pin    seglog.Pin
	snap   *pebble.Snapshot
	end    mark
	ledger ledger
	key    []byte

	bodies, places entryIter
	pieces         []seglog.Piece // of the body that is read
}

// entryIter is an iterator of one kind of key, opened when it is needed.
type entryIter struct {
	kind  byte
	after uint64
	it    *pebble.Iterator
}

func (e *entryIter) open(r *reader) (_ *pebble.Iterator, err error) {
	if e.it == nil {
		e.it, err = r.iter(e.kind, e.after)
	}
	return e.it, err
}

func (e *entryIter) close() error {
	if e.it == nil {
		return nil
	}
	return e.it.Close()
}

func (r *reader) close() error { return errors.Join(r.snap.Close(), r.pin.Release()) }

// read begins reading. Pebble is given what is synced only, so the snapshot has
// nothing else; but of the entries of one call it may have some whose mark is not
// set yet. The other way round the mark may be ahead of the snapshot, unless it was
// the same before. The end is the lesser of the two, and records are never ahead of it: they are made of entries
// before the mark only.
func (s *Store) read(ctx context.Context, b *vbucket) (*reader, error) {
	before := b.synced.Load()
	r := &reader{s: s, ctx: ctx, vb: b.id, pin: s.log.Pin(), snap: s.db.NewSnapshot()}
	end := b.synced.Load()
	r.end = *end
	var err error
	r.ledger, err = readLedger(r.snap, b.id)
	if err == nil && before != end {
		var stored mark
		if stored, err = lastMark(r.snap, b.id, &r.ledger); stored.Offset < r.end.Offset {
			r.end = stored
		}
	}
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *reader) load(req store.LoadRequest) (*store.Loaded, error) {
	l := &store.Loaded{End: r.end.Position, Trim: r.ledger.trim, Epoch: r.s.epoch()}
	after := r.ledger.trim.Offset
	var err error
	if req.Records == store.NoRecords {
		after = req.After.Offset
		err = r.has(req.After)
	} else {
		l.Records, err = r.records(req.Names, req.Records)
	}
	if err == nil {
		err = r.entries(l, after, &req)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// has returns ErrDiverged if a position is neither in the log nor the trim
// point.
func (r *reader) has(p store.Position) error {
	if p == r.ledger.trim {
		return nil
	}
	if p.Offset > r.end.Offset || p.Offset <= r.ledger.trim.Offset {
		return store.ErrDiverged
	}
	found, err := isEntry(r.snap, r.vb, p)
	if err == nil && !found {
		err = store.ErrDiverged
	}
	return err
}

// isEntry reports whether the log has an entry under that identity.
func isEntry(db pebble.Reader, vb int, p store.Position) (found bool, err error) {
	_, err = get(db, logKey(nil, kindHead, vb, p.Offset), func(v []byte) error {
		var h head
		err := h.decode(p.Offset, v)
		found = h.entry.Position == p
		return err
	})
	return found, err
}

// errEnough ends a visit of heads early.
var errEnough = errors.New("no more entries are wanted")

// entries reads those after an offset that touch one of the names, as far as
// MaxBytes allows. Heads tell which do, so bodies and sections that nobody wants
// are not read.
func (r *reader) entries(l *store.Loaded, after uint64, req *store.LoadRequest) error {
	f := newFilter(req.Names)
	r.bodies, r.places = entryIter{kind: kindBody, after: after}, entryIter{kind: kindPlace, after: after}
	var read int64
	err := r.heads(after, func(h *head) error {
		e := &h.entry
		if !f.touches(h) {
			return nil
		}
		body, ok, err := r.body(h, f)
		if err != nil || !ok {
			return err
		}
		e.Body = body
		l.Entries = append(l.Entries, *e)
		read += int64(len(body)) + entryOverhead
		if req.MaxBytes > 0 && read >= req.MaxBytes && e.Position != l.End {
			l.End, l.More = e.Position, true
			return errEnough
		}
		return nil
	})
	return errors.Join(err, r.bodies.close(), r.places.close())
}

func (r *reader) iter(kind byte, after uint64) (*pebble.Iterator, error) {
	return r.snap.NewIterWithContext(r.ctx, &pebble.IterOptions{
		LowerBound: logKey(nil, kind, r.vb, after+1),
		UpperBound: logKey(nil, kind, r.vb, r.end.Offset+1),
	})
}

// heads visits the heads of the entries after an offset. What it hands out is
// valid during the visit, which errEnough ends.
func (r *reader) heads(after uint64, visit func(h *head) error) error {
	it, err := r.iter(kindHead, after)
	if err != nil {
		return err
	}
	var h head
	next := after + 1
	for it.First(); it.Valid() && err == nil; it.Next() {
		var v []byte
		if v, err = it.ValueAndErr(); err == nil {
			err = h.decode(offsetOf(it.Key()), v)
		}
		if err == nil && h.entry.Position.Offset != next {
			err = missing(next)
		}
		if err == nil {
			err = r.ctx.Err()
		}
		if err == nil {
			err = visit(&h)
		}
		next++
	}
	switch {
	case errors.Is(err, errEnough):
		err = nil
	case err == nil && it.Error() == nil && next <= r.end.Offset:
		err = missing(next)
	}
	return errors.Join(err, it.Error(), it.Close())
}
