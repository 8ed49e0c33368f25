package storetest

import (
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// testBirth: rule 1.
func testBirth(e *env) {
	born := func(now time.Time) int64 {
		id, err := e.Store.Open(e.ctx, store.ClassDirect, store.Nonce{1}, now)
		e.ok(err)
		equal(e, "class", id.Class, store.ClassDirect)
		equal(e, "nonce", id.Nonce, store.Nonce{1})
		return id.Birth
	}
	equal(e, "birth", born(created), created.UnixMilli())
	horizon := created.Add(-store.ClassDirect.Age())
	equal(e, "birth with a clock long ago", born(created.Add(-1000*time.Hour)), horizon.UnixMilli())
}

// testUnknown: rule 5.
func testUnknown(e *env) {
	f := func(class store.Class, age time.Duration, want store.Verdict) {
		e.Helper()
		id := store.SourceID{Birth: created.Add(-age).UnixMilli(), Class: class, Nonce: store.Nonce{byte(class), byte(want)}}
		first := seal(id, 0, store.Head{}, 1, body(1, "a"))
		e.append(want, first)
	}
	f(store.ClassSpool, store.ClassSpool.Age(), store.Applied)
	f(store.ClassSpool, store.ClassSpool.Age()+time.Millisecond, store.SourceGone)
	f(store.ClassDirect, store.ClassDirect.Age(), store.Applied)
	f(store.ClassDirect, store.ClassDirect.Age()+time.Millisecond, store.SourceGone)
	f(store.Class(77), 0, store.SourceGone)

	// Not known here, though it has sent: a gap that it fills, never gone.
	id := store.SourceID{Birth: created.UnixMilli(), Class: store.ClassSpool, Nonce: store.Nonce{9}}
	e.append(store.Gap, seal(id, 0, store.Head{Seq: 5, Chain: store.Chain{1}}, 6, body(1, "a")))
}

// testClose: rule 3.
func testClose(e *env) {
	s := e.newSender(1)
	last := s.next(0, body(1, "a"))
	e.append(store.Applied, last)
	mine, other := store.Token{1}, store.Token{2}

	check := func(c store.Closed) {
		e.Helper()
		equal(e, "token", c.Token, mine)
		equal(e, "heads", len(c.Heads), vbuckets)
		for vb, h := range c.Heads {
			equal(e, "vbucket", h.VB, vb)
			equal(e, "verdict", h.Verdict, store.SourceClosed)
			equal(e, "head", h.Head, s.heads[vb])
			equal(e, "epoch", h.Epoch, store.Epoch(e.Store.Meta().ID))
		}
	}
	for _, token := range []store.Token{mine, mine, other} {
		c, err := e.Store.Close(e.ctx, s.id, token)
		e.ok(err)
		check(c)
	}
	e.append(store.Duplicate, last)
	r := e.append(store.SourceClosed, s.next(0, body(2, "a")))[0]
	equal(e, "token", r.Token, mine)
	equal(e, "head", r.Head, store.Head{Seq: last.Seq, Chain: last.Chain})
	e.append(store.SourceClosed, seal(s.id, 1, store.Head{}, 1, body(1, "b")))
	e.append(store.SourceClosed, seal(s.id, 0, store.Head{}, 1, body(1, "b")))
	equal(e, "entries", len(e.load(store.LoadRequest{}).Entries), 1)
}

func testCloseUnused(e *env) {
	s := e.newSender(1)
	_, err := e.Store.Close(e.ctx, s.id, store.Token{1})
	e.ok(err)
	e.append(store.SourceClosed, s.next(0, body(1, "a")))
	e.append(store.SourceClosed, store.Part{Source: s.id})

	gone := store.SourceID{Birth: 1, Class: store.ClassSpool}
	c, err := e.Store.Close(e.ctx, gone, store.Token{1})
	e.ok(err)
	equal(e, "verdict", c.Heads[0].Verdict, store.SourceGone)
	e.append(store.SourceGone, seal(gone, 0, store.Head{}, 1, body(1, "a")))
}

// testGC: rows go in the same transaction in which the horizon passes them.
func testGC(e *env) {
	old := e.newSender(1)
	e.append(store.Applied, old.next(0, body(1, "a")), old.next(2, body(1, "b")))
	closed := e.newSender(2)
	_, err := e.Store.Close(e.ctx, closed.id, store.Token{})
	e.ok(err)
	age := store.ClassSpool.Age()
	gc := func(elapsed time.Duration, now time.Time) int {
		n, err := e.Store.GC(e.ctx, elapsed, now)
		e.ok(err)
		return n
	}
	equal(e, "removed at the age", gc(age, created.Add(age)), 0)
	e.append(store.Applied, old.next(0, body(1, "a")))

	young, err := e.Store.Open(e.ctx, store.ClassSpool, store.Nonce{3}, created.Add(time.Hour))
	e.ok(err)
	e.append(store.Applied, seal(young, 0, store.Head{}, 1, body(1, "a")))
	equal(e, "removed past it", gc(age, created.Add(age+time.Millisecond)), 2+vbuckets)
	e.append(store.SourceGone, old.next(0, body(1, "a")))
	e.append(store.SourceGone, closed.next(0, body(1, "a")))
	e.append(store.Duplicate, seal(young, 0, store.Head{}, 1, body(1, "a")))
	heads, err := e.Store.Heads(e.ctx, old.id)
	e.ok(err)
	equal(e, "verdict", heads[0].Verdict, store.SourceGone)
	equal(e, "head", heads[0].Head, store.Head{})
}

// testGCClock: a clock that jumps ahead does not make live ids unknown.
func testGCClock(e *env) {
	s := e.newSender(1)
	e.append(store.Applied, s.next(0, body(1, "a")))
	jump := created.Add(10 * 365 * 24 * time.Hour)
	for _, elapsed := range []time.Duration{0, -time.Hour, time.Hour} {
		n, err := e.Store.GC(e.ctx, elapsed, jump)
		e.ok(err)
		equal(e, "removed", n, 0)
	}
	// The clock is back; horizons do not go back with it.
	n, err := e.Store.GC(e.ctx, 365*24*time.Hour, created)
	e.ok(err)
	equal(e, "removed", n, 0)
	e.append(store.Applied, s.next(0, body(1, "a")))
	unused := store.SourceID{Birth: created.Add(-store.ClassSpool.Age() + 59*time.Minute).UnixMilli(), Class: store.ClassSpool}
	e.append(store.SourceGone, seal(unused, 0, store.Head{}, 1, body(1, "a")))
}

func testHeads(e *env) {
	s := e.newSender(1)
	heads, err := e.Store.Heads(e.ctx, s.id)
	e.ok(err)
	equal(e, "heads", len(heads), vbuckets)
	equal(e, "head before the first part", heads[1].Head, store.Head{})
	equal(e, "verdict", heads[1].Verdict, store.Applied)
	e.append(store.Applied, s.next(1, body(1, "a")), s.next(1, body(2, "a")), s.next(2, body(2, "a")))
	heads, err = e.Store.Heads(e.ctx, s.id)
	e.ok(err)
	for vb, h := range heads {
		equal(e, "vbucket", h.VB, vb)
		equal(e, "head", h.Head, s.heads[vb])
	}
	_, err = e.Store.Close(e.ctx, s.id, store.Token{})
	e.ok(err)
	heads, err = e.Store.Heads(e.ctx, s.id)
	e.ok(err)
	equal(e, "verdict", heads[0].Verdict, store.SourceClosed)
}
