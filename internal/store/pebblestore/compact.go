package pebblestore

import (
	"bytes"
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tabaproject/taba/internal/store"
)

// Compact implements store.Store. It takes turns with other compactions of the
// vbucket only: what it changes no append reads, and it looks at entries that
// are synced. It is not synced itself: a crash may undo the last compactions, from
// the last one backwards, as if they had not been made, and what they folded is
// in the log then. Pebble's tables hold a beginning of what was applied.
func (s *Store) Compact(ctx context.Context, vb int, updates []store.Update, trim store.Position) (store.Compacted, error) {
	b, err := s.beginVB(ctx, vb)
	if err != nil {
		return store.Compacted{}, err
	}
	defer s.life.RUnlock()
	b.folds.Lock()
	defer b.folds.Unlock()
	if err := s.g.failure(); err != nil {
		return store.Compacted{}, err
	}
	c := compaction{ctx: ctx, vb: vb, end: b.synced.Load().Position, batch: s.db.NewIndexedBatch()}
	done, err := c.run(updates, trim)
	if err != nil {
		return store.Compacted{}, s.settle(errors.Join(err, c.batch.Close()))
	}
	if c.batch.Empty() {
		return done, c.batch.Close()
	}
	if err := s.apply(c.batch); err != nil {
		return store.Compacted{}, err
	}
	ledger := c.ledger
	if before := b.ledger.Swap(&ledger); before.trim != ledger.trim {
		s.tidy()
	}
	return done, nil
}

// compaction is one call of Compact. Its batch is indexed: what is decided
// later sees what was decided before.
type compaction struct {
	ctx    context.Context
	vb     int
	end    store.Position // the last synced entry
	batch  *pebble.Batch
	ledger ledger
	known  map[store.Position]bool // whether the log has an entry
	graves bool                    // there may be tombstones
}

func (c *compaction) run(updates []store.Update, trim store.Position) (done store.Compacted, err error) {
	if c.ledger, err = readLedger(c.batch, c.vb); err != nil {
		return done, err
	}
	if c.graves, err = c.anyGrave(); err != nil {
		return done, err
	}
	before := c.ledger
	for i := range updates {
		applied, err := c.update(&updates[i])
		if err != nil {
			return done, err
		}
		if applied {
			done.Applied++
		} else {
			done.Stale++
		}
	}
	if err := c.trimTo(trim); err != nil {
		return done, err
	}
	done.Trim = c.ledger.trim
	if c.ledger == before && c.batch.Empty() {
		return done, nil
	}
	return done, c.batch.Set(vbKey(nil, kindLedger, c.vb), c.ledger.encode(), nil)
}

// has reports whether a position is the trim point or a synced entry.
func (c *compaction) has(p store.Position) (found bool, err error) {
	if p == c.ledger.trim || p.Offset <= c.ledger.trim.Offset || p.Offset > c.end.Offset {
		return p == c.ledger.trim, nil
	}
	if found, ok := c.known[p]; ok {
		return found, nil
	}
	if found, err = isEntry(c.batch, c.vb, p); err != nil {
		return false, err
	}
	if c.known == nil {
		c.known = make(map[store.Position]bool, 1)
	}
	c.known[p] = found
	return found, nil
}

// stored reads a tab's record, nil if there is none.
func (c *compaction) stored(t store.Tab) (rec *record, err error) {
	_, err = get(c.batch, tabKey(nil, kindRecord, c.vb, t), func(v []byte) error {
		rec = new(record)
		return rec.decode(v)
	})
	return rec, err
}

// anyGrave reports whether there are tombstones. There rarely are, and to look
// for that of every tab costs as much as to read its record.
func (c *compaction) anyGrave() (bool, error) {
	prefix := vbKey(nil, kindGrave, c.vb)
	it, err := c.batch.NewIterWithContext(c.ctx, &pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return false, err
	}
	return it.First(), errors.Join(it.Error(), it.Close())
}

// grave reads the offset of a tab's tombstone, 0 if there is none.
func (c *compaction) grave(t store.Tab) (offset uint64, err error) {
	if !c.graves {
		return 0, nil
	}
	_, err = get(c.batch, tabKey(nil, kindGrave, c.vb, t), func(v []byte) error {
		d := decoder{rest: v}
		offset = d.uvarint()
		return d.err("tombstone of a tab")
	})
	return offset, err
}

