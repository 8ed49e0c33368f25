package query

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tabaproject/taba/internal/query/eval"
	"github.com/tabaproject/taba/internal/query/lang"
)

// feedTest is live with evaluations that take as long as they are told.
type feedTest struct {
	*live
	runs  atomic.Int64
	takes time.Duration
	until time.Duration // after which an answer has changed by itself
	err   error
}

func newFeedTest(takes time.Duration) *feedTest {
	x := &feedTest{takes: takes}
	x.live = newLive(func(ctx context.Context, _ *lang.Query) (*eval.Answer, error) {
		x.runs.Add(1)
		time.Sleep(x.takes) // of the bubble's clock
		a := &eval.Answer{}
		if x.until > 0 {
			a.Until = float64(time.Now().Add(x.until).UnixMicro()) / 1e6
		}
		return a, x.err
	}, time.Now)
	return x
}

func (x *feedTest) join(t *testing.T, text string, every time.Duration) *feed {
	t.Helper()
	q, err := lang.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	f, err := x.live.join(q, every)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestOneEvaluationForAll: however many watch, a query is evaluated once, and no
// more when nobody does.
func TestOneEvaluationForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newFeedTest(time.Millisecond)
		defer x.close()
		f := x.join(t, "count(a)", 0)
		for range 99 {
			if x.join(t, "count( a )", 0) != f {
				t.Fatal("the same query is another feed")
			}
		}
		synctest.Wait()
		time.Sleep(time.Hour)
		if n := x.runs.Load(); n != 1 {
			t.Errorf("evaluated %d times, while nothing was committed", n)
		}
		x.committed()
		time.Sleep(time.Hour)
		if n := x.runs.Load(); n != 2 {
			t.Errorf("evaluated %d times after one commit", n)
		}
		for range 100 {
			x.leave(f)
		}
		x.committed()
		time.Sleep(time.Hour)
		if n := x.runs.Load(); n != 2 || len(x.feeds) != 0 {
			t.Errorf("evaluated %d times, the last when nobody watched; %d feeds", n, len(x.feeds))
		}
	})
}

// TestPace: evaluations follow commits and take a tenth of the time, those of
// all queries together.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newFeedTest(10 * time.Millisecond)
		defer x.close()
		x.join(t, "a", 0)
		run := func(d time.Duration) int64 {
			before := x.runs.Load()
			for end := time.Now().Add(d); time.Now().Before(end); {
				x.committed()
				time.Sleep(time.Millisecond)
			}
			return x.runs.Load() - before
		}
		run(time.Second)
		// One begins every 100 ms: with those at both ends they are one more than there are intervals.
		if n := run(100 * time.Second); n < 900 || n > 1001 {
			t.Errorf("one query was evaluated %d times in 100 s, of 10 ms each", n)
		}
		for _, text := range []string{"b", "c", "d"} {
			x.join(t, text, 0)
		}
		run(10 * time.Second)
		if n := run(100 * time.Second); n < 850 || n > 1100 {
			t.Errorf("four queries were evaluated %d times in 100 s, of 10 ms each", n)
		}
	})
}

func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newFeedTest(time.Millisecond)
		defer x.close()
		x.join(t, "a", 5*time.Second)
		for range 100_000 {
			x.committed()
			time.Sleep(time.Millisecond)
		}
		if n := x.runs.Load(); n < 19 || n > 21 {
			t.Errorf("evaluated %d times in 100 s, want every 5 s", n)
		}
	})
}

// TestWindowsRoll: an answer changes when a bucket leaves its window, without
// any commit.
func TestWindowsRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newFeedTest(time.Millisecond)
		x.until = 10 * time.Second
		defer x.close()
		x.join(t, "a", 0)
		time.Sleep(100*time.Second - time.Millisecond)
		if n := x.runs.Load(); n != 10 {
			t.Errorf("evaluated %d times in 100 s, want every 10 s", n)
		}
	})
}

// TestSubscribersSkip: who is slow gets the latest answer and not those before.
func TestSubscribersSkip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newFeedTest(time.Millisecond)
		defer x.close()
		f := x.join(t, "a", 0)
		u, err := x.after(t.Context(), f, nil)
		if err != nil || u.id != 1 {
			t.Fatal(u, err)
		}
		for range 10 {
			x.committed()
			time.Sleep(time.Second)
		}
		if u, err = x.after(t.Context(), f, u); err != nil || u.id != 11 {
			t.Errorf("the update after the first is %+v, %v", u, err)
		}
		x.end()
		if _, err := x.after(t.Context(), f, u); !errors.Is(err, errEnded) {
			t.Errorf("after the end: %v", err)
		}
		if _, err := x.live.join(f.query, 0); err == nil {
			t.Error("a query was taken after the end")
		}
	})
}

func TestEvaluationsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newFeedTest(time.Millisecond)
		x.err = &eval.LimitError{Message: "too much"}
		defer x.close()
		f := x.join(t, "a", 0)
		u, err := x.after(t.Context(), f, nil)
		if err != nil || string(u.text) != "id: 1\nevent: error\ndata: {\"error\":{\"code\":\"limit\",\"message\":\"too much\"}}\n\n" {
			t.Errorf("%s %v", u.text, err)
		}
	})
}
