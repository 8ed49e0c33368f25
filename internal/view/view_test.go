package view

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

func tabs(t testing.TB, v *View, r Request) string {
	t.Helper()
	var b strings.Builder
	err := v.Tabs(context.Background(), r, func(row Row) error {
		fmt.Fprintf(&b, "%s=%s ", row.Name, row.Render)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

func projection(t testing.TB, v *View, r Request) string {
	t.Helper()
	var b strings.Builder
	err := v.Projection(context.Background(), r, func(row Row) error {
		fmt.Fprintf(&b, "%s,%s=%s ", row.Name, row.Client, row.Render)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

func superTabs(t testing.TB, v *View, r Request) string {
	t.Helper()
	b, err := v.SuperTabs(context.Background(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func names(t testing.TB, v *View, r Request) string {
	t.Helper()
	list, err := v.Names(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

func clients(t testing.TB, v *View, r Request) string {
	t.Helper()
	list, err := v.Clients(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func pattern(t *testing.T, expr string) Selector {
	t.Helper()
	s, err := Pattern(expr)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAnswersIncludeWhatWasAppendedBefore(t *testing.T) {
	st := newFakeStore(3)
	v := New(st, testRegistry(t), Options{})
	check(t, "empty", tabs(t, v, Request{}), "")
	st.append(event{tab: "a", client: "x", value: 1}, event{tab: "b", client: "y", value: 2})
	check(t, "cold", tabs(t, v, Request{}), "a=1/1 b=2/1")
	st.append(event{tab: "a", client: "y", value: 4}, event{tab: "c", client: "x", value: 8})
	check(t, "warm", tabs(t, v, Request{}), "a=5/2 b=2/1 c=8/1")
	check(t, "projection", projection(t, v, Request{}), "a,x=1/1 a,y=4/1 b,y=2/1 c,x=8/1")
	st.append(event{tab: "a", client: "y", value: 16})
	check(t, "warm projection", projection(t, v, Request{Names: List("a")}), "a,x=1/1 a,y=20/2")
	check(t, "tabs follow too", tabs(t, v, Request{Names: List("a")}), "a=21/3")
}

func TestSelection(t *testing.T) {
	st := newFakeStore(2)
	v := New(st, testRegistry(t), Options{})
	st.append(event{tab: "req.a", client: "web-1", value: 1}, event{tab: "req.a", client: "web-2", value: 2},
		event{tab: "req.b", client: "db", value: 4}, event{tab: "x,y", client: "p,q", value: 8}, event{tab: "x", client: "p", value: 16})

	check(t, "list", tabs(t, v, Request{Names: List("req.b", "nosuch", "req.b")}), "req.b=4/1")
	check(t, "pattern", tabs(t, v, Request{Names: pattern(t, "req.")}), "req.a=3/2 req.b=4/1")
	check(t, "pattern is anchored", tabs(t, v, Request{Names: pattern(t, "eq")}), "")
	check(t, "alternatives are anchored too", tabs(t, v, Request{Names: pattern(t, "z|a")}), "")
	check(t, "clients", tabs(t, v, Request{Clients: List("web-1", "db")}), "req.a=1/1 req.b=4/1")
	check(t, "clients by pattern", tabs(t, v, Request{Clients: pattern(t, "web")}), "req.a=3/2")
	check(t, "nobody", tabs(t, v, Request{Clients: List("nobody")}), "")
	check(t, "neither", tabs(t, v, Request{Names: List("req.b"), Clients: List("web-1")}), "")
	check(t, "projection", projection(t, v, Request{Clients: pattern(t, "web-2|db")}), "req.a,web-2=2/1 req.b,db=4/1")
	check(t, "supertabs", superTabs(t, v, Request{Names: pattern(t, "req")}), "7/3")
	check(t, "supertabs of clients", superTabs(t, v, Request{Clients: pattern(t, "web")}), "3/2")
	check(t, "supertabs of nothing", superTabs(t, v, Request{Names: List("nosuch")}), "")
	check(t, "names of a client", names(t, v, Request{Clients: List("web-2", "p")}), "req.a x")
	check(t, "clients by list", clients(t, v, Request{Clients: List("db", "nobody")}), "db")
	check(t, "all clients", clients(t, v, Request{}), "db p p,q web-1 web-2")

	whole := List().Either("x,y", "x", "y")
	check(t, "a name with a comma", names(t, v, Request{Names: whole}), "x,y")
	st.Command(t.Context(), st.part.Of("", "x,y"), store.Command{Kind: store.KindDelete, Names: []store.TabName{{Name: "x,y"}}})
	check(t, "no name with a comma", names(t, v, Request{Names: whole}), "x")

	for _, bad := range []string{"(", "a)(b", "[", "(?=x)"} {
		if _, err := Pattern(bad); err == nil {
			t.Errorf("pattern %q was accepted", bad)
		}
	}
}

func TestFirstTypeInLogOrderIsTheTabs(t *testing.T) {
	st := newFakeStore(1)
	v := New(st, testRegistry(t), Options{})
	st.append(event{tab: "a", client: "w", typ: "unknown", raw: []byte{9}})
	if typ, ok := v.TypeOf("", "a"); ok {
		t.Errorf("a Type that is not registered was chosen: %q", typ)
	}
	check(t, "no Type, no name", names(t, v, Request{}), "")
	st.append(event{tab: "a", client: "x", typ: "other", value: 1})
	st.append(event{tab: "a", client: "y", typ: "sum", value: 2})
	for range 2 {
		typ, _ := v.TypeOf("", "a")
		check(t, "Type", typ, "other")
		check(t, "the others are no part of it", projection(t, v, Request{}), "a,x=1/1")
		if got := v.Stats().Conflicts; got != 1 {
			t.Errorf("%d events in conflict, want 1", got)
		}
		compactAll(t, st)
	}
	check(t, "records decide alike", projection(t, New(st, testRegistry(t), Options{}), Request{}), "a,x=1/1")
}

func TestSuperTabsOfSeveralTypesFail(t *testing.T) {
	st := newFakeStore(1)
	v := New(st, testRegistry(t), Options{})
	st.append(event{tab: "a", client: "x", value: 1}, event{tab: "b", client: "x", typ: "other", value: 1})
	if _, err := v.SuperTabs(t.Context(), Request{}, nil); !errors.Is(err, ErrTypes) {
		t.Errorf("got %v, want ErrTypes", err)
	}
}

func TestDelete(t *testing.T) {
	st := newFakeStore(2)
	reg := testRegistry(t)
	v := New(st, reg, Options{})
	c := NewCompactor(st, reg, CompactorOptions{})
	st.append(event{tab: "a", client: "x", value: 1}, event{tab: "b", client: "y", value: 2})
	check(t, "before", projection(t, v, Request{}), "a,x=1/1 b,y=2/1")
	if err := c.Delete(t.Context(), []store.TabName{{Name: "a"}}); err != nil {
		t.Fatal(err)
	}
	check(t, "after", tabs(t, v, Request{}), "b=2/1")
	check(t, "its client is gone", clients(t, v, Request{}), "y")
	if got := v.Stats().HotTabs; got != 1 {
		t.Errorf("States of %d tabs are held, want 1", got)
	}
	if _, ok := v.TypeOf("", "a"); ok {
		t.Error("a deleted tab has a Type")
	}
	st.append(event{tab: "a", client: "z", typ: "other", value: 4})
	check(t, "again", projection(t, v, Request{}), "a,z=4/1 b,y=2/1")
	compactAll(t, st)
	check(t, "compacted", projection(t, New(st, reg, Options{}), Request{}), "a,z=4/1 b,y=2/1")
}

func TestPruneKeepsTheNameAndTheAllClientsState(t *testing.T) {
	st := newFakeStore(1)
	reg := testRegistry(t)
	v := New(st, reg, Options{})
	c := NewCompactor(st, reg, CompactorOptions{})
	st.append(event{tab: "a", client: "old", value: 10}, event{tab: "a", client: "new", value: 90})
	check(t, "before", projection(t, v, Request{}), "a,new=90/1 a,old=10/1")
	if err := c.Prune(t.Context(), 50); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		check(t, "projection", projection(t, v, Request{}), "a,new=90/1")
		check(t, "tabs", tabs(t, v, Request{}), "a=100/2")
		check(t, "clients", clients(t, v, Request{}), "new old")
		compactAll(t, st)
		v = New(st, reg, Options{})
	}
	st.append(event{tab: "a", client: "old", value: 60})
	check(t, "it comes back", projection(t, v, Request{}), "a,new=90/1 a,old=60/1")
}

func TestUndecodableStatesAreSetAside(t *testing.T) {
	st := newFakeStore(1)
	reg := testRegistry(t)
	v := New(st, reg, Options{})
	bad := []byte{77}
	st.append(event{tab: "a", client: "x", value: 1}, event{tab: "a", client: "y", raw: bad, n: 3}, event{tab: "b", client: "z", raw: bad})
	for range 2 {
		check(t, "the rest goes on", projection(t, v, Request{}), "a,x=1/1")
		check(t, "names are known", names(t, v, Request{})+" "+clients(t, v, Request{}), "a b x y z")
		compactAll(t, st)
		v = New(st, reg, Options{})
	}
	stats, _ := st.Stats(t.Context(), 0)
	if stats.SetAside != 4 || stats.Recorded != 1 {
		t.Errorf("ledger: %d set aside, %d recorded, want 4 and 1", stats.SetAside, stats.Recorded)
	}
}

func TestRecordsThatCannotBeDecodedAreKept(t *testing.T) {
	st := newFakeStore(1)
	reg := testRegistry(t)
	st.append(event{tab: "a", client: "x", value: 1}, event{tab: "a", client: "y", value: 2})
	compactAll(t, st)
	record := st.vbs[0].records[store.Tab{Name: "a", Type: "sum"}]
	record.Clients[0].State = []byte{77} // as if a later release had written it
	st.append(event{tab: "a", client: "x", value: 4}, event{tab: "a", client: "y", value: 8})
	for range 2 {
		check(t, "the rest goes on", projection(t, New(st, reg, Options{}), Request{}), "a,y=10/2")
		compactAll(t, st)
	}
	if got := record.Clients[0]; string(got.State) != string([]byte{77}) || got.Events != 1 {
		t.Errorf("the record was overwritten: %+v", got)
	}
}

func TestViewLeftBehindStartsAgain(t *testing.T) {
	st := newFakeStore(1)
	reg := testRegistry(t)
	v := New(st, reg, Options{})
	st.append(event{tab: "a", client: "x", value: 1}, event{tab: "gone", client: "y", value: 1})
	check(t, "before", tabs(t, v, Request{}), "a=1/1 gone=1/1")
	c := NewCompactor(st, reg, CompactorOptions{})
	if err := c.Delete(t.Context(), []store.TabName{{Name: "gone"}}); err != nil {
		t.Fatal(err)
	}
	st.append(event{tab: "a", client: "x", value: 2})
	compactAll(t, st)
	st.append(event{tab: "a", client: "x", value: 4})
	check(t, "after", tabs(t, v, Request{}), "a=7/3")
	if got := v.Stats(); got.Restarts != 1 || got.HotTabs != 1 {
		t.Errorf("got %+v, want one restart and one hot tab", got)
	}
}

func TestViewNoticesAnotherHistory(t *testing.T) {
	st := newFakeStore(1)
	v := New(st, testRegistry(t), Options{})
	st.append(event{tab: "a", client: "x", value: 1})
	check(t, "before", tabs(t, v, Request{}), "a=1/1")
	st.vbs[0].log = nil // a failover lost it, and another entry took its offset
	st.append(event{tab: "b", client: "x", value: 2})
	check(t, "after", tabs(t, v, Request{}), "b=2/1")
}

func TestBudget(t *testing.T) {
	st := newFakeStore(2)
	v := New(st, testRegistry(t), Options{Budget: 4 << 10})
	for i := range 200 {
		st.append(event{tab: fmt.Sprintf("t%03d", i), client: "x", value: int64(i)})
	}
	for range 3 {
		if got := strings.Count(projection(t, v, Request{}), "="); got != 200 {
			t.Fatalf("%d rows, want 200", got)
		}
		if got := v.Stats(); got.HotBytes > 4<<10 || got.HotTabs == 0 {
			t.Fatalf("%d bytes in %d tabs, the budget is 4096", got.HotBytes, got.HotTabs)
		}
	}
	st.append(event{tab: "t000", client: "x", value: 5})
	check(t, "one that was dropped", tabs(t, v, Request{Names: List("t000")}), "t000=5/2")
	var bytes int64
	for e := v.hots.order.Front(); e != nil; e = e.Next() {
		bytes += int64(e.Value.(*hot).content.size)
	}
	if got := v.Stats().HotBytes; got != bytes {
		t.Errorf("%d bytes counted, %d held", got, bytes)
	}
}

func TestWhatNobodyAsksForIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newFakeStore(1)
		v := New(st, testRegistry(t), Options{Idle: time.Minute})
		st.append(event{tab: "a", client: "x", value: 1}, event{tab: "b", client: "x", value: 1})
		hot := func(after time.Duration, want int64) {
			t.Helper()
			time.Sleep(after) // virtual
			synctest.Wait()
			if got := v.Stats(); got.HotTabs != want || (want == 0) != (got.HotBytes == 0) {
				t.Errorf("%d tabs are hot in %d bytes, want %d", got.HotTabs, got.HotBytes, want)
			}
		}
		tabs(t, v, Request{})
		hot(40*time.Second, 2)
		tabs(t, v, Request{Names: List("a")})
		hot(40*time.Second, 1)
		hot(40*time.Second, 0)
		check(t, "read again", tabs(t, v, Request{}), "a=1/1 b=1/1")
		hot(2*time.Minute, 0)
	})
}

func TestLogMovesWhileColdTabsAreRead(t *testing.T) {
	st := newFakeStore(1)
	reg := testRegistry(t)
	v := New(st, reg, Options{})
	st.append(event{tab: "a", client: "x", value: 1})
	st.onLoad = func(_ int, r store.LoadRequest) {
		if r.Records != store.WithAll {
			return
		}
		// Another query catches up between our read and our link.
		st.onLoad = nil
		st.append(event{tab: "a", client: "x", value: 2})
		must(t, v.CatchUp(t.Context()))
		st.append(event{tab: "a", client: "x", value: 4})
		must(t, v.CatchUp(t.Context()))
	}
	check(t, "cold", tabs(t, v, Request{}), "a=7/3")
	st.append(event{tab: "a", client: "x", value: 8})
	check(t, "warm", tabs(t, v, Request{}), "a=15/4")
}

func TestColdTabsAreReadFurtherThanTheLogWasFollowed(t *testing.T) {
	st := newFakeStore(1)
	v := New(st, testRegistry(t), Options{})
	st.append(event{tab: "a", client: "x", value: 1})
	must(t, v.CatchUp(t.Context()))
	st.onLoad = func(int, store.LoadRequest) { // after the catch-up, before the records
		st.onLoad = nil
		st.append(event{tab: "a", client: "x", value: 2})
	}
	check(t, "ahead", tabs(t, v, Request{}), "a=3/2")
	check(t, "nothing counts twice", tabs(t, v, Request{}), "a=3/2")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTurnsShareOnlyRunsThatHaveNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		gate := make(chan struct{})
		turns := &turns{run: func(context.Context) error { runs.Add(1); <-gate; return nil }}
		begun := make([]int32, 10) // runs begun when each call returned
		for i := range begun {
			go func() {
				_ = turns.do(t.Context())
				begun[i] = runs.Load()
			}()
			synctest.Wait()
		}
		close(gate)
		synctest.Wait()
		if got := runs.Load(); got != 2 {
			t.Errorf("%d runs for ten callers, want 2", got)
		}
		for i, b := range begun[1:] {
			if b != 2 {
				t.Errorf("call %d came after the first run began and was served by it", i+1)
			}
		}
	})
}

func TestWaitingForATurnEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		turns := &turns{run: func(context.Context) error { <-gate; return nil }}
		go func() { _ = turns.do(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := turns.do(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
		close(gate)
		synctest.Wait()
	})
}

func compactAll(t testing.TB, st store.Store) {
	t.Helper()
	if err := NewCompactor(st, testRegistry(t), CompactorOptions{}).Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
}
