package view

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/tabaproject/taba/internal/store"
)

// history draws what may happen to a store.
type history struct{ t *rapid.T }

func (h history) step(stores ...*fakeStore) {
	tab := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
	switch rapid.IntRange(0, 9).Draw(h.t, "step") {
	case 0:
		h.command(stores, store.Command{Kind: store.KindPrune, At: float64(rapid.IntRange(0, 100).Draw(h.t, "at"))})
	case 1:
		name := store.TabName{Name: tab.Draw(h.t, "deleted")}
		h.command(stores, store.Command{Kind: store.KindDelete, Names: []store.TabName{name}})
	default:
		var events []event
		for range rapid.IntRange(1, 4).Draw(h.t, "events") {
			e := event{
				tab:    tab.Draw(h.t, "tab"),
				client: rapid.SampledFrom([]string{"x", "y", "z"}).Draw(h.t, "client"),
				typ:    rapid.SampledFrom([]string{"sum", "sum", "sum", "other", "unknown"}).Draw(h.t, "type"),
				value:  rapid.Int64Range(0, 100).Draw(h.t, "value"),
				n:      rapid.Uint64Range(1, 5).Draw(h.t, "n"),
			}
			if e.typ == "unknown" || rapid.IntRange(0, 19).Draw(h.t, "bad") == 0 {
				e.raw = []byte{77}
			}
			events = append(events, e)
		}
		for _, s := range stores {
			s.append(events...)
		}
	}
}

// command appends to every vbucket where it belongs.
func (h history) command(stores []*fakeStore, c store.Command) {
	for _, s := range stores {
		for vb := range s.vbs {
			if c.Kind == store.KindPrune || s.part.Of("", c.Names[0].Name) == vb {
				_, _ = s.Command(context.Background(), vb, c)
			}
		}
	}
}

// everything is all answers of a View.
func everything(t testing.TB, v *View) string {
	types, err := v.Types(context.Background(), Request{})
	must(t, err)
	some := Request{Clients: List("x", "y")}
	return fmt.Sprintf("tabs: %s\nprojection: %s\nof x and y: %s\nnames: %s\nof z: %s\nclients: %s\ntypes: %v\n",
		tabs(t, v, Request{}), projection(t, v, Request{}), tabs(t, v, some), names(t, v, Request{}),
		names(t, v, Request{Clients: List("z")}), clients(t, v, Request{}), types)
}

func TestCompactionNeverChangesAnAnswer(t *testing.T) {
	reg := testRegistry(t)
	rapid.Check(t, func(rt *rapid.T) {
		plain, compacted := newFakeStore(2), newFakeStore(2)
		reference := New(plain, reg, Options{})
		page := rapid.SampledFrom([]int64{1, 200, 0}).Draw(rt, "page")
		warm := New(compacted, reg, Options{Budget: rapid.SampledFrom([]int64{1, 1 << 10, 0}).Draw(rt, "budget"), Page: page})
		compactor := NewCompactor(compacted, reg, CompactorOptions{View: warm, Chunk: 1, Page: page})
		history := history{rt}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			history.step(plain, compacted)
			switch rapid.IntRange(0, 6).Draw(rt, "then") {
			case 0:
				if rapid.Bool().Draw(rt, "renew") {
					must(t, compactor.Renew(context.Background()))
				} else {
					must(t, compactor.Compact(context.Background()))
				}
				audit(rt, compactor)
			case 1: // some tabs only: the log keeps entries that their records have folded
				tab := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(rt, "compacted")
				_, err := compactor.chunk(context.Background(), compacted.part.Of("", tab), []store.TabName{{Name: tab}}, false)
				must(t, err)
				audit(rt, compactor)
			case 2, 3:
				if got, want := everything(t, warm), everything(t, reference); got != want {
					rt.Fatalf("warm view, compacted:\n%s\nnever compacted:\n%s", got, want)
				}
			}
		}
		want := everything(t, New(plain, reg, Options{}))
		if got := everything(t, New(compacted, reg, Options{Page: page})); got != want {
			rt.Fatalf("cold view, compacted:\n%s\nnever compacted:\n%s", got, want)
		}
		// More than once: a deleted tab is remembered until the log is trimmed
		// past the deletion, and only then is it compacted again.
		for range 4 {
			must(t, compactor.Compact(context.Background()))
		}
		if got := everything(t, warm); got != want {
			rt.Fatalf("warm view at the end:\n%s\nnever compacted:\n%s", got, want)
		}
		audit(rt, compactor)
		for vb := range compacted.vbs {
			if rest := len(compacted.vbs[vb].log); rest != 0 {
				rt.Fatalf("vbucket %d: %d entries were not trimmed", vb, rest)
			}
		}
	})
}

