package ingest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tabaproject/taba/internal/wire"
)

// table is a TypeTable of tabs that were committed.
type table struct {
	mu   sync.Mutex
	tabs map[string]string
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

// commit makes the tabs known that a sink has taken.
func (t *table) commit(s *sink) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for tab := range s.acc.Tabs {
		t.tabs[tab.Name] = tab.Type
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
	limit := NewNewTabs(3, known.count)
	s := newSink()
	h := newTestHandler(s, known, Options{Tabs: limit})
	ask := func(want int, tabs ...string) {
		t.Helper()
		r, text := post(h, "/post", strings.NewReader(ofTabs("c", tabs...)))
		wantStatus(t, r, text, want)
		if want == http.StatusTooManyRequests && !strings.Contains(text, "limits.tabs") {
			t.Errorf("the answer does not name the limit: %s", text)
		}
		wantEqual(t, "pending", limit.pending.Load(), 0)
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
	limit := NewNewTabs(2, known.count)
	o := Options{Tabs: limit}.withDefaults()
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
		wantEqual(t, "pending", limit.pending.Load(), 0)
	}
}

// One sender of random names is stopped, and what others send at the same time
// counts to the last event.
func TestRandomNamesDoNotHarmOthers(t *testing.T) {
	const most, posts = 100, 200
	known := &table{tabs: map[string]string{"honest": "CounterGroup"}}
	s := newSink()
	h := newTestHandler(s, known, Options{Tabs: NewNewTabs(most, known.count)})
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
