// Package ingesttest checks that routes ask for the scope they should. It is
// used by the tests of whatever serves routes. It starts no goroutine and may
// be used by parallel tests.
package ingesttest

import (
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

// Routes calls routes of h, which must be guarded by ts, without a token, with
// a wrong one and with one of each scope. Routes are given by the scope they
// should ask for (0: none) in the form "METHOD /path".
func Routes(t *testing.T, h http.Handler, ts Tokens, routes map[ingest.Scope][]string) {
	for scope, some := range routes {
		for _, route := range some {
			t.Run(route, func(t *testing.T) { check(t, h, ts, route, scope) })
		}
	}
}

func check(t *testing.T, h http.Handler, ts Tokens, route string, need ingest.Scope) {
	if need == 0 {
		letIn(t, h, route, "")
		return
	}
	for _, none := range []string{"", "Bearer ", "Basic dTpw"} {
		turnedAway(t, h, route, none, http.StatusUnauthorized, need.String())
	}
	turnedAway(t, h, route, "Bearer taba_WRONG", http.StatusUnauthorized, "not known")
	for scope, secret := range ts.Secrets {
		if scope == need {
			letIn(t, h, route, "Bearer "+secret)
		} else {
			turnedAway(t, h, route, "Bearer "+secret, http.StatusForbidden, need.String())
		}
	}
}

func call(h http.Handler, route, authorization string) *httptest.ResponseRecorder {
	method, path, _ := strings.Cut(route, " ")
	r := httptest.NewRequest(method, path, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func letIn(t *testing.T, h http.Handler, route, authorization string) {
	t.Helper()
	if w := call(h, route, authorization); w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden {
		t.Errorf("with %q: %d %s, want it let in", authorization, w.Code, w.Body)
	}
}

func turnedAway(t *testing.T, h http.Handler, route, authorization string, status int, text string) {
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
