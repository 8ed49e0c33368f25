package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/wire"
)

// ask serves one request and returns the answer.
func ask(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

// body is a v1 document of one event of one counter for each client.
func body(tab string, clients ...string) string {
	var e wire.Encoder
	for _, c := range clients {
		_ = e.Client(c)
		_ = e.Tab(tab)
		e.EventInt("CounterGroup", 1395954300, 1)
	}
	return string(e.Close())
}

// Servers and agents refuse names beyond their limits, go on with those that they
// know, and say so in /metrics and /status.
func TestNamesBeyondLimitsAreRefused(t *testing.T) {
	limits := func(l *Limits) { l.Tabs, l.States = 2, 3 }
	server := DefaultServerConfig()
	server.Store = "memory"
	limits(&server.Limits)
	agent := DefaultAgentConfig()
	agent.Spool, agent.Servers = t.TempDir(), []string{"http://127.0.0.1:1"}
	limits(&agent.Limits)
	a, err := newAgent(agent, Options{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // what it took stays in its spool: it has no server
		past, cancel := context.WithDeadline(context.Background(), time.Unix(1, 0))
		defer cancel()
		if err := a.close(past); err != nil {
			t.Error(err)
		}
	})
	for kind, mux := range map[string]http.Handler{"server": testServer(t, server).front.mux, "agent": a.front.mux} {
		t.Run(kind, func(t *testing.T) {
			post := func(want int, tab string, clients ...string) string {
				t.Helper()
				w := ask(mux, "POST", "/post", body(tab, clients...))
				if w.Code != want {
					t.Fatalf("%s of %v: got %d %s, want %d", tab, clients, w.Code, w.Body, want)
				}
				if want == http.StatusTooManyRequests && w.Header().Get("Retry-After") != "60" {
					t.Errorf("Retry-After is %q", w.Header().Get("Retry-After"))
				}
				return w.Body.String()
			}
			post(200, "x", "a", "b")
			post(200, "y", "a")
			post(429, "z", "a")
			post(429, "y", "a", "b")
			post(200, "x", "a", "b")
			post(200, "y", "a")
			for path, wants := range map[string][]string{
				"/metrics": {`refused_requests_total{reason="tabs"} 1`, `refused_requests_total{reason="states"} 1`, "\ntaba_tabs 2", "\ntaba_states 3", "taba_ingest_events_total 6"},
				"/status":  {"limits.states", `client "b" of tab "y"`},
			} {
				got := ask(mux, "GET", path, "").Body.String()
				for _, want := range wants {
					if !strings.Contains(got, want) {
						t.Errorf("%s says\n%s\nwithout %s", path, got, want)
					}
				}
			}
		})
	}
}
