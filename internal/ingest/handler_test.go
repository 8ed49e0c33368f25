package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
)

func TestPostCommitsThenAnswers(t *testing.T) {
	s := newSink()
	h := newTestHandler(s, nil, Options{})
	r, text := post(h, "/post", strings.NewReader(doc("web-1", "req.count", counterEvent(5), counterEvent(7))))
	wantStatus(t, r, text, 200)
	wantEqual(t, "body", text, "")
	wantEqual(t, "refused", r.Header.Get(HeaderRefused), "")
	wantEqual(t, "committed", s.String(), "req.count CounterGroup web-1 2")
	wantEqual(t, "events counted", h.Metrics().Events.Get(), 2)
	wantEqual(t, "budget held", h.Budget().Used(), 0)
}

func TestPostZip(t *testing.T) {
	s := newSink()
	h := newTestHandler(s, nil, Options{})
	r, text := post(h, "/post_zip", zlibbed(doc("web-1", "a", counterEvent(5))))
	wantStatus(t, r, text, 200)
	wantEqual(t, "committed", s.String(), "a CounterGroup web-1 1")

	r, text = post(h, "/post_zip", strings.NewReader(doc("web-1", "a", counterEvent(5))))
	wantStatus(t, r, text, 400)
	wantText(t, text, "zlib")

	r, text = post(h, "/post_zip", zlibbed(""), "Content-Encoding", "gzip")
	wantStatus(t, r, text, 415)
	wantEqual(t, "commits", s.commits, 1)
}

func TestEmptyDocuments(t *testing.T) {
	f := func(agent bool, path, body string, status int, want string) {
		t.Helper()
		s := newSink()
		r, text := post(newTestHandler(s, nil, Options{Agent: agent}), path, strings.NewReader(body))
		wantStatus(t, r, text, status)
		wantEqual(t, "text", text, want)
		wantEqual(t, "commits", s.commits, 0)
	}
	const none = "No events in POST document\n"
	f(false, "/post", "", 200, "")
	f(false, "/post_zip", "", 200, "")
	f(false, "/post", "1\n\n", 200, "")
	f(false, "/post", "1\n\nclient\n\ntab\n\n\n", 200, "") // registers nothing
	f(true, "/post", "", 400, none)
	f(true, "/post", "1\n\n", 400, none)
	f(true, "/post", "1\n\nclient\n\ntab\n\n\n", 400, none)
}

func TestMalformedBodyCommitsNothing(t *testing.T) {
	good := doc("web-1", "a", counterEvent(1))
	f := func(body, line string) {
		t.Helper()
		s := newSink()
		h := newTestHandler(s, nil, Options{})
		r, text := post(h, "/post", strings.NewReader(body))
		wantStatus(t, r, text, 400)
		wantText(t, text, line)
		wantEqual(t, "commits", s.commits, 0)
		wantEqual(t, "events counted", h.Metrics().Events.Get(), 0)
		wantEqual(t, "requests counted", h.Metrics().RefusedRequests(reasonMalformed), 1)
		wantEqual(t, "budget held", h.Budget().Used(), 0)

		_, text = post(newTestHandler(s, nil, Options{Agent: true}), "/post", strings.NewReader(body))
		wantText(t, text, "Could not parse document body\n")
		wantText(t, text, line)
	}
	f("hello", "line 1")
	f("2\n\nc\n\n", "line 1")
	f("1\r\n\r\n", "line 1")
	f("1\nc\n\n", "line 2")
	f(good+"c9\nnoblank", "line 10")
}

func TestRoutesAndMethods(t *testing.T) {
	h := newTestHandler(newSink(), nil, Options{})
	f := func(method, path string, status int, want string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		wantEqual(t, "status", w.Code, status)
		wantText(t, w.Body.String(), want)
		if status == http.StatusMethodNotAllowed {
			wantEqual(t, "Allow", w.Header().Get("Allow"), "POST")
		}
	}
	f("GET", "/post", 405, "Method not allowed.")
	f("PUT", "/post_zip", 405, "Method not allowed.")
	f("POST", "/post/", 404, "Not found: '/post/'")
	f("POST", "/nosuch", 404, "Not found: '/nosuch'")
}

