package pebblestore

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/seglog"
)

// again checks that what decoded is written in a way that decodes to the same.
func again[T any](t *testing.T, v []byte, decode func([]byte) (T, error), encode func(T) []byte) {
	t.Helper()
	got, err := decode(v)
	if err != nil {
		return
	}
	if same, err := decode(encode(got)); err != nil || !reflect.DeepEqual(got, same) {
		t.Errorf("%x is %+v, which is written and read as %+v: %v", v, got, same, err)
	}
}

// FuzzValues: whatever the bytes, no decoder of the store's values and keys
// panics, and what one takes it takes again.
func FuzzValues(f *testing.F) {
	f.Add(encodeMeta(store.Meta{ID: [16]byte{1}, Created: time.Unix(1, 2), Format: 3, Partition: store.Partition{Version: 1, VBuckets: 4, Key: 5}}))
	f.Add(encodeHorizons(store.Horizons{Spool: 1, Direct: -1}))
	f.Add(appendRow(nil, store.Row{Head: store.Head{Seq: 300, Chain: store.Chain{1}}, Closed: true, Token: store.Token{2}}))
	f.Add((&ledger{events: 1, deleted: 1 << 40}).encode())
	f.Add((&record{position: store.Position{Offset: 9, Identity: 8}, events: 7, all: 1}).encode())
	f.Add(appendClient(nil, &store.ClientState{Events: 5, State: []byte("state")}))
	f.Add(appendPlace(nil, []seglog.Piece{{Segment: 3, Offset: 1 << 30, Length: 20000, Sum: 1}, {Segment: 3, Offset: 1<<30 + 20000, Length: 7}}))
	f.Add(append([]byte{2, 0, 5, 1, 1, 6, 2}, make([]byte, pebbleHeader)...))
	f.Add(tabKey(nil, kindHead, 2, store.Tab{Namespace: "n\x00", Name: "\x00\xff", Type: "Gauge"}))
	for _, e := range []store.Entry{
		{Kind: store.KindPartials, Source: store.SourceID{Birth: 1, Class: store.ClassSpool}, Seq: 2, Events: 3, Body: []byte("\x01outline")},
		{Kind: store.KindPrune, Command: store.Command{Kind: store.KindPrune, At: 1.5}},
		{Kind: store.KindDelete, Command: store.Command{Kind: store.KindDelete, Names: []store.TabName{{Name: "a"}, {Namespace: "n", Name: "b"}}}},
	} {
		f.Add(appendHead(nil, &head{entry: e, events: 4, bytes: 5}))
		f.Add(appendHead(nil, &head{entry: e, events: 4, bytes: 5, size: 6, sections: []int{1, 7}}))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		again(t, v, decodeMeta, encodeMeta)
		again(t, v, decodeHorizons, encodeHorizons)
		again(t, v, decodeRow, func(r store.Row) []byte { return appendRow(nil, r) })
		again(t, v, func(v []byte) (l ledger, err error) { err = l.decode(v); return l, err }, func(l ledger) []byte { return l.encode() })
		again(t, v, func(v []byte) (r record, err error) { err = r.decode(v); return r, err }, func(r record) []byte { return r.encode() })
		_, _, _ = decodeClient(v)
		again(t, v, func(v []byte) ([]seglog.Piece, error) { return decodePlace(nil, v) }, func(p []seglog.Piece) []byte { return appendPlace(nil, p) })
		for pieces := range 4 {
			if bodies, batch, err := decodeCommit(v, pieces); err == nil && len(bodies)+len(batch) > len(v)+pieces {
				t.Errorf("%d bodies and %d bytes come from %d", len(bodies), len(batch), len(v))
			}
		}
		fuzzHead(t, v)
		if len(v) >= vbLen {
			if tab, ok := tabOf(v); ok {
				if same, ok := tabOf(tabKey(nil, v[0], 0, tab)); !ok || same != tab {
					t.Errorf("the tab %+v is read back as %+v", tab, same)
				}
			}
		}
	})
}

func fuzzHead(t *testing.T, v []byte) {
	var h, same head
	if h.decode(7, v) != nil {
		return
	}
	outline := store.NewBodyReader(h.entry.Body)
	for _, n := range h.sections {
		outline.Cut(n)
	}
	w := appendHead(nil, &h)
	if err := same.decode(7, w); err != nil || !bytes.Equal(appendHead(nil, &same), w) {
		t.Errorf("the head %x is written and read as %x: %v", v, w, err)
	}
}
