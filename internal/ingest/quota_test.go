package ingest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
)

// table is a TypeTable of tabs that were committed.
type table struct {
	mu     sync.Mutex
	tabs   map[string]string
	states map[[2]string]bool
}

func (t *table) TypeOf(_, tab string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	typ, ok := t.tabs[tab]
	return typ, ok
}

func (t *table) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.tabs)
}

func (t *table) CatchUp(context.Context) error { return nil }
func (t *table) TabCount() int                 { return t.count() }
func (t *table) StateCount() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.states)
}

func (t *table) HasTab(name string) bool {
	_, ok := t.TypeOf("", name)
	return ok
}

func (t *table) HasState(tab store.Tab, client string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.states[[2]string{tab.Name, client}]
}

// quota is one of a number of tabs and States that are in t.
func quota(t *table, tabs, states int) *Quota {
	return NewQuota(QuotaOptions{Tabs: tabs, States: states, Directory: t})
}

// commit makes the tabs known that a sink has taken.
func (t *table) commit(s *sink) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.states == nil {
		t.states = map[[2]string]bool{}
	}
	for tab, clients := range s.acc.Tabs {
		t.tabs[tab.Name] = tab.Type
		for client := range clients {
			t.states[[2]string{tab.Name, client}] = true
		}
	}
}

// ofTabs is a body with an event of each tab.
func ofTabs(client string, tabs ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "1\n\n%s\n\n", client)
	for _, tab := range tabs {
		fmt.Fprintf(&b, "%s\n%s\n\n", tab, counterEvent(1))
	}
	return b.String() + "\n"
}

func TestTooManyNewTabs(t *testing.T) {
	known := &table{tabs: map[string]string{"known": "CounterGroup"}}
	limit := quota(known, 3, 0)
	s := newSink()
	h := newTestHandler(s, known, Options{Quota: limit})
	ask := func(want int, tabs ...string) {
		t.Helper()
		r, text := post(h, "/post", strings.NewReader(ofTabs("c", tabs...)))
		wantStatus(t, r, text, want)
		if want == http.StatusTooManyRequests && !strings.Contains(text, "limits.tabs") {
			t.Errorf("the answer does not name the limit: %s", text)
		}
		wantEqual(t, "pending", limit.tabs.pending.Load(), 0)
		known.commit(s)
	}
	ask(200, "known", "a")
	ask(429, "known", "b", "x")
	ask(200, "known", "b")
	ask(429, "x")
	ask(200, "known", "a", "b")
	wantEqual(t, "tabs", known.count(), 3)
	wantEqual(t, "events of a known tab", h.Metrics().Events.Get(), 2+2+3)
	wantEqual(t, "counted", h.Metrics().RefusedRequests(reasonTabs), 2)
}

func TestTooManyNewTabsInBatches(t *testing.T) {
	known := &table{tabs: map[string]string{"known": "CounterGroup"}}
	limit := quota(known, 2, 0)
	o := Options{Quota: limit}.withDefaults()
	u := newUnbundler(known, &o)
	batch := func(e *wire.BatchEncoder, tabs ...string) []byte {
		e.Begin(clock)
		for _, tab := range tabs {
			e.Values(e.Series(tab, "CounterGroup", "c"), clock, []float64{1})
		}
		return e.Bytes()
	}
	for _, c := range []struct {
		tabs []string
		ok   bool
	}{{[]string{"known", "a"}, true}, {[]string{"known", "a", "b"}, false}, {[]string{"b", "c"}, false}, {[]string{"known"}, true}} {
		var e wire.BatchEncoder
		e.Forget()
		err := u.check(batch(&e, c.tabs...))
		if (err == nil) != c.ok {
			t.Errorf("%v: %v", c.tabs, err)
		}
		if err != nil {
			wantEqual(t, "status", asRefusal(err).status, http.StatusTooManyRequests)
		}
		u.end()
		wantEqual(t, "pending", limit.tabs.pending.Load(), 0)
	}
}

// One sender of random names is stopped, and what others send at the same time
// counts to the last event.
func TestRandomNamesDoNotHarmOthers(t *testing.T) {
	const most, posts = 100, 200
	known := &table{tabs: map[string]string{"honest": "CounterGroup"}}
	s := newSink()
	h := newTestHandler(s, known, Options{Quota: quota(known, most, 0)})
	var all sync.WaitGroup
	all.Go(func() {
		for i := range posts {
			post(h, "/post", strings.NewReader(ofTabs("bad", fmt.Sprintf("random-%d-a", i), fmt.Sprintf("random-%d-b", i))))
			known.commit(s)
		}
	})
	refused := 0
	all.Go(func() {
		for range posts {
			if r, _ := post(h, "/post", strings.NewReader(ofTabs("good", "honest"))); r.StatusCode != http.StatusOK {
				refused++
			}
		}
	})
	all.Wait()
	wantEqual(t, "honest posts refused", refused, 0)
	if n := known.count(); n > most {
		t.Errorf("there are %d tabs, want at most %d", n, most)
	}
	if n := h.Metrics().RefusedRequests(reasonTabs); n == 0 {
		t.Error("no random names were refused")
	}
}

