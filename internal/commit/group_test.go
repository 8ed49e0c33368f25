package commit

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

type ints struct{ sum, n int }

func newInts() *ints { return &ints{} }

func TestIdleCommitIsOneRequest(t *testing.T) {
	var sizes []int
	g := NewGroup(newInts, func(b *ints) error { sizes = append(sizes, b.n); return nil })
	for range 3 {
		if _, err := g.Do(t.Context(), func(b *ints) { b.n++ }, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(sizes) != 3 || sizes[0] != 1 || sizes[2] != 1 {
		t.Errorf("batch sizes %v, want one request each", sizes)
	}
}

func TestBatchIsWhatAccruedDuringTheLastCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		g := NewGroup(newInts, func(b *ints) error {
			time.Sleep(time.Second) // the commit, in virtual time
			sizes = append(sizes, b.n)
			return nil
		})
		var wg sync.WaitGroup
		do := func() { wg.Go(func() { _, _ = g.Do(t.Context(), func(b *ints) { b.n++ }, nil) }) }
		do()
		synctest.Wait()
		for range 100 {
			do()
		}
		start := time.Now()
		wg.Wait()
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("101 requests took %v, want two commits", got)
		}
		if len(sizes) != 2 || sizes[0] != 1 || sizes[1] != 100 {
			t.Errorf("batch sizes %v, want [1 100]", sizes)
		}
	})
}

func TestOutcomeBelongsToTheBatchOnly(t *testing.T) {
	broken := errors.New("disk")
	fail := true
	g := NewGroup(newInts, func(*ints) error {
		if fail {
			return broken
		}
		return nil
	})
	if _, err := g.Do(t.Context(), func(*ints) {}, nil); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	fail = false
	if _, err := g.Do(t.Context(), func(*ints) {}, nil); err != nil {
		t.Errorf("the next batch got %v", err)
	}
}

func TestPanicIsAnOutcome(t *testing.T) {
	g := NewGroup(newInts, func(*ints) error { panic("bug") })
	if _, err := g.Do(t.Context(), func(*ints) {}, nil); err == nil {
		t.Error("a panic in the sink was taken for success")
	}
	g.Stop() // must not hang
}

func TestCancelledCallerStillCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sum int
		g := NewGroup(newInts, func(b *ints) error { time.Sleep(time.Second); sum += b.n; return nil })
		go func() { _, _ = g.Do(t.Context(), func(b *ints) { b.n++ }, nil) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := g.Do(ctx, func(b *ints) { b.n += 10 }, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		g.Stop()
		if sum != 11 {
			t.Errorf("committed %d, want 11: what was added is committed", sum)
		}
		if _, err := g.Do(ctx, func(b *ints) { b.n += 100 }, nil); err == nil {
			t.Error("work was accepted with a dead context")
		}
	})
}

func TestStopDrainsAndRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sum int
		g := NewGroup(newInts, func(b *ints) error { time.Sleep(time.Second); sum += b.n; return nil })
		for range 5 {
			go func() { _, _ = g.Do(t.Context(), func(b *ints) { b.n++ }, nil) }()
		}
		synctest.Wait()
		g.Stop()
		if sum != 5 {
			t.Errorf("Stop returned with %d of 5 committed", sum)
		}
		if _, err := g.Do(t.Context(), func(*ints) {}, nil); !errors.Is(err, ErrStopped) {
			t.Errorf("got %v, want ErrStopped", err)
		}
	})
}

func TestEveryAdditionIsCommittedOnce(t *testing.T) {
	var total atomic.Int64
	g := NewGroup(newInts, func(b *ints) error { total.Add(int64(b.sum)); return nil })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if _, err := g.Do(t.Context(), func(b *ints) { b.sum++ }, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := total.Load(); got != 4000 {
		t.Errorf("committed %d additions, want 4000", got)
	}
}

func BenchmarkGroup(b *testing.B) {
	g := NewGroup(newInts, func(*ints) error { return nil })
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _ = g.Do(b.Context(), func(b *ints) { b.n++ }, nil)
		}
	})
}