func TestErrorsAsJSON(t *testing.T) {
	h := newTestHandler(newSink(), nil, Options{})
	r, text := post(h, "/post", strings.NewReader("hello"), "Accept", "application/json")
	wantStatus(t, r, text, 400)
	wantEqual(t, "type", r.Header.Get("Content-Type"), "application/json")
	wantText(t, text, `{"error":"line 1`)
}

func TestBadEventsAreRefusedAlone(t *testing.T) {
	s := newSink()
	h := newTestHandler(s, nil, Options{})
	body := doc("web-1", "req.errors", counterEvent(1), `["CounterGroup", 1395954295, "\"x\""]`, `["CounterGroup", 1395954295, "NaN"]`, `nonsense`) +
		"web-2\n\nodd,name:;\n[\"NoSuchType\", 1395954295, \"1\"]\n\n\n"
	r, text := post(h, "/post", strings.NewReader(body))
	wantStatus(t, r, text, 200)
	wantEqual(t, "committed", s.String(), "req.errors CounterGroup web-1 1")
	got := r.Header.Get(HeaderRefused)
	for _, want := range []string{
		"payload=1", "not_finite=1", "json=1", "unknown_type=1",
		"req.errors:payload", "req.errors:json", "odd%2Cname%3A%3B:unknown_type",
	} {
		wantText(t, got, want)
	}
	for reason, want := range map[string]uint64{"payload": 1, "not_finite": 1, "json": 1, "unknown_type": 1} {
		wantEqual(t, reason, h.Metrics().RefusedEvents(reason), want)
	}
}

func TestRefusedHeaderIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("1\n\nclient\n\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "%s-%d\n[\"NoSuch\", 1, \"1\"]\n\n", strings.Repeat("\xff", 400), i)
	}
	r, text := post(newTestHandler(newSink(), nil, Options{}), "/post", strings.NewReader(b.String()))
	wantStatus(t, r, text, 200)
	got := r.Header.Get(HeaderRefused)
	wantText(t, got, "unknown_type=1000;")
	wantText(t, got, "...")
	if len(got) > 2000 {
		t.Fatalf("the header has %d bytes", len(got))
	}
	for i := range len(got) {
		if got[i] < ' ' || got[i] > '~' {
			t.Fatalf("byte %q in the header", got[i])
		}
	}
}

func TestKnownTypeWins(t *testing.T) {
	s := newSink()
	h := newTestHandler(s, types{"req.count": "CounterGroup"}, Options{})
	r, text := post(h, "/post", strings.NewReader(doc("web-1", "req.count",
		`["PercentileGroup", 1395954295.0, "1000"]`)))
	wantStatus(t, r, text, 200)
	wantEqual(t, "committed", s.String(), "req.count CounterGroup web-1 1")

	r, text = post(h, "/post", strings.NewReader(doc("web-1", "req.count", `["NoSuchType", 1395954295.0, "1"]`)))
	wantStatus(t, r, text, 200)
	wantEqual(t, "an unknown Type on a known tab", s.String(), "req.count CounterGroup web-1 2")

	r, text = post(h, "/post", strings.NewReader(doc("web-1", "req.count", `["Gauge", 1395954295.0, "\"oops\""]`)))
	wantStatus(t, r, text, 200)
	wantText(t, r.Header.Get(HeaderRefused), "req.count:payload")
	wantEqual(t, "after a payload that does not fit", s.String(), "req.count CounterGroup web-1 2")
}