func audit(t *rapid.T, c *Compactor) {
	t.Helper()
	r, err := c.Audit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() {
		t.Fatalf("the ledger does not add up: %v", r.Problems())
	}
}

func TestAuditFindsWhatIsMissing(t *testing.T) {
	st := newFakeStore(2)
	c := NewCompactor(st, testRegistry(t), CompactorOptions{})
	st.append(event{tab: "a", client: "x", value: 1, n: 7})
	must(t, c.Compact(t.Context()))
	vb := &st.vbs[st.part.Of("", "a")]
	vb.records[store.Tab{Name: "a", Type: "sum"}].Clients[0].Events--
	r, err := c.Audit(t.Context())
	must(t, err)
	if got := len(r.Problems()); got != 1 {
		t.Errorf("%d problems, want 1: %v", got, r.Problems())
	}
	vb.stats.Appended++
	r, err = c.Audit(t.Context())
	must(t, err)
	if got := len(r.Problems()); got != 2 {
		t.Errorf("%d problems, want 2: %v", got, r.Problems())
	}
}

func TestTwoCompactorsDoNotHarmEachOther(t *testing.T) {
	st := newFakeStore(1)
	reg := testRegistry(t)
	first, second := NewCompactor(st, reg, CompactorOptions{}), NewCompactor(st, reg, CompactorOptions{})
	st.append(event{tab: "a", client: "x", value: 1})
	st.onLoad = func(_ int, r store.LoadRequest) {
		if r.Records == store.WithClients { // the first has read and not written
			st.onLoad = nil
			must(t, second.Compact(t.Context()))
			st.append(event{tab: "a", client: "x", value: 2})
		}
	}
	must(t, first.Compact(t.Context()))
	check(t, "after both", tabs(t, New(st, reg, Options{}), Request{}), "a=3/2")
	r, err := first.Audit(t.Context())
	must(t, err)
	if !r.OK() {
		t.Error(r.Problems())
	}
}

func TestOnlyWhatChangedIsWritten(t *testing.T) {
	st := newFakeStore(1)
	spy := &spyStore{fakeStore: st}
	c := NewCompactor(spy, testRegistry(t), CompactorOptions{})
	for i := range 10 {
		st.append(event{tab: fmt.Sprint("t", i), client: "x", value: 1}, event{tab: fmt.Sprint("t", i), client: "y", value: 1})
	}
	must(t, c.Compact(t.Context()))
	spy.updates = nil
	st.append(event{tab: "t3", client: "y", value: 1})
	must(t, c.Compact(t.Context()))
	if len(spy.updates) != 1 || spy.updates[0].Tab.Name != "t3" || len(spy.updates[0].Clients) != 1 {
		t.Errorf("wrote %+v, want one client of one tab", spy.updates)
	}
}

type spyStore struct {
	*fakeStore
	updates []store.Update
}

func (s *spyStore) Compact(ctx context.Context, vb int, u []store.Update, trim store.Position) (store.Compacted, error) {
	s.updates = append(s.updates, u...)
	return s.fakeStore.Compact(ctx, vb, u, trim)
}

