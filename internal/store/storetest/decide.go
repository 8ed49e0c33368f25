package storetest

import (
	"slices"

	"github.com/tabaproject/taba/internal/store"
)

func testMeta(e *env) {
	m := e.Store.Meta()
	equal(e, "vbuckets", m.Partition.VBuckets, vbuckets)
	equal(e, "partition version", m.Partition.Version, 1)
	equal(e, "created", m.Created.UTC(), created)
	if m.ID == ([16]byte{}) || m.Partition.Key == 0 {
		e.Errorf("a new store has no identity of its own: %+v", m)
	}
	other := e.open(e.T, Config{VBuckets: 1, Created: created}).Store.Meta()
	if other.ID == m.ID || other.Partition.Key == m.Partition.Key {
		e.Error("two stores have the same identity")
	}
}

func testApply(e *env) {
	s := e.newSender(1)
	p := s.next(0, body(3, "a", "b"))
	r := e.append(store.Applied, p)[0]
	equal(e, "head", r.Head, store.Head{Seq: 1, Chain: p.Chain})
	equal(e, "offset", r.Position.Offset, 1)
	equal(e, "epoch", r.Epoch, store.Epoch(e.Store.Meta().ID))

	got := e.load(store.LoadRequest{}).Entries[0]
	equal(e, "kind", got.Kind, store.KindPartials)
	equal(e, "source", got.Source, s.id)
	equal(e, "seq", got.Seq, 1)
	equal(e, "events", got.Events, 6)
	if !slices.Equal(got.Body, p.Body) {
		e.Errorf("body: got %x, want %x", got.Body, p.Body)
	}
}

func testDuplicate(e *env) {
	s := e.newSender(1)
	first, second := s.next(0, body(1, "a")), s.next(0, body(2, "a"))
	e.append(store.Applied, first)
	e.append(store.Duplicate, first)
	e.append(store.Applied, second)
	r := e.append(store.Duplicate, second)[0]
	equal(e, "head", r.Head, s.heads[0])
	// An older part than the last looks like another history to the store;
	// the sender finds the answer's head on its own chain.
	r = e.append(store.Forked, first)[0]
	equal(e, "head", r.Head, s.heads[0])
	equal(e, "entries", len(e.load(store.LoadRequest{}).Entries), 2)
}

func testGap(e *env) {
	s := e.newSender(1)
	first, second := s.next(0, body(1, "a")), s.next(0, body(2, "a"))
	r := e.append(store.Gap, second)[0]
	equal(e, "head", r.Head, store.Head{})
	e.append(store.Applied, first, second)
}

func testForked(e *env) {
	s := e.newSender(1)
	base := s.heads[0]
	e.append(store.Applied, s.next(0, body(1, "a")))
	forked := func(what string, p store.Part) {
		e.Helper()
		r, err := e.Store.Append(e.ctx, []store.Part{p})
		e.ok(err)
		equal(e, what, r[0].Verdict, store.Forked)
		equal(e, what+": head", r[0].Head, s.heads[0])
	}
	forked("same seq, other bytes", seal(s.id, 0, base, 1, body(1, "b")))
	forked("higher seq, same prev", seal(s.id, 0, base, 2, body(1, "b")))
	other := store.Head{Seq: 1, Chain: store.Chain{9}}
	forked("right prev, other chain", seal(s.id, 0, other, 2, body(1, "b")))
	wrong := seal(s.id, 0, s.heads[0], 2, body(1, "b"))
	wrong.Digest[0]++
	forked("a chain that is not of its bytes", wrong)
	forked("seq not after prev", seal(s.id, 0, s.heads[0], 1, body(1, "b")))
	equal(e, "entries", len(e.load(store.LoadRequest{}).Entries), 1)
}

func testSeveral(e *env) {
	a, b := e.newSender(1), e.newSender(2)
	first, second, third := a.next(0, body(1, "a")), a.next(0, body(2, "a")), a.next(0, body(3, "a"))
	parts := []store.Part{
		first, b.next(0, body(4, "b")), second, second,
		a.next(1, body(5, "c")), b.next(2, body(6, "d")),
		seal(a.id, 0, store.Head{}, 1, body(7, "x")), third,
	}
	results, err := e.Store.Append(e.ctx, parts)
	e.ok(err)
	var got []store.Verdict
	for _, r := range results {
		got = append(got, r.Verdict)
	}
	want := []store.Verdict{
		store.Applied, store.Applied, store.Applied, store.Duplicate,
		store.Applied, store.Applied, store.Forked, store.Applied,
	}
	if !slices.Equal(got, want) {
		e.Errorf("verdicts: got %v, want %v", got, want)
	}
	if got := offsets(e.load(store.LoadRequest{})); !slices.Equal(got, []uint64{1, 2, 3, 4}) {
		e.Errorf("offsets in vbucket 0: got %v", got)
	}
	e.balanced()
}

// testBadParts: what no protocol can send does no harm and stops nobody.
func testBadParts(e *env) {
	s := e.newSender(1)
	nothing := store.Part{Source: s.id} // equal to the head of a Source that sent nothing
	elsewhere := s.next(0, body(1, "a"))
	elsewhere.VB = vbuckets
	malformed := seal(s.id, 0, store.Head{}, 1, []byte{1, 200})
	var w store.BodyWriter
	w.Tab(tab("a"))
	w.Partial("c", 1, func(dst []byte) []byte { return dst })
	miscounted := slices.Clone(w.Bytes())
	miscounted[len(miscounted)-2] = 2 // events of the Partial
	good := seal(s.id, 0, store.Head{}, 1, body(1, "a"))

	results, err := e.Store.Append(e.ctx, []store.Part{nothing, elsewhere, malformed, seal(s.id, 0, store.Head{}, 1, miscounted), good})
	e.ok(err)
	equal(e, "nothing", results[0].Verdict, store.Forked)
	for i, what := range []string{"another vbucket", "a malformed body", "a miscounted body"} {
		if r := results[i+1]; r.Err == nil || r.Verdict != store.Unknown {
			e.Errorf("%s: got verdict %v and no error", what, r.Verdict)
		}
	}
	equal(e, "the good one", results[4].Verdict, store.Applied)
	e.balanced()
}
