package view

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/tabaproject/taba/internal/store"
)

// fakeStore is the part of a store that views and compactors use, written as
// naively as possible, with handles to make it misbehave.
type fakeStore struct {
	store.Store // the rest is not there

	part store.Partition
	mu   sync.Mutex
	vbs  []fakeVB

	loads  int
	onLoad func(vb int, r store.LoadRequest) // called after each Load has read, unlocked
}

type fakeVB struct {
	log     []store.Entry // not trimmed
	trim    store.Position
	records map[store.Tab]*store.Record
	graves  map[store.Tab]store.Position
	stats   store.Stats
}

func newFakeStore(vbuckets int) *fakeStore {
	s := &fakeStore{part: store.Partition{Version: 1, VBuckets: vbuckets}}
	for range vbuckets {
		s.vbs = append(s.vbs, fakeVB{records: map[store.Tab]*store.Record{}, graves: map[store.Tab]store.Position{}})
	}
	return s
}

func (s *fakeStore) Meta() store.Meta { return store.Meta{Partition: s.part} }

// event is what tests append: n events of value each, of a client.
type event struct {
	tab, client string
	typ         string // "" means sum
	value       int64
	n           uint64
	raw         []byte // instead of a State, if not nil
}

// append appends one entry per vbucket that the events touch.
func (s *fakeStore) append(events ...event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	byVB := map[int][]event{}
	for _, e := range events {
		vb := s.part.Of("", e.tab)
		byVB[vb] = append(byVB[vb], e)
	}
	for vb, events := range byVB {
		var w store.BodyWriter
		for _, e := range events {
			typ := cmp.Or(e.typ, "sum")
			w.Tab(store.Tab{Name: e.tab, Type: typ})
			n := max(e.n, 1)
			w.Partial(e.client, n, func(dst []byte) []byte {
				if e.raw != nil {
					return append(dst, e.raw...)
				}
				return (&sum{n: n, total: e.value, newest: e.value}).Append(dst)
			})
		}
		body := slices.Clone(w.Bytes())
		s.vbs[vb].add(store.Entry{Kind: store.KindPartials, Events: w.Events(), Body: body})
		s.vbs[vb].stats.Appended += w.Events()
	}
}

func (b *fakeVB) add(e store.Entry) store.Position {
	e.Position = store.Position{Offset: b.end().Offset + 1, Identity: b.end().Identity*31 + rand.Uint64()}
	b.log = append(b.log, e)
	b.stats.LogBytes += int64(len(e.Body)) + 32
	return e.Position
}

func (b *fakeVB) end() store.Position {
	if len(b.log) == 0 {
		return b.trim
	}
	return b.log[len(b.log)-1].Position
}

func (s *fakeStore) Command(_ context.Context, vb int, c store.Command) (store.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.vbs[vb].add(store.Entry{Kind: c.Kind, Command: c}), nil
}

func (b *fakeVB) has(p store.Position) bool {
	return p == b.trim || slices.ContainsFunc(b.log, func(e store.Entry) bool { return e.Position == p })
}

func (s *fakeStore) Load(_ context.Context, vb int, r store.LoadRequest) (*store.Loaded, error) {
	l, err := s.load(vb, r)
	if f := s.onLoad; f != nil {
		f(vb, r)
	}
	return l, err
}

func (s *fakeStore) load(vb int, r store.LoadRequest) (*store.Loaded, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	b := &s.vbs[vb]
	l := &store.Loaded{End: b.end(), Trim: b.trim}
	after := r.After
	if r.Records == store.NoRecords {
		if r.After != (store.Position{}) || b.trim != (store.Position{}) {
			if !b.has(r.After) {
				return nil, store.ErrDiverged
			}
		}
	} else {
		for _, rec := range b.records {
			if r.Names == nil || slices.Contains(r.Names, nameOf(rec.Tab)) {
				l.Records = append(l.Records, only(rec, r.Records))
			}
		}
		slices.SortFunc(l.Records, func(a, b store.Record) int {
			return cmp.Or(cmp.Compare(a.Tab.Name, b.Tab.Name), cmp.Compare(a.Tab.Type, b.Tab.Type))
		})
		after = b.trim
	}
	var read int64
	for _, e := range b.log {
		if e.Position.Offset <= after.Offset {
			continue
		}
		l.Entries = append(l.Entries, e)
		read += int64(len(e.Body))
		if r.MaxBytes > 0 && read >= r.MaxBytes && e.Position != l.End {
			l.End, l.More = e.Position, true
			break
		}
	}
	return l, nil
}