func TestRunCompactsWhenTheLogHasOutgrownTheRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newFakeStore(1)
		c := NewCompactor(st, testRegistry(t), CompactorOptions{Floor: 2048})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { c.Run(ctx); close(done) }()
		compactions, longest := 0, 0
		for range 1000 {
			before := len(st.vbs[0].log)
			st.append(event{tab: "a", client: "x", value: 1})
			c.Kick()
			time.Sleep(2 * time.Second) // virtual: it may rest for one
			synctest.Wait()
			if after := len(st.vbs[0].log); after < before {
				compactions++
			}
			longest = max(longest, len(st.vbs[0].log))
		}
		if compactions < 10 || compactions > 40 || longest > 60 {
			t.Errorf("%d compactions of at most %d entries, want one per 2 KiB", compactions, longest)
		}
		cancel()
		<-done
	})
}

// What is appended wakes the Compactor only when it may make a difference.
func TestLogIsLookedAtAsItGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &lookedAt{fakeStore: newFakeStore(1)}
		c := NewCompactor(st, testRegistry(t), CompactorOptions{Floor: 2048})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { c.Run(ctx); close(done) }()
		size := &st.vbs[0].stats.LogBytes
		longest := int64(0)
		for range 1000 {
			before := *size
			st.append(event{tab: "a", client: "x", value: 1})
			c.Appended(0, *size-before)
			time.Sleep(2 * time.Second) // virtual: it may rest for one
			synctest.Wait()
			longest = max(longest, *size)
		}
		cancel()
		<-done
		if st.compactions < 10 || longest > 2048+2048/lookAgain {
			t.Errorf("%d compactions, and a log of %d bytes", st.compactions, longest)
		}
		if st.looks > 3*st.compactions+1 {
			t.Errorf("it was looked at %d times for %d compactions", st.looks, st.compactions)
		}
	})
}

// lookedAt counts how often it is asked for sizes, and trimmed.
type lookedAt struct {
	*fakeStore
	looks, compactions int
}

func (s *lookedAt) Stats(ctx context.Context, vb int) (store.Stats, error) {
	s.looks++
	return s.fakeStore.Stats(ctx, vb)
}

func (s *lookedAt) Compact(ctx context.Context, vb int, u []store.Update, trim store.Position) (store.Compacted, error) {
	if trim != (store.Position{}) {
		s.compactions++
	}
	return s.fakeStore.Compact(ctx, vb, u, trim)
}

func TestIdleStoreIsNotLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newFakeStore(1)
		c := NewCompactor(st, testRegistry(t), CompactorOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { c.Run(ctx); close(done) }()
		time.Sleep(24 * time.Hour)
		if st.loads > 0 {
			t.Errorf("%d loads in an idle day", st.loads)
		}
		cancel()
		<-done
	})
}

func TestSlowLogsAreCompactedEarlier(t *testing.T) {
	c := NewCompactor(newFakeStore(1), testRegistry(t), CompactorOptions{})
	due := func(what string, logMiB, recordMiB int64, want bool) {
		t.Helper()
		if c.due(store.Stats{LogBytes: logMiB << 20, RecordBytes: recordMiB << 20}) != want {
			t.Errorf("%s: a log of %d MiB with records of %d MiB is due: %v, want %v", what, logMiB, recordMiB, !want, want)
		}
	}
	due("nothing is known", 24, 100, false)
	due("nothing is known", 25, 100, true)
	c.cold.learn(100<<20, 5*time.Millisecond)
	due("a cold tab takes 20 ms", 399, 100, true)
	due("a cold tab takes 20 ms, but folding all that would take longer", 400, 2000, false)
	due("a cold tab takes 7 ms", 150, 100, false)
	due("the log is large", 160, 40, true)
	c.all.learn(100<<20, time.Second)
	due("a View begins in 1.9 s", 190, 2000, false)
	due("a View begins in 2.1 s", 210, 2000, true)
}

func TestPruneEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newFakeStore(3)
		c := NewCompactor(st, testRegistry(t), CompactorOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Minute)
		defer cancel()
		c.PruneEvery(ctx, time.Hour, func() float64 { return 7 })
		for vb := range st.vbs {
			if got := len(st.vbs[vb].log); got != 2 {
				t.Errorf("vbucket %d was pruned %d times in 2.5 hours, want 2", vb, got)
			}
		}
	})
}
