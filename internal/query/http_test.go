package query_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/query"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state/builtin"
)

// answer is what a request got.
type answer struct {
	status int
	head   http.Header
	body   string
}

// do sends "METHOD /path" with "Name: value" headers and an optional body.
func (s *server) do(t testing.TB, request, body string, headers ...string) answer {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: w.StatusCode, head: w.Header, body: string(b)}
}

const asJSON = "Accept: application/json"

// post records one event of 1 per name, "tab@client".
func (s *server) post(t testing.TB, names ...string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("1\n\n")
	for _, n := range names {
		tab, client, _ := strings.Cut(n, "@")
		b.WriteString(client + "\n\n" + tab + "\n[\"TotalsCounter\", 1395954300, \"1\"]\n\n\n")
	}
	if a := s.do(t, "POST /post", b.String()); a.status != http.StatusOK || a.head.Get("X-Taba-Refused") != "" {
		t.Fatalf("post: %d %s %s", a.status, a.head.Get("X-Taba-Refused"), a.body)
	}
}

func mem() store.Store { return store.NewMem(store.MemOptions{VBuckets: 3}) }

func TestMethods(t *testing.T) {
	s := start(t, mem())
	for _, r := range s.query.Routes() {
		if strings.HasSuffix(r.Pattern, "/") || strings.Contains(r.Pattern, "{") || strings.HasPrefix(r.Pattern, "/plain") {
			continue // a page
		}
		for _, method := range []string{"PUT", "DELETE", "PATCH"} {
			a := s.do(t, method+" "+r.Pattern, "")
			if a.status != http.StatusMethodNotAllowed || a.head.Get("Allow") != "GET, HEAD, POST" {
				t.Errorf("%s %s: %d, Allow %q", method, r.Pattern, a.status, a.head.Get("Allow"))
			}
		}
		want := http.StatusOK
		switch r.Pattern {
		case "/delete", "/v2/query", "/v2/series", "/v2/live", "/v2/tag-values", "/v2/explain", "/v2/tail":
			want = http.StatusBadRequest // it was not told what
		}
		for _, method := range []string{"GET", "HEAD", "POST"} {
			a := s.do(t, method+" "+r.Pattern, "")
			if a.status != want || (method == "HEAD" && a.body != "") {
				t.Errorf("%s %s: %d %q, want %d", method, r.Pattern, a.status, a.body, want)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	s := start(t, mem())
	s.post(t, "a@x")
	f := func(request, body string, status int, sentence string) {
		t.Helper()
		a := s.do(t, request, body)
		if a.status != status || !strings.Contains(a.body, sentence) || !strings.HasSuffix(a.body, "\n") {
			t.Errorf("%s: %d %q, want %d %q", request, a.status, a.body, status, sentence)
		}
		if got := a.head.Get("Content-Type"); got != "text/plain; charset=utf-8" {
			t.Errorf("%s: Content-Type %q", request, got)
		}
		a = s.do(t, request, body, asJSON)
		var e struct{ Error string }
		if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.status != status || !strings.Contains(e.Error, sentence) {
			t.Errorf("%s as JSON: %d %q", request, a.status, a.body)
		}
		if got := a.head.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s as JSON: Content-Type %q", request, got)
		}
	}
	f("GET /nosuch", "", 404, "Not found: '/nosuch'")
	f("GET /tabs/", "", 404, "Not found")
	f("GET /tabs?foo=1&bar&foo=2", "", 400, "Invalid parameters: foo, bar")
	f("GET /clients?name=a", "", 400, "Invalid parameters: name")
	f("GET /status?name=a", "", 400, "Invalid parameters: name")
	f("GET /tabs?re&name=(", "", 400, `"name"`)
	f("GET /tabs?re&client=%5B", "", 400, `"client"`)
	f("GET /tabs?%zz=1", "", 400, "Invalid parameters: %zz")
	f("POST /tabs", "[]", 400, "not a JSON object")
	f("POST /tabs", "{} {}", 400, "something follows")
	f("POST /tabs", `{"name": 7}`, 400, `"name" in the body must be a string`)
	f("POST /tabs", `{"client": ["a"]}`, 400, `"client" in the body must be a string`)
	f("POST /tabs?name=a", `{bad`, 400, "not a JSON object")
	f("POST /tabs", strings.Repeat(" ", 1<<20)+"{}", 413, "longer than 1048576 bytes")
	f("GET /delete", "", 400, "name=")
	f("GET /delete?name=", "", 400, "name=")
}

func TestParameters(t *testing.T) {
	s := start(t, mem())
	s.post(t, "a@x", "b@y", "c,d@x", "c@x", "d;k=v@z", "5% +@x")
	f := func(request, body, want string) {
		t.Helper()
		if a := s.do(t, request, body); a.status != 200 || strings.Join(strings.Fields(a.body), " ") != want {
			t.Errorf("%s %s: %d %q, want %q", request, body, a.status, a.body, want)
		}
	}
	all := "5% + a b c c,d d;k=v"
	f("GET /names", "", all)
	f("GET /names?name=", "", all) // empty is none
	f("GET /names?name=a,b", "", "a b")
	f("GET /names?name=b&name=a", "", "a") // the last counts
	f("GET /names?name=a%2Cb", "", "a b")  // programs encode commas of lists
	f("GET /names?name=c%2Cd", "", "c,d")  // but here is a name with one
	f("GET /names?name=c%2Cx,a", "", "a c")
	f("GET /names?name=c%252Cd", "", "c,d")
	f("GET /names?name=a%2Cc%252Cd", "", "a c,d")
	f("GET /names?name=a%252Cb", "", "")
	f("GET /names?name=d;k=v", "", "d;k=v")
	f("GET /names?name=%zz,5%+%2b,a%", "", "5% +") // what is no escape stands for itself
	f("GET /names?name=,,&client=x", "", "")
	f("GET /names?name=,b,", "", "b")
	f("GET /names?re&name=[ab]", "", "a b")
	f("GET /names?re&name=c,", "", "c,d") // a comma in a pattern is a comma
	f("GET /names?re=false&name=[ab]", "", "a b")
	f("GET /names?client=y", "", "b")
	f("POST /names", `{"name": "a,b"}`, "a b")
	f("POST /names", `{"name": "c%2Cd"}`, "c,d")
	f("POST /names", `{"name": null, "other": 1}`, all)
	f("POST /names", `{"name": "[ab]", "re": 1}`, "a b")
	f("POST /names", `{"name": "[ab]", "re": null}`, "")
	f("POST /names", `{"name": "[ab]", "re": false}`, "a b") // it was given
	for _, nothing := range []string{"false", "0", "-0.0", `""`, "[]", "{}"} {
		f("POST /names", `{"name": "a", "client": `+nothing+`}`, "a")
	}
	f("POST /names?name=", `{"name": "b"}`, all)
	f("POST /names?name=a", `{"name": "b"}`, "a") // the query string goes first
	f("GET /names", `{"name": "b"}`, "b")         // the body of a GET is read too
	f("POST /clients?client=x&re", `{bad`, "x")   // and not read if it is not needed
}

func TestAccept(t *testing.T) {
	s := start(t, mem())
	s.post(t, "a@x")
	f := func(path, accept, contentType, body string) {
		t.Helper()
		a := s.do(t, "GET "+path, "", "Accept: "+accept)
		if a.head.Get("Content-Type") != contentType || a.body != body {
			t.Errorf("%s as %s: %s %q, want %s %q", path, accept, a.head.Get("Content-Type"), a.body, contentType, body)
		}
	}
	const text, json = "text/plain; charset=utf-8", "application/json"
	const value = `{"count": 1, "total": 1.00, "average": 1.00}`
	f("/tabs", "text/html", text, "a: "+value+"\n")
	f("/tabs", "APPLICATION/JSON-detailed", json, `{"a": `+value+`}`)
	f("/tabs", "application/json;q=1", text, "a: "+value+"\n")
	f("/projection", "application/json", json, `{"x": {"a": `+value+`}}`)
	f("/supertabs", "application/json", json, value)
	f("/names", "application/json-detailed", text, "a\n")
	f("/names", "application/json", json, `["a"]`)
	f("/types", "application/json", json, `{"a": "TotalsCounter"}`)
	f("/ids", "application/json", json, `{"names": {"a": 1}, "clients": {"x": 1}}`)
	f("/latency", "text/html", json, `{"enqueue_avg": 0.0, "processed_avg": 0.0, "cluster_aggregate": 0.0}`)
	f("/latency", "*/*", text, "cluster_aggregate: 0.0\nenqueue_avg: 0.0\nprocessed_avg: 0.0\n")
	f("/servers", "text/plain", text, "taba_server.testhost.8300: ['fe', 'be']\n")
}

// To reduce States means that what has expired by now is gone. A tab's State
// over all clients, and one State alone of /supertabs, are shown as they are.
func TestWhatIsReducedExpires(t *testing.T) {
	s := start(t, mem())
	now := time.Unix(1395954300, 0)
	post := func(client, value string, expiry int64) {
		body := fmt.Sprintf("1\n\n%s\n\nlog\n[\"Buffer\", %d, \"[\\\"%s\\\", %d]\"]\n\n\n", client, now.Unix(), value, expiry)
		if a := s.do(t, "POST /post", body); a.status != http.StatusOK || a.head.Get("X-Taba-Refused") != "" {
			t.Fatalf("post: %d %s", a.status, a.body)
		}
	}
	f := func(request, want string) {
		t.Helper()
		if a := s.do(t, request, ""); a.status != http.StatusOK || a.body != want+"\n" {
			t.Errorf("%s: %d %q, want %q", request, a.status, a.body, want)
		}
	}
	s.setNow(now)
	post("x", "short", now.Unix()+10)
	post("y", "long", now.Unix()+100)
	s.setNow(now.Add(20 * time.Second))
	const short, long = `["short", 1395954300.0]`, `["long", 1395954300.0]`
	f("GET /tabs", "log: ["+long+", "+short+"]")
	f("GET /projection?client=x", "(log, x): ["+short+"]")
	f("GET /supertabs", "["+long+", "+short+"]")
	f("GET /supertabs?client=x", "["+short+"]")
	f("GET /supertabs?client=x,y", "["+long+"]")
	f("GET /tabs?client=x", "log: []")
	f("GET /tabs?client=x,y", "log: ["+long+"]")
}

func TestDeleteAndGC(t *testing.T) {
	s := start(t, mem())
	s.post(t, "a@x", "a@y", "b@x", "c@z")
	if a := s.do(t, "POST /delete?name=a,c,nosuch", ""); a.status != 200 || a.body != "" {
		t.Fatalf("delete: %d %q", a.status, a.body)
	}
	if a := s.do(t, "GET /projection", ""); !strings.HasPrefix(a.body, "(b, x): ") || strings.Count(a.body, "\n") != 1 {
		t.Errorf("after the deletion: %q", a.body)
	}
	if a := s.do(t, "GET /clients", ""); a.body != "x\n" {
		t.Errorf("clients after the deletion: %q", a.body)
	}
	gauge := "1\n\nx\n\ng\n[\"ExpiryGauge\", 1395954300, \"[\\\"v\\\", 1395954400]\"]\n\n\n"
	s.do(t, "POST /post", gauge)
	for _, late := range []bool{false, true} {
		if late {
			s.setNow(time.Unix(1395954401, 0))
		}
		if a := s.do(t, "GET /gc", ""); a.body != "Started\n" {
			t.Fatalf("gc: %q", a.body)
		}
		if got := strings.Contains(s.do(t, "GET /projection", "").body, "(g, x)"); got == late {
			t.Errorf("expired: %v, still there: %v", late, got)
		}
	}
	if a := s.do(t, "GET /names", ""); a.body != "b\ng\n" {
		t.Errorf("names stay: got %q", a.body)
	}
}

func TestLatencyIsDiscounted(t *testing.T) {
	s := start(t, mem(), func(o *query.Options) { o.Latency = func() (float64, float64) { return 1.5, 0.5 } })
	s.do(t, "POST /post", "1\n\nx\n\nc\n[\"CounterGroup\", 1395954300, \"1\"]\n\n\n")
	s.setNow(time.Unix(1395954361, 0)) // the window of a minute, less the latency, still holds it
	if a := s.do(t, "GET /tabs", ""); !strings.HasPrefix(a.body, `c: {"1m": {"count": 1,`) {
		t.Errorf("got %q", a.body)
	}
	if a := s.do(t, "GET /latency", ""); a.body != "cluster_aggregate: 2.0\nenqueue_avg: 1.5\nprocessed_avg: 0.5\n" {
		t.Errorf("got %q", a.body)
	}
}

func TestCheck(t *testing.T) {
	s := start(t, mem())
	s.post(t, "a@x", "b@x")
	if a := s.do(t, "GET /check?dry=false", ""); a.status != 200 || a.body != "Started\n" {
		t.Fatalf("got %d %q", a.status, a.body)
	}
	a := s.do(t, "GET /v2/check", "")
	var report struct {
		OK       bool
		VBuckets []struct{ Appended, Tail uint64 }
	}
	if err := json.Unmarshal([]byte(a.body), &report); err != nil {
		t.Fatal(err)
	}
	var appended uint64
	for _, vb := range report.VBuckets {
		appended += vb.Appended
	}
	if !report.OK || appended != 2 {
		t.Errorf("got %+v, want 2 events accounted for", report)
	}
	if last := s.query.LastAudit(); last == nil || !last.Report.OK() {
		t.Errorf("the last audit was not kept: %+v", last)
	}
}

// failing is a store whose reads fail once that is switched on.
type failing struct {
	store.Store
	err error
}

func (f *failing) Load(ctx context.Context, vb int, r store.LoadRequest) (*store.Loaded, error) {
	if f.err != nil && r.Records != store.DirectoryOnly {
		return nil, f.err
	}
	return f.Store.Load(ctx, vb, r)
}

func TestStoreFails(t *testing.T) {
	st := &failing{Store: mem()}
	s := start(t, st)
	s.post(t, "a@x")
	f := func(err error, status int) {
		t.Helper()
		st.err = err
		a := s.do(t, "GET /tabs", "")
		if a.status != status || (status == 503) != (a.head.Get("Retry-After") != "") {
			t.Errorf("%v: %d, Retry-After %q", err, a.status, a.head.Get("Retry-After"))
		}
	}
	f(store.ErrFailed, 503)
	f(store.ErrClosed, 503)
	f(errors.New("secret"), 503)
	for _, path := range []string{"/tabs", "/tabs?partial=1", "/v2/query?q=a", "/v2/names"} {
		if a := s.do(t, "GET "+path, ""); strings.Contains(a.body, "secret") {
			t.Errorf("the store's words were passed on: %q", a.body)
		}
	}
	st.err = nil
	if a := s.do(t, "GET /tabs", ""); a.status != 200 {
		t.Errorf("it works again: %d", a.status)
	}
}

func TestAnswersThatAreTooLargeAreRefused(t *testing.T) {
	s := start(t, mem(), func(o *query.Options) { o.MaxAnswer = 100 })
	s.post(t, "a@x", "b@x", "c@x", "d@x")
	if a := s.do(t, "GET /projection", "", asJSON); a.status != 413 {
		t.Errorf("got %d, want 413", a.status)
	}
	if a := s.do(t, "GET /projection?name=a", "", asJSON); a.status != 200 {
		t.Errorf("got %d, want 200", a.status)
	}
	if a := s.do(t, "GET /projection", ""); a.status != 200 {
		t.Errorf("text is not held: got %d, want 200", a.status)
	}
}

// cutOff fails writes after the first.
type cutOff struct {
	*httptest.ResponseRecorder
	writes int
}

func (c *cutOff) Write(b []byte) (int, error) {
	if c.writes++; c.writes > 1 {
		return 0, errors.New("gone")
	}
	return c.ResponseRecorder.Write(b)
}

func TestHalfAnAnswerCutsTheConnection(t *testing.T) {
	s := start(t, mem())
	var names []string
	for i := range 3000 {
		names = append(names, "tab."+strings.Repeat("n", i%50)+time.Duration(i).String()+"@x")
	}
	s.post(t, names...)
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("got %v, want http.ErrAbortHandler", p)
		}
	}()
	s.query.ServeHTTP(&cutOff{ResponseRecorder: httptest.NewRecorder()}, httptest.NewRequest("GET", "/tabs", nil))
}

func TestScopes(t *testing.T) {
	st := mem()
	reg := builtin.Registry()
	h := query.New(query.Options{View: view.New(st, reg, view.Options{}), Compactor: view.NewCompactor(st, reg, view.CompactorOptions{})})
	defer h.Close()
	admin := "/recompute /gc /upgrade /flush_all /delete /check /v2/check"
	for _, r := range h.Routes() {
		want := query.Read
		switch {
		case strings.Contains(admin+" ", r.Pattern+" "):
			want = query.Admin
		case strings.Contains(" / /{$} /ui/ /assets/ /plain/style.css /v2/openapi.json ", " "+r.Pattern+" "):
			want = query.Open
		}
		if r.Scope != want {
			t.Errorf("%s needs %q, want %q", r.Pattern, r.Scope, want)
		}
	}
}