func (s *fakeStore) Compact(_ context.Context, vb int, updates []store.Update, trim store.Position) (store.Compacted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &s.vbs[vb]
	var done store.Compacted
	for i := range updates {
		u := &updates[i]
		var stored *store.Position
		if r := b.records[u.Tab]; r != nil {
			stored = &r.Position
		}
		if !store.Current(u, stored, b.trim, b.graves[u.Tab].Offset, b.has(u.New)) {
			done.Stale++
			continue
		}
		b.update(u)
		done.Applied++
	}
	for len(b.log) > 0 && b.log[0].Position.Offset <= trim.Offset && b.foldedBy(&b.log[0]) {
		b.trim = b.log[0].Position
		b.stats.LogBytes -= int64(len(b.log[0].Body)) + 32
		b.log = b.log[1:]
	}
	maps.DeleteFunc(b.graves, func(_ store.Tab, p store.Position) bool { return p.Offset <= b.trim.Offset })
	done.Trim = b.trim
	return done, nil
}

func (b *fakeVB) update(u *store.Update) {
	b.stats.Pruned += u.Pruned
	b.stats.Deleted += u.Deleted
	b.stats.SetAside += u.SetAside
	if u.Remove {
		delete(b.records, u.Tab)
		b.graves[u.Tab] = u.New
		return
	}
	r := b.records[u.Tab]
	if r == nil || u.Reset {
		r = &store.Record{Tab: u.Tab}
		b.records[u.Tab] = r
	}
	delete(b.graves, u.Tab)
	r.Position, r.Events, r.First = u.New, u.Events, u.First
	if u.All != nil {
		r.All = u.All
	}
	for _, c := range u.Clients {
		i := slices.IndexFunc(r.Clients, func(o store.ClientState) bool { return o.Client == c.Client })
		if i < 0 {
			r.Clients = append(r.Clients, c)
		} else {
			r.Clients[i] = c
		}
	}
}

// foldedBy reports whether every record has folded the entry.
func (b *fakeVB) foldedBy(e *store.Entry) bool {
	behind := func(t store.Tab) bool {
		if r := b.records[t]; r != nil {
			return r.Position.Offset < e.Position.Offset
		}
		return b.graves[t].Offset < e.Position.Offset
	}
	if e.Kind != store.KindPartials {
		for t := range b.records {
			if (e.Kind == store.KindPrune || slices.Contains(e.Command.Names, nameOf(t))) && behind(t) {
				return false
			}
		}
		return true
	}
	for r := store.NewBodyReader(e.Body); r.NextTab(); {
		if behind(r.Tab.Tab()) {
			return false
		}
	}
	return true
}

func (s *fakeStore) Audit(ctx context.Context, vb int) (store.Stats, error) { return s.Stats(ctx, vb) }

func (s *fakeStore) Stats(_ context.Context, vb int) (store.Stats, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &s.vbs[vb]
	st := b.stats
	st.End, st.Trim = b.end(), b.trim
	for _, r := range b.records {
		st.Recorded += r.Events
		st.RecordBytes += int64(len(r.All)) + 64
		for _, c := range r.Clients {
			st.RecordBytes += int64(len(c.State)) + 32
		}
	}
	for _, e := range b.log {
		for r := store.NewBodyReader(e.Body); r.NextTab(); {
			t := r.Tab.Tab()
			from := b.graves[t].Offset
			if rec := b.records[t]; rec != nil {
				from = rec.Position.Offset
			}
			if e.Position.Offset > from {
				st.Tail += r.Tab.Events
			}
		}
	}
	return st, nil
}

// only copies as much of a record as was asked for.
func only(r *store.Record, d store.Detail) store.Record {
	c := *r
	c.Clients = slices.Clone(r.Clients)
	if d < store.WithAll {
		c.All = nil
	}
	for i := range c.Clients {
		if d < store.WithClients {
			c.Clients[i].State = nil
		}
	}
	return c
}
