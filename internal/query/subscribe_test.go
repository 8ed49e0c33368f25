package query_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// stream is a live query.
type stream struct {
	t     testing.TB
	resp  *http.Response
	lines *bufio.Scanner
}

func (s *server) live(t testing.TB, params string, headers ...string) *stream {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/v2/live?"+params, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	x := &stream{t: t, resp: resp, lines: bufio.NewScanner(resp.Body)}
	x.lines.Buffer(nil, 1<<20)
	return x
}

// next returns the next event's name and data.
func (x *stream) next() (name, data string) {
	x.t.Helper()
	for x.lines.Scan() {
		switch field, value, _ := strings.Cut(x.lines.Text(), ": "); field {
		case "event":
			name = value
		case "data":
			return name, value
		}
	}
	x.t.Fatalf("the stream has ended: %v", x.lines.Err())
	return "", ""
}

// until reads events until one has a text.
func (x *stream) until(text string) {
	x.t.Helper()
	for {
		if _, data := x.next(); strings.Contains(data, text) {
			return
		}
	}
}

func TestLive(t *testing.T) {
	s := start(t, mem())
	s.record(t, "TotalsCounter a@x 10 1")
	fast := s.live(t, "q=count(a)", "Last-Event-ID: whatever")
	if got := fast.resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("Content-Type %q", got)
	}
	if name, data := fast.next(); name != "answer" || !strings.Contains(data, `"values":{"count":1}`) {
		t.Errorf("%s %s", name, data)
	}
	slow := s.live(t, "q=count(a)") // it reads nothing until the end
	for i := range 20 {
		s.record(t, "TotalsCounter a@x 10 1")
		s.query.Committed()
		fast.until(fmt.Sprintf(`"values":{"count":%d}`, i+2))
	}
	slow.until(`"values":{"count":21}`)
	s.query.EndLive()
	for _, x := range []*stream{fast, slow} {
		name := ""
		for name != "end" {
			name, _ = x.next()
		}
	}
}

func TestLiveRefuses(t *testing.T) {
	s := start(t, mem())
	s.record(t, "TotalsCounter a@x 10 1")
	f := func(params string, status int, code string) {
		t.Helper()
		a := s.do(t, "GET /v2/live?"+params, "")
		if x := decode[told](t, a); a.status != status || x.Error.Code != code {
			t.Errorf("%s: %d %s", params, a.status, a.body)
		}
	}
	f("", 400, "invalid_parameter")
	f("q=a+last+37x", 400, "syntax")
	f("q=a&limit=3", 400, "invalid_parameter")
	f("q=a&every=0s", 400, "invalid_parameter")
	f("q=p50(a)", 400, "unsupported")
	s.query.EndLive()
	f("q=a", 503, "unavailable")
}
