package view

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/tabaproject/taba/internal/store"
)

// TestPages reads a log one entry at a time.
func TestPages(t *testing.T) {
	st := newFakeStore(1)
	for i := range 20 {
		st.append(event{tab: "a", client: "x", value: int64(i)}, event{tab: "b", client: "y", value: 1})
	}
	var largest int
	v := New(st, testRegistry(t), Options{Page: 1})
	_, err := v.shards[0].pages(t.Context(), store.LoadRequest{Records: store.DirectoryOnly}, func(l *store.Loaded) {
		largest = max(largest, len(l.Entries))
	})
	must(t, err)
	if largest != 1 {
		t.Errorf("a page of one byte holds %d entries", largest)
	}
	whole := New(st, testRegistry(t), Options{})
	if got, want := everything(t, v), everything(t, whole); got != want {
		t.Errorf("in pages:\n%s\nat once:\n%s", got, want)
	}
}

// TestTrimmedBetweenPages has a compactor overtake readers and another
// compactor, which then start again.
func TestTrimmedBetweenPages(t *testing.T) {
	st := newFakeStore(1)
	reg := testRegistry(t)
	for i := range 20 {
		st.append(event{tab: "a", client: "x", value: int64(i)})
	}
	overtake := func() {
		loads := 0
		st.onLoad = func(int, store.LoadRequest) {
			if loads++; loads == 3 {
				st.onLoad = nil
				must(t, NewCompactor(st, reg, CompactorOptions{}).Compact(context.Background()))
			}
		}
	}
	v := New(st, reg, Options{Page: 1})
	overtake()
	must(t, v.CatchUp(t.Context()))
	if got := v.Stats().Restarts; got != 1 {
		t.Errorf("the view started again %d times, want once", got)
	}
	for i := range 20 {
		st.append(event{tab: "a", client: "x", value: -int64(i)}, event{tab: "a", client: "x", value: int64(i)})
	}
	want := everything(t, New(st, reg, Options{}))
	overtake()
	if got := everything(t, v); got != want {
		t.Errorf("overtaken:\n%s\nat once:\n%s", got, want)
	}
	for range 20 {
		st.append(event{tab: "b", client: "x", value: 1})
	}
	want = everything(t, New(st, reg, Options{}))
	c := NewCompactor(st, reg, CompactorOptions{Page: 1})
	overtake()
	must(t, c.Compact(t.Context()))
	if got := everything(t, New(st, reg, Options{})); got != want {
		t.Errorf("compacted by two:\n%s\nwant:\n%s", got, want)
	}
}

// TestAnswersComeFirst: after a start the View is read before anything is
// compacted.
func TestAnswersComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newFakeStore(1)
		for i := range 20 {
			st.append(event{tab: "a", client: "x", value: int64(i)})
		}
		reg := testRegistry(t)
		v := New(st, reg, Options{})
		trimmed := func() bool { return st.vbs[0].trim.Offset > 0 }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { NewCompactor(st, reg, CompactorOptions{View: v, Floor: 1}).Run(ctx); close(done) }()
		synctest.Wait()
		if !v.shards[0].started || !trimmed() {
			t.Errorf("the View is started: %v, the log is trimmed: %v, want both", v.shards[0].started, trimmed())
		}
		if restarts := v.Stats().Restarts; restarts > 0 {
			t.Errorf("the View was started again %d times", restarts)
		}
		cancel()
		<-done
	})
}

// TestChunksFitTheirBudget: tabs are handed out by what their States take.
func TestChunksFitTheirBudget(t *testing.T) {
	st := newFakeStore(1)
	for _, tab := range []string{"a", "b", "c", "d"} {
		for _, client := range []string{"x", "y", "z"} {
			st.append(event{tab: tab, client: client, value: 1})
		}
	}
	p := newPlanner()
	_, err := pages(t.Context(), st, 0, 1, store.LoadRequest{Records: store.DirectoryOnly}, p.page)
	must(t, err)
	p.sort()
	var got []int
	for {
		names, states := p.next(5)
		if len(names) == 0 {
			break
		}
		if states != int64(3*len(names)) {
			t.Errorf("%d States of %v, want 3 each", states, names)
		}
		got = append(got, len(names))
	}
	if len(got) != 2 || got[0] != 2 || got[1] != 2 {
		t.Errorf("chunks of %v tabs, want two of 2", got)
	}

	var w weight
	if n := w.states(firstWeight * 10); n != 10 {
		t.Errorf("%d States of unknown weight, want 10", n)
	}
	w.learn(10, 10*firstWeight*3)
	if got := w.of(); got != 3*firstWeight {
		t.Errorf("learned %d, want %d", got, 3*firstWeight)
	}
	w.learn(1000, 1000)
	if got := w.of(); got != 3*firstWeight/4 {
		t.Errorf("learned %d from light States, want a quarter of what it was", got)
	}
}
