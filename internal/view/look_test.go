package view

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// names returns the chosen tabs' names.
func (c *Chosen) names() (names []string) {
	for _, t := range c.Tabs {
		names = append(names, t.Name)
	}
	return names
}

// TestIndexFollows: the index of a directory says the same as a walk over it,
// whatever was added, deleted or read again since it was made.
func TestIndexFollows(t *testing.T) {
	st := newFakeStore(3)
	v := New(st, testRegistry(t), Options{})
	rng := rand.New(rand.NewPCG(1, 2))
	there := map[string]map[string]bool{} // clients of tabs
	name := func() string {
		n := fmt.Sprintf("t%d", rng.IntN(20))
		for _, tag := range []string{";a=x", ";a=y", ";b=1", ";b"} {
			if rng.IntN(3) == 0 {
				n += tag
			}
		}
		return n
	}
	for round := range 300 {
		switch rng.IntN(8) {
		case 0:
			for n := range there {
				if rng.IntN(3) == 0 {
					delete(there, n)
					vb := st.part.Of("", n)
					if _, err := st.Command(t.Context(), vb, store.Command{Kind: store.KindDelete, Names: []store.TabName{{Name: n}}}); err != nil {
						t.Fatal(err)
					}
				}
			}
		case 1:
			s := v.shards[rng.IntN(3)]
			s.mu.Lock()
			s.started = false // as if the log had diverged
			s.mu.Unlock()
		default:
			n, c := name(), fmt.Sprintf("c%d", rng.IntN(30))
			st.append(event{tab: n, client: c, value: 1})
			if there[n] == nil {
				there[n] = map[string]bool{}
			}
			there[n][c] = true
		}
		if round%3 == 0 {
			checkLists(t, v, there)
		}
	}
}

func checkLists(t *testing.T, v *View, there map[string]map[string]bool) {
	t.Helper()
	tabs, clients, tags := map[string]int{}, map[string]int{}, map[string]int{}
	for n, cs := range there {
		tabs[n]++
		for c := range cs {
			clients[c]++
		}
		if strings.Contains(n, ";a=x") {
			tags["x"]++
		}
		if strings.Contains(n, ";a=y") {
			tags["y"]++
		}
	}
	compare := func(what string, got []string, want map[string]int) {
		t.Helper()
		if sorted := slices.Sorted(maps.Keys(want)); !slices.Equal(got, sorted) {
			t.Fatalf("%s are %q, want %q", what, got, sorted)
		}
	}
	compare("tabs", allPages(t, func(p Page) ([]string, bool, error) {
		list, more, err := v.SearchTabs(t.Context(), p)
		var names []string
		for _, x := range list {
			names = append(names, x.Name)
		}
		return names, more, err
	}), tabs)
	compare("clients", allPages(t, func(p Page) ([]string, bool, error) { return v.SearchClients(t.Context(), p) }), clients)
	compare("values of a", allPages(t, func(p Page) ([]string, bool, error) {
		list, more, err := v.SearchTagValues(t.Context(), "a", p)
		var values []string
		for _, x := range list {
			if x.Tabs != tags[x.Text] {
				t.Fatalf("%d tabs have a=%s, want %d", x.Tabs, x.Text, tags[x.Text])
			}
			values = append(values, x.Text)
		}
		return values, more, err
	}), tags)
}

// allPages reads all pages of a list.
func allPages(t *testing.T, search func(Page) ([]string, bool, error)) (all []string) {
	t.Helper()
	for p := (Page{Limit: 7}); ; {
		list, more, err := search(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, list...)
		if !more {
			return all
		}
		p.After = list[len(list)-1]
	}
}

