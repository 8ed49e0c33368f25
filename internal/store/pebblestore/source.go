package pebblestore

import (
	"context"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tabaproject/taba/internal/store"
)

// Open implements store.Store. Nothing is written: an id says when it was
// born, and the horizons, which decide whether it is honoured, are durable.
func (s *Store) Open(ctx context.Context, class store.Class, nonce store.Nonce, now time.Time) (store.SourceID, error) {
	if err := s.begin(ctx); err != nil {
		return store.SourceID{}, err
	}
	defer s.life.RUnlock()
	s.vbs[0].mu.Lock()
	defer s.vbs[0].mu.Unlock()
	return store.SourceID{Birth: s.horizons.Birth(now), Class: class, Nonce: nonce}, nil
}

// Close implements store.Store.
func (s *Store) Close(ctx context.Context, id store.SourceID, token store.Token) (store.Closed, error) {
	c := store.Closed{Token: token}
	err := s.exclusively(ctx, func(w *writer) error {
		for vb := range s.vbs {
			row, err := s.row(rowKey(nil, vb, id))
			if err != nil {
				return err
			}
			if store.Known(row, s.horizons.Of(id.Class), id) {
				if row == nil || !row.Closed {
					closed := store.CloseRow(row, token)
					row = &closed
					w.setRow(rowID{vb, id}, closed)
				}
				c.Token = row.Token
			}
			c.Heads = append(c.Heads, s.sourceHead(vb, id, row))
		}
		return nil
	})
	if err != nil {
		return store.Closed{}, err
	}
	return c, nil
}

// Heads implements store.Store.
func (s *Store) Heads(ctx context.Context, id store.SourceID) (heads []store.SourceHead, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	for vb, b := range s.vbs {
		b.mu.Lock() // a row is in doubt until its sync has returned
		row, err := s.row(rowKey(nil, vb, id))
		h := s.sourceHead(vb, id, row)
		b.mu.Unlock()
		if err = s.settle(err); err != nil {
			return nil, err
		}
		heads = append(heads, h)
	}
	return heads, nil
}

func (s *Store) sourceHead(vb int, id store.SourceID, row *store.Row) store.SourceHead {
	h := store.SourceHead{VB: vb, Epoch: s.epoch(), Verdict: store.Applied}
	switch {
	case !store.Known(row, s.horizons.Of(id.Class), id):
		h.Verdict = store.SourceGone
	case row != nil:
		h.Head = row.Head
		if row.Closed {
			h.Verdict = store.SourceClosed
		}
	}
	return h
}

// GC implements store.Store.
func (s *Store) GC(ctx context.Context, elapsed time.Duration, now time.Time) (removed int, err error) {
	var raised store.Horizons
	err = s.exclusively(ctx, func(w *writer) error {
		raised = s.horizons.Raise(elapsed, now)
		if raised == s.horizons {
			return nil
		}
		w.set([]byte{kindHorizons}, encodeHorizons(raised))
		for vb := range s.vbs {
			n, err := w.forget(vb, raised)
			if err != nil {
				return err
			}
			removed += n
		}
		return nil
	}, func() { s.horizons = raised })
	if err != nil {
		return 0, err
	}
	return removed, nil
}

// forget removes the rows of Sources born before their horizon. Rows are
// sorted by birth, so the young ones are not looked at.
func (w *writer) forget(vb int, h store.Horizons) (removed int, err error) {
	it, err := w.s.db.NewIter(&pebble.IterOptions{
		LowerBound: vbKey(nil, kindRow, vb),
		UpperBound: rowKey(nil, vb, store.SourceID{Birth: max(h.Spool, h.Direct)}),
	})
	if err != nil {
		return 0, err
	}
	for it.First(); it.Valid(); it.Next() {
		var id store.SourceID
		if err = id.UnmarshalBinary(it.Key()[vbLen:]); err != nil {
			break
		}
		if id.Birth < h.Of(id.Class) {
			_ = w.batch.Delete(it.Key(), nil) // never fails: not indexed
			removed++
		}
	}
	return removed, errors.Join(err, it.Error(), it.Close())
}

// exclusively runs write with every vbucket locked, commits what it wrote, and
// then runs done.
func (s *Store) exclusively(ctx context.Context, write func(w *writer) error, done ...func()) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.life.RUnlock()
	for _, b := range s.vbs {
		b.mu.Lock()
	}
	defer unlock(s.vbs)
	if err := s.g.failure(); err != nil {
		return err
	}
	w := &writer{s: s, commit: commit{batch: s.db.NewBatch()}}
	if err := write(w); err != nil {
		return s.settle(errors.Join(err, w.batch.Close()))
	}
	if err := w.finish(); err != nil {
		return err
	}
	for _, f := range done {
		f()
	}
	return nil
}
