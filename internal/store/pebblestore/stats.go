package pebblestore

import (
	"context"
	"errors"

	"github.com/tabaproject/taba/internal/store"
)

// Stats implements store.Store. It reads nothing: a compactor asks after commits.
func (s *Store) Stats(ctx context.Context, vb int) (st store.Stats, err error) {
	b, err := s.beginVB(ctx, vb)
	if err != nil {
		return st, err
	}
	defer s.life.RUnlock()
	l := b.ledger.Load() // before the end, which is never behind it then
	return stats(l, b.synced.Load()), nil
}

func stats(l *ledger, end *mark) store.Stats {
	return store.Stats{
		End: end.Position, Trim: l.trim,
		LogBytes: int64(end.bytes - l.bytes), RecordBytes: int64(l.recordBytes),
		Appended: end.events, Recorded: l.recorded,
		Pruned: l.pruned, Deleted: l.deleted, SetAside: l.setAside,
	}
}

// Audit implements store.Store. It reads a snapshot and holds nobody up.
func (s *Store) Audit(ctx context.Context, vb int) (st store.Stats, err error) {
	b, err := s.beginVB(ctx, vb)
	if err != nil {
		return st, err
	}
	defer s.life.RUnlock()
	r, err := s.read(ctx, b)
	if err != nil {
		return st, s.settle(err)
	}
	st = stats(&r.ledger, &r.end)
	return st, s.settle(errors.Join(r.tail(&st), r.close()))
}

// tail counts the events of entries, per tab, after that tab's record.
func (r *reader) tail(st *store.Stats) error {
	folded := make(map[store.Tab]uint64)
	err := r.positions(folded)
	if err != nil {
		return err
	}
	return r.heads(r.ledger.trim.Offset, func(h *head) error {
		e := &h.entry
		return e.Touches(func(t store.Tab, events uint64) {
			if e.Position.Offset > folded[t] {
				st.Tail += events
			}
		})
	})
}

// positions reads how far records and tombstones are folded.
func (r *reader) positions(folded map[store.Tab]uint64) error {
	read := func(kind byte, offset func(d *decoder) uint64) error {
		return scan(r.ctx, r.snap, vbKey(nil, kind, r.vb), func(key, v []byte) error {
			t, ok := tabOf(key)
			d := decoder{rest: v, bad: !ok}
			folded[t] = offset(&d)
			return d.err("position of a record")
		})
	}
	return errors.Join(
		read(kindRecord, func(d *decoder) uint64 { return d.position().Offset }),
		read(kindGrave, (*decoder).uvarint),
	)
}
