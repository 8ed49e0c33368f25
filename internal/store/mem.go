package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Mem is the reference engine: a store in memory, simple enough to be seen to
// be right. It keeps nothing when the process ends. The zero value is not
// usable; see NewMem.
type Mem struct {
	meta    Meta
	members Roster

	mu     sync.Mutex
	vbs    []*memVB
	closed bool
}

// MemOptions are the settings of a Mem. The zero value is one vbucket.
type MemOptions struct {
	VBuckets int
	Now      func() time.Time // the clock of its creation; nil: time.Now
}

// NewMem returns an empty store.
func NewMem(o MemOptions) *Mem {
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	m := &Mem{meta: NewMeta(max(o.VBuckets, 1), now())}
	for range m.meta.Partition.VBuckets {
		m.vbs = append(m.vbs, newMemVB(m.meta.Created))
	}
	return m
}

// NewMeta is the Meta of a store created at now with v vbuckets.
func NewMeta(v int, now time.Time) Meta {
	meta := Meta{Created: now, Format: 1, Partition: Partition{Version: 1, VBuckets: v}}
	var key [8]byte
	_, _ = rand.Read(meta.ID[:]) // never fails
	_, _ = rand.Read(key[:])
	meta.Partition.Key = binary.LittleEndian.Uint64(key[:])
	return meta
}

// Meta implements Store.
func (m *Mem) Meta() Meta { return m.meta }

// with runs f on a vbucket, alone.
func (m *Mem) with(vb int, f func(b *memVB) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	if vb < 0 || vb >= len(m.vbs) {
		return fmt.Errorf("vbucket %d: the store has %d", vb, len(m.vbs))
	}
	return f(m.vbs[vb])
}

// each runs f on every vbucket, in one transaction.
func (m *Mem) each(f func(vb int, b *memVB)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	for vb, b := range m.vbs {
		f(vb, b)
	}
	return nil
}

// Open implements Store.
func (m *Mem) Open(_ context.Context, class Class, nonce Nonce, now time.Time) (SourceID, error) {
	id := SourceID{Class: class, Nonce: nonce}
	err := m.each(func(_ int, b *memVB) { id.Birth = max(id.Birth, b.horizons.Birth(now)) })
	return id, err
}

// Close implements Store.
func (m *Mem) Close(_ context.Context, id SourceID, token Token) (Closed, error) {
	c := Closed{Token: token}
	err := m.each(func(vb int, b *memVB) {
		row := b.rows[id]
		if Known(row, b.horizons.Of(id.Class), id) {
			closed := CloseRow(row, token)
			b.rows[id] = &closed
			c.Token = closed.Token
		}
		c.Heads = append(c.Heads, b.sourceHead(vb, id, m.epoch()))
	})
	return c, err
}

// Heads implements Store.
func (m *Mem) Heads(_ context.Context, id SourceID) (heads []SourceHead, err error) {
	err = m.each(func(vb int, b *memVB) { heads = append(heads, b.sourceHead(vb, id, m.epoch())) })
	return heads, err
}

func (m *Mem) epoch() Epoch { return Epoch(m.meta.ID) }

// Append implements Store.
func (m *Mem) Append(_ context.Context, parts []Part) ([]PartResult, error) {
	results := make([]PartResult, len(parts))
	for i := range parts {
		err := m.with(parts[i].VB, func(b *memVB) error {
			results[i] = b.append(&parts[i])
			results[i].Epoch = m.epoch()
			return results[i].Err
		})
		if errors.Is(err, ErrClosed) {
			return nil, err
		}
		if err != nil {
			results[i] = PartResult{Err: err}
		}
	}
	return results, nil
}

// Command implements Store.
func (m *Mem) Command(_ context.Context, vb int, c Command) (at Position, err error) {
	if err := c.Check(); err != nil {
		return at, err
	}
	err = m.with(vb, func(b *memVB) error {
		at = b.add(Entry{Kind: c.Kind, Command: Command{Kind: c.Kind, Names: slices.Clone(c.Names), At: c.At}})
		return nil
	})
	return at, err
}

// GC implements Store.
func (m *Mem) GC(_ context.Context, elapsed time.Duration, now time.Time) (removed int, err error) {
	err = m.each(func(_ int, b *memVB) {
		b.horizons = b.horizons.Raise(elapsed, now)
		for id := range b.rows {
			if id.Birth < b.horizons.Of(id.Class) {
				delete(b.rows, id)
				removed++
			}
		}
	})
	return removed, err
}

// Writable implements Store.
func (m *Mem) Writable(context.Context) error { return m.each(func(int, *memVB) {}) }

// Shutdown implements Store.
func (m *Mem) Shutdown() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// memVB is one vbucket.
type memVB struct {
	rows     map[SourceID]*Row
	horizons Horizons
	log      []Entry // what is not trimmed
	trim     Position
	records  map[Tab]*Record
	graves   map[Tab]uint64 // offsets of tombstones
	counts   Stats          // what is counted and not computed
}

func newMemVB(created time.Time) *memVB {
	return &memVB{
		rows: map[SourceID]*Row{}, horizons: NewHorizons(created),
		records: map[Tab]*Record{}, graves: map[Tab]uint64{},
	}
}

func (b *memVB) sourceHead(vb int, id SourceID, e Epoch) SourceHead {
	h := SourceHead{VB: vb, Epoch: e, Verdict: Applied}
	row := b.rows[id]
	switch {
	case !Known(row, b.horizons.Of(id.Class), id):
		h.Verdict = SourceGone
	case row != nil:
		h.Head = row.Head
		if row.Closed {
			h.Verdict = SourceClosed
		}
	}
	return h
}

// append appends a part if it applies. Stable stays 0: whatever is here is
// lost when the process ends, and senders had better keep it.
func (b *memVB) append(p *Part) PartResult {
	verdict, row := Decide(b.rows[p.Source], b.horizons.Of(p.Source.Class), p)
	r := PartResult{Verdict: verdict, Head: row.Head, Token: row.Token}
	if verdict != Applied {
		return r
	}
	_, events, err := AppendOutline(nil, p.Body)
	if err != nil {
		return PartResult{Err: fmt.Errorf("part %d of source %v: %w", p.Seq, p.Source, err)}
	}
	b.rows[p.Source] = &row
	b.counts.Appended += events
	r.Position = b.add(Entry{Kind: KindPartials, Source: p.Source, Seq: p.Seq, Events: events, Body: slices.Clone(p.Body)})
	return r
}

// entryBytes is what an entry takes besides its body, about.
const entryBytes = 64

func (b *memVB) add(e Entry) Position {
	e.Position = b.end().Next(&e)
	b.log = append(b.log, e)
	b.counts.LogBytes += int64(len(e.Body)) + entryBytes
	return e.Position
}

func (b *memVB) end() Position {
	if len(b.log) == 0 {
		return b.trim
	}
	return b.log[len(b.log)-1].Position
}

// at reports whether a position is the trim point or in the log.
func (b *memVB) at(p Position) bool {
	if p == b.trim {
		return true
	}
	i := int(p.Offset - b.trim.Offset - 1)
	return p.Offset > b.trim.Offset && i < len(b.log) && b.log[i].Position == p
}