func TestChoose(t *testing.T) {
	st := newFakeStore(3)
	v := New(st, testRegistry(t), Options{})
	for i := range 5000 { // more than is read while the index is locked
		st.append(event{tab: fmt.Sprintf("t%04d", i), client: fmt.Sprintf("c%d", i%3), value: 1})
	}
	st.append(event{tab: "t0000", client: "c1", value: 1})
	choose := func(l Look) *Chosen {
		t.Helper()
		c, err := v.Choose(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if got := choose(Look{Tabs: []Range{{Prefix: "t"}}}).names(); len(got) != 5000 || !slices.IsSorted(got) {
		t.Errorf("%d tabs", len(got))
	}
	odd := func(n string) bool { return strings.HasSuffix(n, "1") }
	got := choose(Look{Tabs: []Range{{Prefix: "t001", Match: odd}, {Prefix: "t0011", Whole: true}, {Prefix: "t0012", Whole: true}, {Prefix: "none", Whole: true}}}).names()
	if !slices.Equal(got, []string{"t0011", "t0012"}) {
		t.Error(got)
	}
	got = choose(Look{Tabs: []Range{{Prefix: "t000"}}, Clients: []Range{{Prefix: "c1", Whole: true}}, PerClient: true}).names()
	if !slices.Equal(got, []string{"t0000", "t0001", "t0004", "t0007"}) {
		t.Error(got)
	}
	_, err := v.Choose(t.Context(), Look{Tabs: []Range{{Prefix: "t"}}, Most: 4999})
	var many *TooManyError
	if !errors.As(err, &many) || many.Tabs != 5000 || many.States != 5000 {
		t.Error(err)
	}
}

// TestVisit: States are seen as they are told over all clients and per client.
func TestVisit(t *testing.T) {
	st := newFakeStore(3)
	v := New(st, testRegistry(t), Options{})
	for i := range 300 {
		st.append(event{tab: fmt.Sprintf("t%d", i%10), client: fmt.Sprintf("c%d", i%7), value: int64(i)})
	}
	f := func(l Look, want int64) {
		t.Helper()
		c, err := v.Choose(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var total int64
		visit := func(tab int, client string, s state.State) {
			mu.Lock()
			defer mu.Unlock()
			total += s.(*sum).total
			if (client == "") == l.PerClient {
				t.Errorf("client %q of %s", client, c.Tabs[tab].Name)
			}
		}
		if err := c.Visit(t.Context(), []Visitor{visit, visit, visit}, func(int) bool { return true }); err != nil || total != want {
			t.Errorf("the sum is %d, want %d, %v", total, want, err)
		}
	}
	all := []Range{{Prefix: "t"}}
	f(Look{Tabs: all}, 299*300/2)
	f(Look{Tabs: all, PerClient: true}, 299*300/2)
	var some int64
	for i := range 300 {
		if i%7 == 3 || i%7 == 5 {
			some += int64(i)
		}
	}
	f(Look{Tabs: all, PerClient: true, Clients: []Range{{Prefix: "c3", Whole: true}, {Prefix: "c", Match: func(c string) bool { return c == "c5" }}}}, some)
	ctx, cancel := context.WithCancel(t.Context())
	c, err := v.Choose(ctx, Look{Tabs: all})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := c.Visit(ctx, []Visitor{func(int, string, state.State) {}}, func(int) bool { return true }); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
}

// TestVisitTellsWhatCannotBeDecoded: of a record or of the log.
func TestVisitTellsWhatCannotBeDecoded(t *testing.T) {
	st := newFakeStore(1)
	st.append(event{tab: "good", client: "c", value: 1}, event{tab: "log", client: "c", value: 1})
	st.append(event{tab: "log", client: "c", raw: []byte("bad")})
	tab := store.Tab{Name: "record", Type: "sum"}
	st.vbs[0].records[tab] = &store.Record{Tab: tab, All: []byte("bad")}
	v := New(st, testRegistry(t), Options{})
	c, err := v.Choose(t.Context(), Look{Tabs: []Range{{}}})
	if err != nil {
		t.Fatal(err)
	}
	var bad []string
	visit := func(tab int, _ string, s state.State) {
		if s == nil {
			bad = append(bad, c.Tabs[tab].Name)
		}
	}
	if err := c.Visit(t.Context(), []Visitor{visit}, func(int) bool { return true }); err != nil || !slices.Equal(bad, []string{"log", "record"}) {
		t.Errorf("%q cannot be decoded, %v", bad, err)
	}
}

// TestIndexIsMadeWhileCommitsGoOn makes indexes while tabs come and go.
func TestIndexIsMadeWhileCommitsGoOn(t *testing.T) {
	st := newFakeStore(1)
	v := New(st, testRegistry(t), Options{})
	there := map[string]map[string]bool{}
	for i := range 2000 {
		n := fmt.Sprintf("t%04d;a=x", i)
		st.append(event{tab: n, client: "c", value: 1})
		there[n] = map[string]bool{"c": true}
	}
	if err := v.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for i := range 300 {
			st.append(event{tab: fmt.Sprintf("new%d", i), client: "c", value: 1})
			if err := v.CatchUp(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	for range 4 {
		work.Go(func() {
			if _, _, err := v.SearchTabs(t.Context(), Page{Prefix: "t", Limit: 10}); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	for i := range 300 {
		there[fmt.Sprintf("new%d", i)] = map[string]bool{"c": true}
	}
	checkLists(t, v, there)
}

// TestChooseSkips: where a Range says where the next name may be, nothing is
// looked at before that.
func TestChooseSkips(t *testing.T) {
	st := newFakeStore(1)
	v := New(st, testRegistry(t), Options{})
	for _, name := range []string{"a", "b1", "b2", "b3", "c", "d1", "d2", "e"} {
		st.append(event{tab: name, client: "c", value: 1})
	}
	looked := 0
	c, err := v.Choose(t.Context(), Look{Tabs: []Range{{
		Match: func(name string) bool { looked++; return name == "a" || name == "d2" },
		Next: func(name string) (string, bool) {
			if name < "d2" {
				return "d2", true
			}
			return "", false
		},
	}}})
	if err != nil || !slices.Equal(c.names(), []string{"a", "d2"}) || looked != 4 {
		t.Errorf("%v %v, %d were looked at", c.names(), err, looked)
	}
}
