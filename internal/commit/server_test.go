package commit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state/builtin"
)

// watched is a store that counts calls and fails when told to.
type watched struct {
	*store.Mem
	mu      sync.Mutex
	sources map[store.SourceID]int // own parts appended
	fail    error                  // returned by Append after it appended
	slow    time.Duration
}

func watch(o store.MemOptions) *watched {
	return &watched{Mem: store.NewMem(o), sources: map[store.SourceID]int{}}
}

func (w *watched) Append(ctx context.Context, parts []store.Part) ([]store.PartResult, error) {
	time.Sleep(w.slow) // virtual
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range parts {
		w.sources[parts[i].Source]++
	}
	r, err := w.Mem.Append(ctx, parts)
	if w.fail != nil {
		return nil, w.fail
	}
	return r, err
}

// appended is the number of events in the store.
func (w *watched) appended(t *testing.T) (n uint64) {
	t.Helper()
	for vb := range w.Meta().Partition.VBuckets {
		s, err := w.Stats(t.Context(), vb)
		if err != nil {
			t.Fatal(err)
		}
		n += s.Appended
	}
	return n
}

func newTestServer(w *watched) *Server {
	return NewServer(ServerOptions{Store: w, Registry: builtin.Registry()})
}

func TestServerCommitsEveryVBucket(t *testing.T) {
	for _, v := range []int{1, 4} {
		w := watch(store.MemOptions{VBuckets: v})
		s := newTestServer(w)
		acc := folded(t, 50, 1)
		if err := s.Commit(t.Context(), acc, nil); err != nil {
			t.Fatal(err)
		}
		if got := w.appended(t); got != 50 || !acc.Empty() || len(w.sources) != v {
			t.Errorf("V = %d: %d events under %d sources, want 50 under %d", v, got, len(w.sources), v)
		}
	}
}

func TestServerAbandonsASourceInDoubt(t *testing.T) {
	w := watch(store.MemOptions{})
	s := newTestServer(w)
	w.fail = errors.New("the connection was lost after the write")
	if err := s.Commit(t.Context(), folded(t, 1, 1), nil); !errors.Is(err, w.fail) {
		t.Fatalf("got %v, want %v", err, w.fail)
	}
	w.fail = nil
	if err := s.Commit(t.Context(), folded(t, 1, 1), nil); err != nil {
		t.Fatal(err)
	}
	if len(w.sources) != 2 || w.appended(t) != 2 {
		t.Errorf("%d sources, %d events; want the second commit under a new id, and nothing again", len(w.sources), w.appended(t))
	}
}

func TestServerRotatesItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(store.MemOptions{})
		s := newTestServer(w)
		for range 5 {
			if err := s.Commit(t.Context(), folded(t, 1, 1), nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(store.ClassDirect.Age() / 4)
			if _, err := w.GC(t.Context(), store.ClassDirect.Age()/4, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		if len(w.sources) != 3 || w.appended(t) != 5 {
			t.Errorf("%d sources over five quarters of the age, %d events; want 3 and 5", len(w.sources), w.appended(t))
		}
	})
}

func TestServerAppendsPartsBesideItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(store.MemOptions{})
		w.slow = time.Second
		s := newTestServer(w)
		id, err := w.Open(t.Context(), store.ClassSpool, store.Nonce{1}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		body, events := folded(t, 2, 1).EncodeAll(nil)
		part := store.Part{Source: id, Seq: 1, Digest: wire.DigestOf(body), Events: events, Body: body}
		part.Chain = store.NextChain(store.Chain{}, 1, 0, part.Digest)
		forked := part
		forked.Chain = store.Chain{9}

		var wg sync.WaitGroup
		for range 3 { // the first is in flight, the others accrue
			wg.Go(func() {
				if err := s.Commit(t.Context(), folded(t, 1, 1), nil); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		r, err := s.Append(t.Context(), []store.Part{part, part, forked})
		wg.Wait()
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(r[0].Verdict, " ", r[1].Verdict, " ", r[2].Verdict)
		if got != "applied duplicate forked" || w.appended(t) != 5 || s.Commits() != 2 {
			t.Errorf("verdicts %s, %d events, %d commits; want applied duplicate forked, 5, 2", got, w.appended(t), s.Commits())
		}
		if _, err := s.Append(t.Context(), []store.Part{{VB: 7}}); err == nil {
			t.Error("a part for a vbucket that is not there was taken")
		}
		s.Stop()
		if r, _ := s.Append(t.Context(), []store.Part{part}); !errors.Is(r[0].Err, ErrStopped) {
			t.Errorf("after Stop: %+v, want ErrStopped", r)
		}
	})
}

func BenchmarkServerCommit(b *testing.B) {
	s := newTestServer(watch(store.MemOptions{}))
	acc := folded(&testing.T{}, 100, 8)
	body, _ := acc.EncodeAll(nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := acc.AddBody(body, nil); err != nil {
			b.Fatal(err)
		}
		if err := s.Commit(b.Context(), acc, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// hung is a store of which one vbucket hangs until it is let go.
type hung struct {
	*watched
	vb   int
	hang chan struct{} // closed when it goes on
}

func (h *hung) Append(ctx context.Context, parts []store.Part) ([]store.PartResult, error) {
	if parts[0].VB != h.vb {
		return h.watched.Append(ctx, parts)
	}
	select {
	case <-h.hang:
		return h.watched.Append(ctx, parts)
	case <-time.After(time.Second):
		return nil, errors.New("no answer")
	}
}

// TestServerRefusesWhatWouldPileUp: while a vbucket hangs one commit at a time
// waits for it, and the others go on.
func TestServerRefusesWhatWouldPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hung{watched: watch(store.MemOptions{VBuckets: 2}), vb: 1, hang: make(chan struct{})}
		s := NewServer(ServerOptions{Store: h, Registry: builtin.Registry()})
		id, err := h.Open(t.Context(), store.ClassSpool, store.Nonce{1}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		body, events := folded(t, 2, 1).EncodeAll(nil)
		part := func(vb int) store.Part {
			p := store.Part{Source: id, VB: vb, Seq: 1, Digest: wire.DigestOf(body), Events: events, Body: body}
			p.Chain = store.NextChain(store.Chain{}, 1, 0, p.Digest)
			return p
		}
		ask := func(vbs ...int) (took time.Duration, errs []error) {
			var parts []store.Part
			for _, vb := range vbs {
				parts = append(parts, part(vb))
			}
			began := time.Now()
			results, err := s.Append(t.Context(), parts)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				errs = append(errs, r.Err)
			}
			return time.Since(began), errs
		}
		if took, errs := ask(1); took != time.Second || errs[0] == nil {
			t.Fatalf("the first to find out took %v: %v", took, errs)
		}
		var trial sync.WaitGroup
		trial.Go(func() { ask(1) })
		synctest.Wait()
		for range 100 {
			if took, errs := ask(0, 1); took != 0 || errs[0] != nil || !errors.Is(errs[1], errFailing) {
				t.Fatalf("beside one that hangs: %v after %v", errs, took)
			}
		}
		before := h.appended(t)
		if err := s.Commit(t.Context(), folded(t, 50, 1), nil); !errors.Is(err, errFailing) {
			t.Errorf("a post for both: %v", err)
		}
		trial.Wait()
		if err := s.Commit(t.Context(), folded(t, 50, 1), nil); err == nil || errors.Is(err, errFailing) {
			t.Errorf("a post for both that is a trial: %v", err)
		}
		if n := h.appended(t) - before; n != 0 {
			t.Errorf("%d events of posts that were refused are counted", n)
		}
		close(h.hang)
		if _, errs := ask(0, 1); errs[0] != nil || errs[1] != nil {
			t.Errorf("when it goes on: %v", errs)
		}
		if _, errs := ask(1); errs[0] != nil {
			t.Errorf("again: %v", errs)
		}
	})
}