func TestTooManyStates(t *testing.T) {
	known := &table{tabs: map[string]string{}}
	limit := quota(known, 0, 3)
	s := newSink()
	h := newTestHandler(s, known, Options{Quota: limit})
	ask := func(want int, client string, tabs ...string) {
		t.Helper()
		r, text := post(h, "/post", strings.NewReader(ofTabs(client, tabs...)))
		wantStatus(t, r, text, want)
		if want == http.StatusTooManyRequests && !strings.Contains(text, "limits.states") {
			t.Errorf("the answer does not name the limit: %s", text)
		}
		wantEqual(t, "pending", limit.states.pending.Load(), 0)
		known.commit(s)
	}
	ask(200, "a", "x", "y")
	ask(429, "b", "x", "y")
	ask(200, "b", "x")
	ask(429, "c", "x")
	ask(429, "a", "z")
	ask(200, "a", "x", "y")
	ask(200, "b", "x")
	wantEqual(t, "States", known.StateCount(), 3)
	wantEqual(t, "counted", h.Metrics().RefusedRequests(reasonStates), 3)
}

func TestTooManyStatesInBatches(t *testing.T) {
	known := &table{tabs: map[string]string{"x": "CounterGroup"}, states: map[[2]string]bool{{"x", "a"}: true}}
	o := Options{Quota: quota(known, 0, 2)}.withDefaults()
	u := newUnbundler(known, &o)
	for _, c := range []struct {
		clients []string
		ok      bool
	}{{[]string{"a", "b"}, true}, {[]string{"a", "b", "c"}, false}, {[]string{"a"}, true}} {
		var e wire.BatchEncoder
		e.Forget()
		e.Begin(clock)
		for _, client := range c.clients {
			e.Values(e.Series("x", "CounterGroup", client), clock, []float64{1})
		}
		err := u.check(e.Bytes())
		if (err == nil) != c.ok {
			t.Errorf("%v: %v", c.clients, err)
		}
		if err != nil {
			wantEqual(t, "status", asRefusal(err).status, http.StatusTooManyRequests)
		}
		u.end()
		wantEqual(t, "pending", o.Quota.states.pending.Load(), 0)
	}
}

// Far from the limit nobody counts, and it is not passed all the same.
func TestStatesAreCountedRarely(t *testing.T) {
	const most = 10_000
	known := &counting{table: table{tabs: map[string]string{"x": "CounterGroup"}, states: map[[2]string]bool{}}}
	q := NewQuota(QuotaOptions{States: most, Directory: known})
	made := 0
	for i := range 2 * most {
		c := claim{q: q}
		client := fmt.Sprint(i)
		if c.state(store.Tab{Name: "x", Type: "CounterGroup"}, client) == nil {
			known.states[[2]string{"x", client}] = true
			made++
		}
		c.settle()
		if made == most-1 && known.looks > most/20 {
			t.Errorf("looked %d times for %d States", known.looks, made)
		}
	}
	wantEqual(t, "made", made, most)
}

// counting counts how often somebody looks.
type counting struct {
	table
	looks int
}

func (c *counting) HasState(tab store.Tab, client string) bool {
	c.looks++
	return c.table.HasState(tab, client)
}

func TestTooManyNewTabsInASecond(t *testing.T) {
	known := &table{tabs: map[string]string{}}
	now := time.Unix(clock, 0)
	limit := NewQuota(QuotaOptions{NewTabs: 1, Directory: known, Now: func() time.Time { return now }})
	s := newSink()
	h := newTestHandler(s, known, Options{Quota: limit})
	next := 0
	ask := func(want int, tabs int) string {
		t.Helper()
		var names []string
		for range tabs {
			next++
			names = append(names, fmt.Sprint("tab", next))
		}
		r, text := post(h, "/post", strings.NewReader(ofTabs("c", names...)))
		wantStatus(t, r, text, want)
		if want == http.StatusTooManyRequests && !strings.Contains(text, "limits.new_tabs") {
			t.Errorf("the answer does not name the limit: %s", text)
		}
		known.commit(s)
		return r.Header.Get("Retry-After")
	}
	ask(200, burst-1)
	ask(429, 2) // of which nothing is taken
	ask(200, 1)
	wantEqual(t, "Retry-After", ask(429, 1), "1")
	now = now.Add(time.Second)
	ask(200, 1)
	ask(429, 1)
	now = now.Add(time.Hour) // as many as there are, which are more than the burst
	ask(200, burst+1)
	ask(429, 1)
	wantEqual(t, "counted", h.Metrics().RefusedRequests(reasonNewTabs), 4)
	if !strings.Contains(limit.Last(), "limits.new_tabs") {
		t.Errorf("the last was %q", limit.Last())
	}
}