// update writes one update, if it was made from what is stored.
func (c *compaction) update(u *store.Update) (bool, error) {
	rec, err := c.stored(u.Tab)
	if err != nil {
		return false, err
	}
	grave, err := c.grave(u.Tab)
	if err != nil {
		return false, err
	}
	known, err := c.has(u.New)
	if err != nil {
		return false, err
	}
	var stored *store.Position
	if rec != nil {
		stored = &rec.position
	}
	if !store.Current(u, stored, c.ledger.trim, grave, known) {
		return false, nil
	}
	return true, c.write(u, rec)
}

// trimTo trims the log to a position, or to just before the first entry that a
// record has not folded.
func (c *compaction) trimTo(want store.Position) error {
	if want.Offset <= c.ledger.trim.Offset {
		return nil
	}
	known, err := c.has(want)
	if err != nil || !known {
		return err
	}
	to, err := c.trimmable(want.Offset)
	if err != nil || to.Offset == c.ledger.trim.Offset {
		return err
	}
	for _, kind := range []byte{kindHead, kindBody, kindPlace} {
		from := logKey(nil, kind, c.vb, c.ledger.trim.Offset+1)
		if err := c.batch.DeleteRange(from, logKey(nil, kind, c.vb, to.Offset+1), nil); err != nil {
			return err
		}
	}
	c.ledger.trim, c.ledger.events, c.ledger.bytes = to.Position, to.events, to.bytes
	return c.dropGraves(to.Offset)
}

// trimmable finds the last entry, up to an offset, before the first that may
// not be trimmed.
func (c *compaction) trimmable(want uint64) (mark, error) {
	to := mark{Position: c.ledger.trim}
	it, err := c.batch.NewIterWithContext(c.ctx, &pebble.IterOptions{
		LowerBound: logKey(nil, kindHead, c.vb, c.ledger.trim.Offset+1),
		UpperBound: logKey(nil, kindHead, c.vb, want+1),
	})
	if err != nil {
		return to, err
	}
	f := folds{c: c, tabs: make(map[store.Tab]uint64)}
	var h head
	for it.First(); it.Valid(); it.Next() {
		var v []byte
		if v, err = it.ValueAndErr(); err == nil {
			err = h.decode(offsetOf(it.Key()), v)
		}
		if err != nil || !store.Trimmable(&h.entry, &f) || f.err != nil {
			break
		}
		to = mark{Position: h.entry.Position, events: h.events, bytes: h.bytes}
	}
	return to, errors.Join(err, f.err, it.Error(), it.Close())
}

// dropGraves removes the tombstones that nobody needs any more. There are none
// but those of tabs deleted since the last trim.
func (c *compaction) dropGraves(trimmed uint64) error {
	prefix := vbKey(nil, kindGrave, c.vb)
	var drop [][]byte
	err := scan(c.ctx, c.batch, prefix, func(key, v []byte) error {
		d := decoder{rest: v}
		if d.uvarint() <= trimmed {
			drop = append(drop, bytes.Clone(key))
		}
		return d.err("tombstone of a tab")
	})
	for _, key := range drop {
		err = errors.Join(err, c.batch.Delete(key, nil))
	}
	return err
}

// folds tells how far records are folded. It remembers what it read.
type folds struct {
	c    *compaction
	tabs map[store.Tab]uint64
	all  *uint64
	err  error
}

// Tab implements store.Folds.
func (f *folds) Tab(t store.Tab) uint64 {
	if offset, ok := f.tabs[t]; ok {
		return offset
	}
	rec, err := f.c.stored(t)
	var offset uint64
	if rec != nil {
		offset = rec.position.Offset
	} else if err == nil {
		offset, err = f.c.grave(t)
	}
	f.err = errors.Join(f.err, err)
	f.tabs[t] = offset
	return offset
}

// Name implements store.Folds.
func (f *folds) Name(n store.TabName) uint64 { return f.least(nameKey(nil, kindRecord, f.c.vb, n)) }

// All implements store.Folds.
func (f *folds) All() uint64 {
	if f.all == nil {
		least := f.least(vbKey(nil, kindRecord, f.c.vb))
		f.all = &least
	}
	return *f.all
}

func (f *folds) least(prefix []byte) uint64 {
	least := uint64(store.Untouched)
	err := scan(f.c.ctx, f.c.batch, prefix, func(_, v []byte) error {
		var rec record
		err := rec.decode(v)
		least = min(least, rec.position.Offset)
		return err
	})
	f.err = errors.Join(f.err, err)
	return least
}
