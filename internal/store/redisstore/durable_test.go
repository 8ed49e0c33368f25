package redisstore_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/redisstore"
)

// TestReplicaHangs: what waits for replicas and what does not.
func TestReplicaHangs(t *testing.T) {
	t.Parallel()
	m, r := redis(t, durable...), redis(t, durable...)
	r.follow(m)
	o := redisstore.Options{Addrs: []string{m.addr}, VBuckets: 2, Timeout: time.Second}
	all := open(t, o)
	o.Wait = redisstore.WaitNone
	noneOf := open(t, o)
	newSender := func(n byte) *sender {
		id, err := all.Open(t.Context(), store.ClassSpool, store.Nonce{n}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return &sender{id: id, parts: make([][]store.Part, 2), acked: make([]int, 2)}
	}
	send := func(s *redisstore.Store, p store.Part) store.PartResult {
		t.Helper()
		results, err := s.Append(t.Context(), []store.Part{p})
		if err != nil {
			t.Fatal(err)
		}
		return results[0]
	}
	// A machine that is slow may also keep the master from answering in time.
	one := func(s *redisstore.Store, p store.Part) (r store.PartResult) {
		t.Helper()
		within(*patience, func() bool { r = send(s, p); return r.Err == nil })
		return r
	}
	done := func(f func() error) {
		t.Helper()
		var err error
		if !within(*patience, func() bool { err = f(); return err == nil }) {
			t.Fatal(err)
		}
	}
	waits := func(what string, f func() error) {
		t.Helper()
		var err error
		if !within(*patience, func() bool { err = f(); return err != nil && strings.Contains(err.Error(), "0 of 1 replicas answered") }) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	a, b := newSender(1), newSender(2)
	first := a.seal(0)
	if got := one(all, first); got.Head.Seq != 1 || got.Stable != 1 || got.Epoch != store.Epoch(all.Meta().ID) {
		t.Errorf("got %+v", got)
	}
	closed := newSender(3)
	done(func() error {
		_, err := noneOf.Close(t.Context(), closed.id, store.Token{1})
		return err
	})

	r.signal(syscall.SIGSTOP)
	waits("a duplicate", func() error { return send(all, first).Err })
	waits("a part", func() error { return send(all, b.seal(0)).Err })
	waits("a query", func() error {
		_, err := all.Load(t.Context(), 0, store.LoadRequest{})
		return err
	})
	if got := one(noneOf, first); got.Verdict != store.Duplicate || got.Stable != 0 {
		t.Errorf("without waiting: got %+v", got)
	}
	done(func() error {
		_, err := noneOf.Load(t.Context(), 0, store.LoadRequest{})
		return err
	})
	waits("the end of an id", func() error {
		_, err := noneOf.Close(t.Context(), a.id, store.Token{1})
		return err
	})
	waits("that an id has ended", func() error { return send(noneOf, closed.seal(0)).Err })

	r.signal(syscall.SIGCONT)
	if got := one(noneOf, closed.seal(0)); got.Verdict != store.SourceClosed {
		t.Errorf("got %+v", got)
	}
	var c store.Closed
	done(func() (err error) {
		c, err = noneOf.Close(t.Context(), a.id, store.Token{2})
		return err
	})
	if c.Token != (store.Token{1}) {
		t.Errorf("got %+v: the first closer's answer was lost, not his close", c)
	}
	if got := one(all, b.seal(0)); got.Verdict != store.Duplicate || got.Stable != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestEpoch: it changes when a server starts anew.
func TestEpoch(t *testing.T) {
	t.Parallel()
	m := redis(t)
	s := open(t, redisstore.Options{Addrs: []string{m.addr}, VBuckets: 1})
	epoch := func() (e store.Epoch) {
		t.Helper()
		if !within(*patience, func() bool {
			l, err := s.Load(t.Context(), 0, store.LoadRequest{})
			if err == nil {
				e = l.Epoch
			}
			return err == nil
		}) {
			t.Fatal("it cannot be read")
		}
		return e
	}
	first := epoch()
	if first != store.Epoch(s.Meta().ID) {
		t.Errorf("of a new store: got %x", first)
	}
	m.Kill()
	m.start()
	if second := epoch(); second == first {
		t.Error("the epoch is the same after a restart")
	}
}

// TestOneMeasures: several servers collect garbage, each with the time since its
// own last pass. The horizons rise no faster than time goes by, and whoever is
// left goes on.
func TestOneMeasures(t *testing.T) {
	t.Parallel()
	m := redis(t)
	created := time.Now().UTC()
	o := redisstore.Options{Addrs: []string{m.addr}, VBuckets: 2, Now: func() time.Time { return created }}
	a, b := open(t, o), open(t, o)
	later := created.Add(1000 * time.Hour) // a clock that jumped ahead does not hold them back
	pass := func(s *redisstore.Store, want time.Duration) {
		t.Helper()
		if _, err := s.GC(t.Context(), time.Hour, later); err != nil {
			t.Fatal(err)
		}
		id, err := s.Open(t.Context(), store.ClassDirect, store.Nonce{}, time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		if got := time.UnixMilli(id.Birth).Sub(created.Add(-store.ClassDirect.Age())).Round(time.Second); got != want {
			t.Errorf("the horizon has risen by %v, want %v", got, want)
		}
	}
	pass(a, 1*time.Hour)
	pass(b, 1*time.Hour) // a's time passed before b's ended: it begins to measure
	pass(a, 2*time.Hour)
	pass(b, 2*time.Hour)
	pass(a, 3*time.Hour)
	if err := a.Shutdown(); err != nil {
		t.Fatal(err)
	}
	pass(b, 3*time.Hour)
	pass(b, 4*time.Hour) // nobody passed meanwhile
	pass(b, 5*time.Hour)
}