func TestFirstTypeWithinABodyWins(t *testing.T) {
	s := newSink()
	h := newTestHandler(s, nil, Options{})
	body := doc("c1", "new", counterEvent(1)) + "c2\n\nnew\n[\"PercentileGroup\", 1395954295.0, \"3\"]\n\n\n"
	r, text := post(h, "/post", strings.NewReader(body))
	wantStatus(t, r, text, 200)
	wantEqual(t, "committed", s.String(), "new CounterGroup c1 1\nnew CounterGroup c2 1")
}

func TestFutureIsClampedAndNonsenseTimesRefused(t *testing.T) {
	s := newSink()
	h := newTestHandler(s, nil, Options{})
	event := func(at string) string { return `["CounterGroup", ` + at + `, "1"]` }
	r, text := post(h, "/post", strings.NewReader(doc("c", "a",
		event("1395954300.0"), event("1395954360.0"), event("1395954361.0"), event("9e99"), event("Infinity"), event("NaN"))))
	wantStatus(t, r, text, 200)
	wantEqual(t, "committed", s.String(), "a CounterGroup c 4")
	wantText(t, r.Header.Get(HeaderRefused), "not_finite=2")
	wantEqual(t, "clamped", h.Metrics().Clamped.Get(), 2)
	// The newest event is 60 s ahead, within the tolerance; had one been
	// taken as it was, the minute would end there.
	wantText(t, s.rendered("a"), `"10m": {"count": 4,`)
}

func TestNames(t *testing.T) {
	f := func(o Options, client, tab string, status int, want string) {
		t.Helper()
		s := newSink()
		r, text := post(newTestHandler(s, nil, o), "/post", strings.NewReader(doc(client, tab, counterEvent(1))))
		wantStatus(t, r, text, status)
		wantText(t, text+r.Header.Get(HeaderRefused), want)
		taken := 0
		if want == "" {
			taken = 1
		}
		wantEqual(t, "commits", s.commits, taken)
	}
	f(Options{}, "c", "odd name, with \xc3\xa9 and commas", 200, "") // as the original's
	f(Options{}, "c", "tab\ttab", 200, "name=1")
	f(Options{}, "c\x00", "tab", 200, "name=1")
	f(Options{StrictNames: true}, "c", "odd name", 200, "name=1; odd%20name:name")
	f(Options{StrictNames: true}, "a/b", "x;k=v", 200, "")
	f(Options{}, "c", strings.Repeat("n", 513), 413, "name limit of 512")
	f(Options{Limits: Limits{Text: wire.Limits{Name: 3}}}, "toolong", "tab", 413, "name limit of 3")
	f(Options{Limits: Limits{Text: wire.Limits{Line: 10}}}, "c", "tab", 413, "line limit of 10")
}

func TestCommitErrorsAskForARetry(t *testing.T) {
	f := func(err error, want string) {
		t.Helper()
		s := newSink()
		s.err = err
		h := newTestHandler(s, nil, Options{})
		r, text := post(h, "/post", strings.NewReader(doc("c", "a", counterEvent(1))))
		wantStatus(t, r, text, 503)
		wantEqual(t, "Retry-After", r.Header.Get("Retry-After"), "1")
		wantText(t, text, want)
		wantEqual(t, "events counted", h.Metrics().Events.Get(), 0)
		wantEqual(t, "budget held", h.Budget().Used(), 0)
		// What failed must not come back with the next request.
		s.err = nil
		r, text = post(h, "/post", strings.NewReader(doc("c", "b", counterEvent(1))))
		wantStatus(t, r, text, 200)
		wantEqual(t, "committed", s.String(), "b CounterGroup c 1")
	}
	f(fmt.Errorf("append: %w", syscall.ENOSPC), "the disk is full")
	f(fmt.Errorf("append: %w", store.ErrFailed), "must be restarted")
	f(fmt.Errorf("append: %w", store.ErrClosed), "the process is stopping")
	f(context.Canceled, "outcome is not known")
	f(errors.New("no luck"), "no luck")
}
