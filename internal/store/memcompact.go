package store

import (
	"context"
	"maps"
	"slices"
)

// Compact implements Store.
func (m *Mem) Compact(_ context.Context, vb int, updates []Update, trim Position) (done Compacted, err error) {
	err = m.with(vb, func(b *memVB) error {
		for i := range updates {
			if b.current(&updates[i]) {
				b.update(&updates[i])
				done.Applied++
			} else {
				done.Stale++
			}
		}
		if b.at(trim) {
			b.trimTo(trim.Offset)
		}
		done.Trim = b.trim
		return nil
	})
	return done, err
}

func (b *memVB) current(u *Update) bool {
	var stored *Position
	if r := b.records[u.Tab]; r != nil {
		stored = &r.Position
	}
	return Current(u, stored, b.trim, b.graves[u.Tab], b.at(u.New))
}

func (b *memVB) update(u *Update) {
	b.counts.Pruned += u.Pruned
	b.counts.Deleted += u.Deleted
	b.counts.SetAside += u.SetAside
	if u.Remove {
		delete(b.records, u.Tab)
		b.graves[u.Tab] = u.New.Offset
		return
	}
	r := b.records[u.Tab]
	if r == nil || u.Reset {
		r = &Record{Tab: u.Tab}
		b.records[u.Tab] = r
	}
	r.Position, r.Events, r.First = u.New, u.Events, u.First
	if u.All != nil {
		r.All = slices.Clone(u.All)
	}
	for _, c := range u.Clients {
		c.State = slices.Clone(c.State)
		if i := slices.IndexFunc(r.Clients, func(o ClientState) bool { return o.Client == c.Client }); i >= 0 {
			r.Clients[i] = c
		} else {
			r.Clients = append(r.Clients, c)
		}
	}
}

func (b *memVB) trimTo(offset uint64) {
	n := 0
	for n < len(b.log) && b.log[n].Position.Offset <= offset && Trimmable(&b.log[n], b) {
		b.trim = b.log[n].Position
		b.counts.LogBytes -= int64(len(b.log[n].Body)) + entryBytes
		n++
	}
	b.log = slices.Delete(b.log, 0, n)
	maps.DeleteFunc(b.graves, func(_ Tab, at uint64) bool { return at <= b.trim.Offset })
}

// Tab implements Folds.
func (b *memVB) Tab(t Tab) uint64 {
	if r := b.records[t]; r != nil {
		return r.Position.Offset
	}
	return b.graves[t]
}

// Name implements Folds.
func (b *memVB) Name(n TabName) uint64 {
	least := uint64(Untouched)
	for t, r := range b.records {
		if t.Namespace == n.Namespace && t.Name == n.Name {
			least = min(least, r.Position.Offset)
		}
	}
	return least
}

// All implements Folds.
func (b *memVB) All() uint64 {
	least := uint64(Untouched)
	for _, r := range b.records {
		least = min(least, r.Position.Offset)
	}
	return least
}
