package ingest_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/ingest/ingesttest"
	"github.com/tabaproject/taba/state/builtin"
)

func TestEveryRouteAsksForItsScope(t *testing.T) {
	ts := ingesttest.NewTokens(t)
	m := ingest.NewMetrics()
	auth, err := ingest.NewAuth(ts.File, m)
	if err != nil {
		t.Fatal(err)
	}
	reg, st := builtin.Registry(), newStore()
	events := ingest.New(reg, nil, nil, ingest.Options{})
	batches := ingest.NewBatches(st, st, reg, ingest.Options{})
	mux := http.NewServeMux()
	mux.Handle("/post", auth.Require(ingest.Write, events))
	mux.Handle("/post_zip", auth.Require(ingest.Write, events))
	mux.Handle("/v2/", auth.Require(ingest.Write, batches))
	mux.Handle("/read", auth.Require(ingest.Read, http.NotFoundHandler()))
	mux.Handle("/admin", auth.Require(ingest.Admin, http.NotFoundHandler()))
	mux.Handle("/open", http.NotFoundHandler())
	ingesttest.Routes(t, mux, ts, map[ingest.Scope][]string{
		ingest.Write: {
			"POST /post", "POST /post_zip", "GET /post", "POST /v2/batch",
			"POST /v2/source/open", "POST /v2/source/close", "POST /v2/source/heads",
		},
		ingest.Read:  {"GET /read"},
		ingest.Admin: {"GET /admin"},
		0:            {"GET /open"},
	})
	if m.RefusedRequests("token") == 0 || m.RefusedRequests("scope") == 0 {
		t.Error("who is turned away is not counted")
	}
}

func TestWithoutTokensEverybodyMay(t *testing.T) {
	f := func(a *ingest.Auth) {
		t.Helper()
		if a.Enabled() {
			t.Error("tokens are asked for")
		}
		mux := http.NewServeMux()
		mux.Handle("/", a.Require(ingest.Admin, http.NotFoundHandler()))
		ingesttest.Routes(t, mux, ingesttest.Tokens{}, map[ingest.Scope][]string{0: {"GET /"}})
	}
	f(nil)
	a, err := ingest.NewAuth("", nil)
	if err != nil {
		t.Fatal(err)
	}
	f(a)
}

func TestTokensFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	_, good := ingest.GenerateToken("ci", ingest.Write|ingest.Read)
	refused := func(text, want string) {
		t.Helper()
		write(text, 0o600)
		_, err := ingest.NewAuth(path, nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: error %v, want one about %q in %s", text, err, want, path)
		}
	}
	refused("", "holds no token")
	refused("# nothing\n\n", "holds no token")
	refused(good+"\nother sha256:00 write", "line 2: the hash of \"other\" is not 64")
	refused("# comment\nx y", "line 2: 2 fields, want 3")
	refused(good+" # fine\n"+good, `line 2: the name "ci" is already on line 1`)
	refused(strings.Replace(good, "write,read", "write,root", 1), `line 1: unknown scope "root"`)
	refused(strings.Replace(good, "sha256:", "md5:", 1), "does not begin with sha256:")
	refused(strings.Replace(good, "sha256:", "sha256:zz", 1), "is not 64 hexadecimal digits")
	refused(strings.Repeat(" ", 1<<20+1), "larger than the limit")

	write(good, 0o604)
	if _, err := ingest.NewAuth(path, nil); err == nil || !strings.Contains(err.Error(), "chmod o-rwx") {
		t.Errorf("a file that others may read: error %v", err)
	}
	if _, err := ingest.NewAuth(filepath.Join(path, "none"), nil); err == nil {
		t.Error("no error for a file that is not there")
	}
	if _, err := ingest.NewAuth(t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: error %v", err)
	}
}

func TestReloadKeepsTheTokensOnAnError(t *testing.T) {
	ts := ingesttest.NewTokens(t)
	a, err := ingest.NewAuth(ts.File, nil)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", a.Require(ingest.Read, http.NotFoundHandler()))
	routes := map[ingest.Scope][]string{ingest.Read: {"GET /"}}

	if err := os.WriteFile(ts.File, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Reload(); err == nil {
		t.Error("nonsense was loaded")
	}
	ingesttest.Routes(t, mux, ts, routes) // the old tokens hold

	fresh := ingesttest.NewTokens(t)
	lines, err := os.ReadFile(fresh.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ts.File, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	ingesttest.Routes(t, mux, fresh, routes)
}

func TestScopesHaveNames(t *testing.T) {
	s, err := ingest.ParseScopes("admin,write")
	if err != nil || s != ingest.Admin|ingest.Write || s.String() != "write,admin" {
		t.Errorf("got %v, %v", s, err)
	}
	if _, err := ingest.ParseScopes(""); err == nil {
		t.Error("no error for no scope")
	}
}

// TestOtherSitesMayOnlyRead: without tokens a page of another site, shown by a
// browser on the same host, cannot delete or post.
func TestOtherSitesMayOnlyRead(t *testing.T) {
	open, err := ingest.NewAuth("", nil)
	if err != nil {
		t.Fatal(err)
	}
	f := func(a *ingest.Auth, scope ingest.Scope, site string, want int) {
		t.Helper()
		r := httptest.NewRequest("GET", "/delete?name=x", nil)
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		w := httptest.NewRecorder()
		a.Require(scope, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("scope %v from %q: %d, want %d", scope, site, w.Code, want)
		}
	}
	for _, a := range []*ingest.Auth{open, nil} {
		f(a, ingest.Admin, "cross-site", http.StatusForbidden)
		f(a, ingest.Admin, "same-site", http.StatusForbidden)
		f(a, ingest.Write, "cross-site", http.StatusForbidden)
		f(a, ingest.Read, "cross-site", http.StatusOK)
		f(a, ingest.Admin, "same-origin", http.StatusOK)
		f(a, ingest.Admin, "none", http.StatusOK)
		f(a, ingest.Admin, "", http.StatusOK)
	}
}
