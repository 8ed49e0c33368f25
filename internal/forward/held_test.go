package forward

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
)

// TestAHeldVBucketHoldsUpNothingElse: for an hour one of two vbuckets is away.
// What is for the other is counted, Batches become rarer but not rare, and in the
// end everything is counted once.
func TestAHeldVBucketHoldsUpNothingElse(t *testing.T) {
	w := newWorld(t, 1, 2)
	a := w.start(vfs.NewCrashableMem(), Config{})
	work := func() {
		for a.step() { // until it rests
		}
	}
	work()
	a.append()
	work()
	w.down = func(vb int) bool { return vb == 1 }
	began, late := w.now, time.Duration(0)
	for range 300 {
		a.append()
		asked := w.now
		if name := nameOf(w.names); w.shelf.part.Of("", name) == 0 {
			for work(); w.shelf.count(name) == 0; work() {
				w.now += 500 * time.Millisecond
			}
			late = max(late, w.now-asked)
		}
		w.now = max(w.now, asked+12*time.Second)
		work()
	}
	sealed := a.f.m.counts.Sealed
	if most := (w.now - began) / pacing; late > most+time.Second {
		t.Errorf("what is for the other vbucket came as late as %v, want at most %v", late, most)
	}
	if sealed > 302 {
		t.Errorf("%d Batches of 300 records", sealed)
	}
	if st := a.f.Status(); st.Held != 1 || st.HeldEvents == 0 {
		t.Errorf("held: %d vbuckets, %d events", st.Held, st.HeldEvents)
	}
	w.down = nil
	w.settle(a)
	w.check(a)
	if st := a.f.Status(); st.Held != 0 || st.HeldEvents != 0 || len(a.f.m.holds) != 0 {
		t.Errorf("when it is back: %+v", st)
	}
}

// TestAHeldVBucketIsTriedWithOnePart: what is not known to be taken is not sent
// whole.
func TestAHeldVBucketIsTriedWithOnePart(t *testing.T) {
	w, a := oneVB(t, Config{})
	a.do("open write")
	most := 0
	w.onSend = func(b *wire.Batch) { most = max(most, len(b.Parts)) }
	w.down = func(int) bool { return true }
	for range 10 {
		a.append()
		for a.step() { // until it rests
		}
		w.now += time.Second
	}
	if a.f.m.counts.Sealed < 5 || most != 1 {
		t.Errorf("%d Batches, %d parts in a request", a.f.m.counts.Sealed, most)
	}
	w.down = nil
	w.settle(a)
	w.check(a)
	if most < 5 {
		t.Errorf("what waited was sent %d parts at a time", most)
	}
}

// cutOff is a pipe of which one server does not reach a vbucket.
type cutOff struct {
	*pipe
	server string
	vb     int
}

func (c *cutOff) Send(_ context.Context, server string, b *wire.Batch) (reply wire.BatchReply, err error) {
	leave, err := c.enter(server, "send")
	if err != nil {
		return reply, err
	}
	defer leave()
	reply.Results = c.shelf.append(b, func(vb int) bool { return server == c.server && vb == c.vb })
	for i := range reply.Results {
		if r := &reply.Results[i]; r.Err != nil {
			r.Err = &StatusError{Code: 503, RetryAfter: time.Second, Message: "away"}
		}
	}
	return reply, nil
}

// TestAServerThatDoesNotReachAShard: its parts of that shard go to another, for a
// while, and all else still to it.
func TestAServerThatDoesNotReachAShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(true)
		p.shelf = newShelf(8)
		servers := []string{"a", "b"}
		pick := newTestPicker(t, servers, half)
		routes := pick.route(8, 0)
		vb := slices.Index(routes, 0)
		c := &cutOff{pipe: p, server: "a", vb: vb}
		f := openForwarder(t, vfs.NewMem(), c, servers...)
		for i := range 200 {
			appendSome(t, f, 5*i+1, 5*i+5)
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		st := f.Status()
		if st.BacklogEvents != 0 {
			t.Errorf("%d events wait although a server takes them", st.BacklogEvents)
		}
		for _, s := range st.Servers {
			if s.Away != 0 || s.Share != 1 || s.VBuckets == 0 {
				t.Errorf("a server is blamed: %+v", s)
			}
		}
		if refused := st.Counts.Refused; refused == 0 || refused > 10 {
			t.Errorf("%d parts were refused", refused)
		}
		mustClose(t, f)
		if got := p.total(); got != 1000 {
			t.Errorf("counted %d, want 1000", got)
		}
	})
}

// TestHeadsThatFailBlameNobody: they need every shard.
func TestHeadsThatFailBlameNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(false)
		heads := 0
		p.before = func(_, what string) error {
			if what == "heads" {
				heads++
				return &StatusError{Code: 503, RetryAfter: time.Second, Message: "a shard is away"}
			}
			return nil
		}
		f := openForwarder(t, vfs.NewMem(), p, "a", "b")
		for i := range 60 {
			appendSome(t, f, i+1, i+1)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		for _, s := range f.Status().Servers {
			if s.Away != 0 {
				t.Errorf("a server is left alone: %+v", s)
			}
		}
		if heads < 3 || heads > 10 {
			t.Errorf("heads were asked for %d times in a minute", heads)
		}
		mustClose(t, f)
	})
}

// TestBatchesBecomeRarer with the time for which something is held.
func TestBatchesBecomeRarer(t *testing.T) {
	m := NewMachine(Config{}, store.Token{})
	m.holds[0] = &hold{}
	n := 0
	for at := time.Second; at < time.Hour; at = max(m.pace(), at+time.Millisecond) {
		m.sealedAt = at
		n++
	}
	if n < 3000 || n > 5000 {
		t.Errorf("%d Batches in an hour, want some 4,000", n)
	}
}

func TestAskedFor(t *testing.T) {
	err := error(&unavailableError{vb: 3, err: &StatusError{Code: 503, RetryAfter: 2 * time.Second}})
	if got := askedFor(err); got != 2*time.Second {
		t.Errorf("asked for %v", got)
	}
	if got := askedFor(errors.New("no answer")); got != 0 {
		t.Errorf("asked for %v", got)
	}
	if e := graver(&unavailableError{news: true, vb: 1}, &unavailableError{vb: 2}); e.vb != 1 {
		t.Errorf("told of vbucket %d", e.vb)
	}
}
