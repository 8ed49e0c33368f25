package store_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tabaproject/taba/internal/store"
)

// What is hashed is stored and sent: these values must never change.
func TestHashesAreFixed(t *testing.T) {
	chain := store.NextChain(store.Chain{1}, 2, 3, store.Digest{4})
	if got, want := hex.EncodeToString(chain[:]), "53cac9118e7ce0c88cf1e14f104a3228"; got != want {
		t.Errorf("chain: got %s, want %s", got, want)
	}
	e := store.Entry{Kind: store.KindPartials, Source: store.SourceID{Birth: 5, Class: store.ClassSpool, Nonce: store.Nonce{6}}, Seq: 7, Body: []byte("body")}
	p := store.Position{Offset: 8, Identity: 9}.Next(&e)
	if want := (store.Position{Offset: 9, Identity: 4270389698724890937}); p != want {
		t.Errorf("position: got %+v, want %+v", p, want)
	}
	part := store.Partition{Version: 1, VBuckets: 16, Key: 10}
	if got, want := part.Of("", "bids_won"), 1; got != want {
		t.Errorf("vbucket: got %d, want %d", got, want)
	}
}

// TestNextChain: whatever differs, the chain differs.
func TestNextChain(t *testing.T) {
	base := store.NextChain(store.Chain{1}, 2, 1, store.Digest{3})
	for i, other := range []store.Chain{
		store.NextChain(store.Chain{2}, 2, 1, store.Digest{3}),
		store.NextChain(store.Chain{1}, 3, 1, store.Digest{3}),
		store.NextChain(store.Chain{1}, 2, 0, store.Digest{3}),
		store.NextChain(store.Chain{1}, 2, 1, store.Digest{4}),
	} {
		if other == base {
			t.Errorf("%d: another part, the same chain", i)
		}
	}
}

// TestDecide is rule 9, case by case.
func TestDecide(t *testing.T) {
	id := store.SourceID{Birth: 100, Class: store.ClassSpool}
	at := func(seq uint64) store.Head { return store.Head{Seq: seq, Chain: store.Chain{byte(seq)}} }
	part := func(prev store.Head, seq uint64) *store.Part {
		return &store.Part{Source: id, Seq: seq, Prev: prev.Seq, Chain: store.NextChain(prev.Chain, seq, prev.Seq, store.Digest{})}
	}
	f := func(what string, row *store.Row, horizon int64, p *store.Part, want store.Verdict) {
		t.Helper()
		got, after := store.Decide(row, horizon, p)
		if got != want {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
		switch {
		case got == store.Applied:
			if after.Head != (store.Head{Seq: p.Seq, Chain: p.Chain}) {
				t.Errorf("%s: row after: %+v", what, after)
			}
		case row != nil && after != *row:
			t.Errorf("%s: the row has changed to %+v", what, after)
		}
	}
	five := &store.Row{Head: at(5)}
	again := part(at(4), 5)
	again.Chain = at(5).Chain
	f("the next part", five, 0, part(at(5), 6), store.Applied)
	f("the next part, numbers left out", five, 0, part(at(5), 90), store.Applied)
	f("the first part", nil, 100, part(store.Head{}, 1), store.Applied)
	f("the same part", five, 0, again, store.Duplicate)
	f("a later part", five, 0, part(at(6), 7), store.Gap)
	f("a later part of a new Source", nil, 100, part(at(6), 7), store.Gap)
	f("an earlier part", five, 0, part(at(3), 4), store.Forked)
	f("the same number, another chain", five, 0, part(at(4), 5), store.Forked)
	f("the same prev, another chain", five, 0, part(store.Head{Seq: 5, Chain: store.Chain{99}}, 6), store.Forked)
	f("not after its prev", five, 0, part(at(5), 5), store.Forked)
	f("the largest numbers", five, 0, &store.Part{Source: id, Seq: math.MaxUint64, Prev: math.MaxUint64}, store.Gap)
	f("no part at all", nil, 0, &store.Part{Source: id}, store.Forked)

	f("unknown, at the horizon", nil, 100, part(store.Head{}, 1), store.Applied)
	f("unknown, before the horizon", nil, 101, part(store.Head{}, 1), store.SourceGone)
	f("known, before the horizon", five, 101, part(at(5), 6), store.Applied)

	closed := &store.Row{Head: at(5), Closed: true, Token: store.Token{1}}
	f("closed: the last part", closed, 0, again, store.Duplicate)
	f("closed: the next part", closed, 0, part(at(5), 6), store.SourceClosed)
	f("closed: an earlier part", closed, 0, part(at(3), 4), store.SourceClosed)
	f("closed: no part at all", &store.Row{Closed: true}, 0, &store.Part{Source: id}, store.SourceClosed)
}

// TestHorizons: they only grow, by no more than the time that has passed, and
// an id that is given is always honoured.
func TestHorizons(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		created := time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "created"))
		h := store.NewHorizons(created)
		for range rapid.IntRange(1, 20).Draw(t, "passes") {
			now := time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "now"))
			elapsed := time.Duration(rapid.Int64Range(-1, int64(1000*time.Hour)).Draw(t, "elapsed"))
			next := h.Raise(elapsed, now)
			for _, c := range store.Classes {
				from, to := h.Of(c), next.Of(c)
				if to < from || to-from > max(elapsed, 0).Milliseconds() || to > from && to > now.Add(-c.Age()).UnixMilli() {
					t.Fatalf("class %d: from %d to %d after %v at %d", c, from, to, elapsed, now.UnixMilli())
				}
				id := store.SourceID{Class: c, Birth: next.Birth(now)}
				if !store.Known(nil, to, id) || id.Birth < now.UnixMilli() {
					t.Fatalf("class %d: a new id is born at %d, the horizon is %d, now is %d", c, id.Birth, to, now.UnixMilli())
				}
			}
			h = next
		}
	})
}

