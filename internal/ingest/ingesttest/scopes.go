// Package ingesttest checks that routes ask for the scope they should. It is
// used by the tests of whatever serves routes. It starts no goroutine and may
// be used by parallel tests.
package ingesttest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/ingest"
)

// Tokens are one token of each scope, in a tokens file.
type Tokens struct {
	File    string
	Secrets map[ingest.Scope]string
}

// NewTokens writes a tokens file for the duration of the test.
func NewTokens(t testing.TB) Tokens {
	t.Helper()
	ts := Tokens{File: filepath.Join(t.TempDir(), "tokens"), Secrets: make(map[ingest.Scope]string)}
	var lines strings.Builder
	for _, scope := range []ingest.Scope{ingest.Write, ingest.Read, ingest.Admin} {
		secret, line := ingest.GenerateToken("may-"+scope.String(), scope)
		ts.Secrets[scope] = secret
		lines.WriteString(line + "\n")
	}
	if err := os.WriteFile(ts.File, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return ts
}

// Route is one route and the scope it should ask for; 0 means none.
type Route struct {
	Method, Path, Body string
	Scope              ingest.Scope
}

// Routes calls each route of h, which must be guarded by ts, without a token,
// with a wrong one and with one of each scope.
func Routes(t *testing.T, h http.Handler, ts Tokens, routes []Route) {
	for _, route := range routes {
		t.Run(route.Method+" "+route.Path, func(t *testing.T) {
			if route.Scope == 0 {
				letIn(t, h, route, "")
				return
			}
			turnedAway(t, h, route, "", http.StatusUnauthorized, route.Scope.String())
			turnedAway(t, h, route, "Bearer ", http.StatusUnauthorized, route.Scope.String())
			turnedAway(t, h, route, "Basic dTpw", http.StatusUnauthorized, route.Scope.String())
			turnedAway(t, h, route, "Bearer taba_WRONG", http.StatusUnauthorized, "not known")
			for scope, secret := range ts.Secrets {
				if scope == route.Scope {
					letIn(t, h, route, "Bearer "+secret)
				} else {
					turnedAway(t, h, route, "Bearer "+secret, http.StatusForbidden, route.Scope.String())
				}
			}
		})
	}
}

func call(h http.Handler, route Route, authorization string) *httptest.ResponseRecorder {
	var body io.Reader
	if route.Body != "" {
		body = strings.NewReader(route.Body)
	}
	r := httptest.NewRequest(route.Method, route.Path, body)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func letIn(t *testing.T, h http.Handler, route Route, authorization string) {
	t.Helper()
	if w := call(h, route, authorization); w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden {
		t.Errorf("with %q: %d %s, want it let in", authorization, w.Code, w.Body)
	}
}

func turnedAway(t *testing.T, h http.Handler, route Route, authorization string, status int, text string) {
	t.Helper()
	w := call(h, route, authorization)
	if w.Code != status {
		t.Errorf("with %q: status %d, want %d", authorization, w.Code, status)
	}
	if !strings.Contains(w.Body.String(), text) {
		t.Errorf("with %q: %q does not say %q", authorization, w.Body, text)
	}
	if status == http.StatusUnauthorized && !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("with %q: no WWW-Authenticate", authorization)
	}
}
