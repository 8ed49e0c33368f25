package pebblestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/pebblestore"
)

var created = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func options(fs vfs.FS) pebblestore.Options {
	o := pebblestore.Options{Dir: "a/data", FS: fs, VBuckets: 2, Now: func() time.Time { return created }}
	return o.SmallBuffers()
}

// history is a Source whose every call appends one part to each of two
// vbuckets, so that whatever is half done shows. Part n has n events of one of
// three tabs.
type history struct {
	t     testing.TB
	id    store.SourceID
	heads []store.Head // after each part, the same in both vbuckets; heads[0] is empty
	acked atomic.Int64 // parts acknowledged
	pad   []byte       // makes parts large
}

func newHistory(t testing.TB, s *pebblestore.Store, pad int) *history {
	t.Helper()
	id, err := s.Open(t.Context(), store.ClassSpool, store.Nonce{1}, created)
	if err != nil {
		t.Fatal(err)
	}
	return &history{t: t, id: id, heads: make([]store.Head, 1), pad: bytes.Repeat([]byte{7}, pad)}
}

func (h *history) body(n int) []byte {
	var w store.BodyWriter
	w.Tab(store.Tab{Name: fmt.Sprint("t", n%3), Type: "Total"})
	w.Partial("c", uint64(n), func(dst []byte) []byte { return append(dst, h.pad...) })
	return w.Bytes()
}

// parts seals the parts number n, for both vbuckets.
func (h *history) parts(n int) []store.Part {
	prev := h.heads[n-1]
	p := store.Part{Source: h.id, Seq: uint64(n), Prev: prev.Seq, Digest: store.Digest{byte(n)}, Body: h.body(n)}
	p.Chain = store.NextChain(prev.Chain, p.Seq, p.Prev, p.Digest)
	if len(h.heads) == n {
		h.heads = append(h.heads, store.Head{Seq: p.Seq, Chain: p.Chain})
	}
	q := p
	q.VB = 1
	return []store.Part{p, q}
}

// append appends the next parts and returns the error of the store.
func (h *history) append(s store.Store) error {
	n := int(h.acked.Load()) + 1
	results, err := s.Append(h.t.Context(), h.parts(n))
	if err != nil {
		for _, r := range results {
			if r.Err == nil || r.Verdict != store.Unknown {
				h.t.Errorf("part %d: the call failed, one verdict is %v", n, r.Verdict)
			}
		}
		return err
	}
	for _, r := range results {
		if r.Verdict != store.Applied && r.Verdict != store.Duplicate {
			h.t.Errorf("part %d: got %v (%v)", n, r.Verdict, r.Err)
		}
	}
	h.acked.Add(1)
	return nil
}

// compact folds both logs into records and trims them.
func (h *history) compact(s store.Store) error {
	for vb := range 2 {
		l, err := s.Load(h.t.Context(), vb, store.LoadRequest{Records: store.DirectoryOnly})
		if err != nil {
			return err
		}
		if _, err := s.Compact(h.t.Context(), vb, folded(l), l.End); err != nil {
			return err
		}
	}
	return nil
}

// folded makes the updates that fold what was loaded.
func folded(l *store.Loaded) (list []store.Update) {
	byTab := map[store.Tab]*store.Update{}
	at := func(t store.Tab) *store.Update {
		if byTab[t] == nil {
			byTab[t] = &store.Update{Tab: t, Old: l.Trim, New: l.End, First: 1}
		}
		return byTab[t]
	}
	for i := range l.Records {
		u := at(l.Records[i].Tab)
		u.Old, u.Stored, u.Events = l.Records[i].Position, true, l.Records[i].Events
	}
	for i := range l.Entries {
		e := &l.Entries[i]
		_ = e.Touches(func(t store.Tab, events uint64) {
			if u := at(t); e.Position.Offset > u.Old.Offset {
				u.Events += events
			}
		})
	}
	for _, u := range byTab {
		if u.New.Offset > u.Old.Offset {
			u.Clients = []store.ClientState{{Client: "c", Events: u.Events, State: []byte("state")}}
			list = append(list, *u)
		}
	}
	return list
}

// check returns an error if a store opened again does not hold all that was
// acknowledged, or half of anything, or anything twice.
func (h *history) check(s store.Store, acked int64) error {
	ctx := h.t.Context()
	heads, err := s.Heads(ctx, h.id)
	if err != nil {
		return err
	}
	n := int64(heads[0].Head.Seq)
	if n < acked || n >= int64(len(h.heads)) {
		return fmt.Errorf("watermark %d, %d acknowledged of %d", n, acked, len(h.heads)-1)
	}
	for vb, head := range heads {
		if head.Head != h.heads[n] {
			return fmt.Errorf("vbucket %d: head %+v, want %+v", vb, head.Head, h.heads[n])
		}
		if err := h.checkVB(s, vb, uint64(n)); err != nil {
			return fmt.Errorf("vbucket %d: %w", vb, err)
		}
	}
	if n == 0 {
		return nil
	}
	results, err := s.Append(ctx, h.parts(int(n)))
	if err == nil && results[0].Verdict != store.Duplicate {
		err = fmt.Errorf("the last part again: %v", results[0].Verdict)
	}
	return err
}

func (h *history) checkVB(s store.Store, vb int, n uint64) error {
	l, err := s.Load(h.t.Context(), vb, store.LoadRequest{Records: store.WithClients})
	if err != nil {
		return err
	}
	if l.End.Offset != n {
		return fmt.Errorf("the log ends at %d, want %d", l.End.Offset, n)
	}
	for i := range l.Entries {
		if e := &l.Entries[i]; !bytes.Equal(e.Body, h.body(int(e.Seq))) || e.Seq != e.Position.Offset {
			return fmt.Errorf("entry %d is not part %d", e.Position.Offset, e.Seq)
		}
	}
	var sum uint64
	for _, r := range l.Records {
		sum += r.Events
	}
	for _, u := range folded(l) {
		sum += u.Events
		for _, r := range l.Records {
			if r.Tab == u.Tab {
				sum -= r.Events
			}
		}
	}
	if want := n * (n + 1) / 2; sum != want {
		return fmt.Errorf("%d events, want %d", sum, want)
	}
	st, err := s.Audit(h.t.Context(), vb)
	if err == nil && st.Appended != st.Recorded+st.Tail {
		err = fmt.Errorf("the ledger does not add up: %+v", st)
	}
	return err
}

// checkOn opens the store on a file system and checks it.
func (h *history) checkOn(fs vfs.FS, acked int64) error {
	s, err := pebblestore.Open(options(fs))
	if err != nil {
		return err
	}
	return errors.Join(h.check(s, acked), s.Shutdown())
}