// TestOutline: it says the same as the body, and any bytes are either refused
// or read to their end.
func TestOutline(t *testing.T) {
	var w store.BodyWriter
	for _, name := range []string{"a", "b"} {
		w.Tab(store.Tab{Namespace: "n", Name: name, Type: "T"})
		for _, c := range []string{"x", "y"} {
			w.Partial(c, 3, func(dst []byte) []byte { return append(dst, "state"...) })
		}
	}
	outline, events, err := store.AppendOutline([]byte("before"), w.Bytes())
	if err != nil || events != 12 || !bytes.HasPrefix(outline, []byte("before")) {
		t.Fatalf("got %q, %d events, %v", outline, events, err)
	}
	e := store.Entry{Body: outline[len("before"):]}
	var got []string
	if err := e.Touches(func(tab store.Tab, events uint64) {
		if events == 6 {
			got = append(got, tab.Namespace+tab.Name+tab.Type)
		}
	}); err != nil || len(got) != 2 || got[0] != "naT" || got[1] != "nbT" {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzOutline(f *testing.F) {
	var w store.BodyWriter
	w.Tab(store.Tab{Name: "a", Type: "T"})
	w.Partial("x", 3, func(dst []byte) []byte { return append(dst, "state"...) })
	f.Add(w.Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		outline, events, err := store.AppendOutline(nil, body)
		if err != nil {
			return
		}
		again, same, err := store.AppendOutline(nil, body)
		if err != nil || same != events || !bytes.Equal(again, outline) || len(outline) > len(body)+10 {
			t.Fatalf("body %x: outline %x, then %x, %v", body, outline, again, err)
		}
		var sum uint64
		if err := (&store.Entry{Body: outline}).Touches(func(_ store.Tab, n uint64) { sum += n }); err != nil || sum != events {
			t.Fatalf("body %x: %d events, the outline has %d, %v", body, events, sum, err)
		}
	})
}

func TestSourceIDText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := store.SourceID{Birth: rapid.Int64().Draw(t, "birth"), Class: store.Class(rapid.Byte().Draw(t, "class"))}
		copy(id.Nonce[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "nonce"))
		if got, err := store.ParseSourceID(id.String()); got != id || err != nil {
			t.Fatalf("got %v, %v, want %v", got, err, id)
		}
	})
	for _, bad := range []string{"", "xyz", "00", id50() + "00"} {
		if _, err := store.ParseSourceID(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func id50() string { return store.SourceID{}.String() }
