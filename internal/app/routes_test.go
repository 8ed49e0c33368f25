package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/ingest/ingesttest"
)

func testServer(t *testing.T, cfg ServerConfig) *server {
	t.Helper()
	s, err := newServer(cfg, Options{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.query.Close()
		if err := s.store.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func testAgent(t *testing.T, cfg AgentConfig) *agent {
	t.Helper()
	a, err := newAgent(cfg, Options{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return a
}

// serverRoutes is every route of a server by the scope it asks for.
var serverRoutes = map[ingest.Scope][]string{
	0: {"GET /healthz", "GET /readyz", "GET /-/healthy", "GET /-/ready", "GET /version", "GET /nowhere", "GET /v2/openapi.json",
		"GET /", "GET /ui/", "GET /ui/tab", "GET /assets/", "GET /plain/style.css"},
	ingest.Write: {"POST /post", "POST /post_zip",
		"POST /v2/batch", "GET /v2/stream", "POST /v2/source/open", "POST /v2/source/close", "POST /v2/source/heads", "POST /v2/agent"},
	ingest.Read: {"GET /plain", "GET /plain/tab", "GET /tabs", "GET /projection", "GET /supertabs", "GET /clients", "GET /names", "GET /types",
		"GET /v2/query", "GET /v2/series", "GET /v2/live", "GET /v2/names", "GET /v2/clients", "GET /v2/tags", "GET /v2/tag-values", "GET /v2/types", "GET /v2/status", "GET /v2/explain", "GET /v2/tail", "GET /v2/top",
		"GET /api/v1/query", "POST /api/v1/query", "GET /api/v1/query_range", "GET /api/v1/labels", "GET /api/v1/label/dc/values", "GET /api/v1/series",
		"GET /api/v1/metadata", "GET /api/v1/query_exemplars", "GET /api/v1/rules", "GET /api/v1/alerts", "GET /api/v1/format_query",
		"GET /api/v1/status/buildinfo", "GET /api/v1/status/flags", "GET /api/v1/nowhere",
		"GET /ids", "GET /status", "GET /servers", "GET /latency", "GET /metrics", "POST /tabs"},
	ingest.Admin: {"GET /recompute", "GET /gc", "GET /upgrade", "GET /flush_all", "GET /delete", "GET /check", "GET /v2/check",
		"POST /delete"},
}

func TestServerRoutesAskForScopes(t *testing.T) {
	tokens := ingesttest.NewTokens(t)
	cfg := DefaultServerConfig()
	cfg.Store, cfg.TokensFile = "memory", tokens.File
	s := testServer(t, cfg)
	ingesttest.Routes(t, s.front.mux, tokens, serverRoutes)
	t.Run("all are listed", func(t *testing.T) {
		listed := map[string]bool{}
		for _, routes := range serverRoutes {
			for _, r := range routes {
				_, path, _ := strings.Cut(r, " ")
				listed[path] = true
			}
		}
		for _, r := range s.query.Routes() {
			if path := strings.TrimSuffix(r.Pattern, "{$}"); !listed[path] {
				t.Errorf("the route %s is not tested with tokens", path)
			}
		}
	})
}

func TestAgentRoutesAskForScopes(t *testing.T) {
	tokens := ingesttest.NewTokens(t)
	cfg := DefaultAgentConfig()
	cfg.Spool, cfg.Servers, cfg.TokensFile = t.TempDir(), []string{"http://127.0.0.1:1"}, tokens.File
	a := testAgent(t, cfg)
	ingesttest.Routes(t, a.front.mux, tokens, map[ingest.Scope][]string{
		0:            {"GET /healthz", "GET /readyz", "GET /version", "GET /nowhere"},
		ingest.Write: {"POST /post", "POST /v2/batch", "GET /v2/stream"},
		ingest.Read:  {"GET /status", "GET /metrics", "GET /v2/status", "GET /v2/explain", "GET /v2/tail"},
	})
}

// TestRefusals: each kind of bad request has a status and a sentence that says
// what to do.
func TestRefusals(t *testing.T) {
	cfg := DefaultServerConfig()
	cfg.Store = "memory"
	cfg.Limits.BodyBytes, cfg.Limits.NameBytes = 1000, 20
	s := testServer(t, cfg)
	f := func(method, path, body string, status int, text string) {
		t.Helper()
		w := httptest.NewRecorder()
		s.front.mux.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		if w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%s %s: %d %q, want %d and %q", method, path, w.Code, w.Body, status, text)
		}
	}
	event := "[\"CounterGroup\", 1395954314, \"5\"]\n"
	f("POST", "/post", "1\n\nc\n\nt\nnot an event block", http.StatusOK, "")
	f("POST", "/post", "hello", http.StatusBadRequest, "line 1")
	f("POST", "/post", "1\n\nc\n\nt\n"+strings.Repeat(event, 50)+"\n\n", http.StatusRequestEntityTooLarge, "1000")
	f("POST", "/post", "1\n\nc\n\n"+strings.Repeat("n", 21)+"\n"+event+"\n\n", http.StatusRequestEntityTooLarge, "name")
	f("POST", "/post_zip", "not zlib", http.StatusBadRequest, "zlib")
	f("GET", "/post", "", http.StatusMethodNotAllowed, "Method not allowed")
	f("GET", "/nowhere", "", http.StatusNotFound, "/nowhere")
	f("GET", "/tabs?foo=1", "", http.StatusBadRequest, "Invalid parameters: foo")
	f("GET", "/tabs?re&name=(", "", http.StatusBadRequest, "regular expression")
	f("PUT", "/tabs", "", http.StatusMethodNotAllowed, "Method not allowed")
	f("GET", "/delete", "", http.StatusBadRequest, "name")
	f("DELETE", "/healthz", "", http.StatusMethodNotAllowed, "Method not allowed")
}
