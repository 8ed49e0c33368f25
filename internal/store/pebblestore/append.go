package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/seglog"
)

// Append implements store.Store.
func (s *Store) Append(ctx context.Context, parts []store.Part) ([]store.PartResult, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	vbs := s.lockAll(parts)
	defer unlock(vbs)
	// Who held the locks before may have failed since begin.
	if err := errors.Join(s.g.failure(), s.space()); err != nil {
		return nil, err
	}
	w := writer{s: s, commit: commit{batch: s.db.NewBatch()}}
	results := make([]store.PartResult, len(parts))
	for i := range parts {
		results[i] = w.part(&parts[i])
	}
	if err := s.settle(w.finish()); err != nil {
		for i := range results {
			results[i] = store.PartResult{Err: err}
		}
		return results, err
	}
	return results, nil
}

// lockAll locks the vbuckets of parts, in ascending order.
func (s *Store) lockAll(parts []store.Part) []*vbucket {
	ids := make([]int, 0, 8)
	for i := range parts {
		if vb := parts[i].VB; vb >= 0 && vb < len(s.vbs) && !slices.Contains(ids, vb) {
			ids = append(ids, vb)
		}
	}
	slices.Sort(ids)
	locked := make([]*vbucket, 0, 8)
	for _, vb := range ids {
		s.vbs[vb].mu.Lock()
		locked = append(locked, s.vbs[vb])
	}
	return locked
}

func unlock(vbs []*vbucket) {
	for _, b := range vbs {
		b.mu.Unlock()
	}
}

// Command implements store.Store.
func (s *Store) Command(ctx context.Context, vb int, c store.Command) (store.Position, error) {
	if err := c.Check(); err != nil {
		return store.Position{}, err
	}
	b, err := s.beginVB(ctx, vb)
	if err != nil {
		return store.Position{}, err
	}
	defer s.life.RUnlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := errors.Join(s.g.failure(), s.space()); err != nil {
		return store.Position{}, err
	}
	w := writer{s: s, commit: commit{batch: s.db.NewBatch()}}
	at := w.add(b, &head{entry: store.Entry{Kind: c.Kind, Command: c}}, nil)
	return at, w.finish()
}

// writer builds the commit of one call. The vbuckets it writes to are locked.
type writer struct {
	commit
	s       *Store
	touched []*vbucket
	rows    map[rowID]store.Row // written by earlier parts of the batch
	key     []byte
	value   []byte
	outline []byte

	sections []int // of the outline, of the entry that is being written
	cuts     []int // where they end in the body
}

type rowID struct {
	vb int
	id store.SourceID
}

// part decides a part and writes it if it applies.
func (w *writer) part(p *store.Part) store.PartResult {
	if p.VB < 0 || p.VB >= len(w.s.vbs) {
		return store.PartResult{Err: fmt.Errorf("a part is for vbucket %d, which is not one of the store's %d", p.VB, len(w.s.vbs))}
	}
	stored, err := w.row(p)
	if err != nil {
		return store.PartResult{Err: err}
	}
	verdict, row := store.Decide(stored, w.s.horizons.Of(p.Source.Class), p)
	r := store.PartResult{Verdict: verdict, Head: row.Head, Token: row.Token, Epoch: w.s.epoch(), Stable: row.Head.Seq}
	if verdict != store.Applied {
		return r
	}
	outline, events, err := store.AppendOutline(w.outline[:0], p.Body)
	w.outline = outline
	if err != nil {
		return store.PartResult{Err: fmt.Errorf("part %d of source %v: %w", p.Seq, p.Source, err)}
	}
	entry := store.Entry{Kind: store.KindPartials, Source: p.Source, Seq: p.Seq, Events: events, Body: outline}
	r.Position = w.add(w.s.vbs[p.VB], &head{entry: entry}, p.Body)
	w.setRow(rowID{p.VB, p.Source}, row)
	return r
}

// row reads the row of a part's Source, nil if there is none.
func (w *writer) row(p *store.Part) (*store.Row, error) {
	if row, ok := w.rows[rowID{p.VB, p.Source}]; ok {
		return &row, nil
	}
	w.key = rowKey(w.key[:0], p.VB, p.Source)
	return w.s.row(w.key)
}

// row reads a row, nil if there is none.
func (s *Store) row(key []byte) (row *store.Row, err error) {
	_, err = get(s.db, key, func(v []byte) error {
		r, err := decodeRow(v)
		row = &r
		return err
	})
	return row, err
}

func (w *writer) setRow(id rowID, row store.Row) {
	w.key = rowKey(w.key[:0], id.vb, id.id)
	w.value = appendRow(w.value[:0], row)
	w.set(w.key, w.value)
	if w.rows == nil {
		w.rows = make(map[rowID]store.Row, 1)
	}
	w.rows[id] = row
}

// set never fails: the batch is in memory and not indexed.
func (w *writer) set(key, value []byte) { _ = w.batch.Set(key, value, nil) }

// add writes an entry after the last one. h.entry.Body is the outline, body
// what the entry holds.
func (w *writer) add(b *vbucket, h *head, body []byte) store.Position {
	e := h.entry
	e.Body = body
	at := b.end.Next(&e)
	h.entry.Position = at
	h.events = b.end.events + h.entry.Events
	h.logged = len(body) >= w.s.opts.logged
	w.cut(h, body)
	h.bytes = b.end.bytes + uint64(len(body)+len(h.entry.Body)) + entryOverhead
	b.end = mark{Position: at, events: h.events, bytes: h.bytes}

	w.key = logKey(w.key[:0], kindHead, b.id, at.Offset)
	w.value = appendHead(w.value[:0], h)
	w.set(w.key, w.value)
	switch {
	case h.logged:
		w.bodies = append(w.bodies, logged{b.id, at.Offset, seglog.Body{Bytes: body, Ends: w.ends()}})
	case h.entry.Kind == store.KindPartials:
		w.body(b.id, at.Offset, body)
	}
	if !slices.Contains(w.touched, b) {
		w.touched = append(w.touched, b)
	}
	return at
}

// entryOverhead is what an entry takes besides its body and outline, about.
const entryOverhead = 64

// finish makes the commit durable and lets readers see it. Verdicts that rest
// on what was there before need no sync of their own: it was synced before the
// locks were released, or the store has failed.
func (w *writer) finish() error {
	if w.batch.Empty() {
		return w.batch.Close()
	}
	if err := w.s.commit(&w.commit); err != nil {
		return err
	}
	for _, b := range w.touched {
		end := b.end
		b.synced.Store(&end)
	}
	return nil
}
