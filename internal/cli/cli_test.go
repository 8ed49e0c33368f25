package cli

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestQueryString(t *testing.T) {
	f := func(q Query, want string) {
		t.Helper()
		if got := q.encode(); got != want {
			t.Errorf("%+v gives %q, want %q", q, got, want)
		}
	}
	f(Query{}, "")
	f(Query{Names: []string{"a", "b&c"}}, "?name=a,b%26c")
	f(Query{Names: []string{"a"}, Clients: []string{"x", "y"}}, "?name=a&client=x,y")
	f(Query{Names: []string{"a.*", "b"}, Regexp: true}, "?name=%28%3F%3Aa.%2A%29%7C%28%3F%3Ab%29&re=1")
	f(Query{Names: []string{"a,b", "c"}}, "?name=a%252Cb,c")
	f(Query{Names: []string{"a+"}, Regexp: true}, "?name=a%2B&re=1")
}

func TestGroup(t *testing.T) {
	f := func(number, want string) {
		t.Helper()
		if got := Group(number); got != want {
			t.Errorf("Group(%q) = %q, want %q", number, got, want)
		}
	}
	f("", "")
	f("0", "0")
	f("999", "999")
	f("1000", "1,000")
	f("-1234567.50", "-1,234,567.50")
	f("0.855279", "0.855279")
	f("1100.000000", "1,100.00")
	f("1e+16", "1e+16")
}

const counter = `{"1m": {"count": 2, "total": 1100.00, "average": 550.00}, "10m": {"count": 2, "total": 1100.00, "average": 550.00}, ` +
	`"1h": {"count": 2, "total": 1100.00, "average": 550.00}, "1d": {"count": 3000, "total": 1100.00, "average": 550.00}, ` +
	`"pct": {"count": 2, "total": 1100.000000, "pct": [100.00, 1000.00, 1000.00, 1000.00, 1000.00, 1000.00, 1000.00]}}`

var sample = []Answer{
	{Name: "bids", Type: "CounterGroup", Body: []byte(counter)},
	{Name: "build", Type: "Gauge", Body: []byte(`{"1.2": 3, "1.3": 1}`)},
	{Name: "errors", Type: "Buffer", Body: []byte(`[["a\u001b[31m", 99999999999999.0]]`)},
	{Name: "none", Type: "Gauge", Body: []byte(`{}`)},
	{Name: "spend", Type: "TotalsCounter", Body: []byte(`{"count": 2, "total": 3.00, "average": 1.50}`)},
	{Name: "sizes", Type: "PercentileCounter", Body: []byte(`{"count": 2, "total": 3.000000, "pct": [1.00, 2.00, 2.00, 2.00, 2.00, 2.00, 2.00]}`)},
	{Name: "own", Type: "Special", Body: []byte(`{"x": [1]}`)},
}

func TestPlainTables(t *testing.T) {
	var b strings.Builder
	if err := (Output{W: &b}).Answers(sample, false); err != nil {
		t.Fatal(err)
	}
	want := `TAB     VALUE      EXPIRES
errors  a\x1b[31m  99999999999999.0

TAB   WINDOW  COUNT     TOTAL  AVERAGE     P25       P50       P75       P90       P95       P99     P99.9
bids  1m          2  1,100.00   550.00
bids  10m         2  1,100.00   550.00
bids  1h          2  1,100.00   550.00
bids  1d      3,000  1,100.00   550.00
bids  all         2  1,100.00   550.00  100.00  1,000.00  1,000.00  1,000.00  1,000.00  1,000.00  1,000.00

TAB    VALUE  CLIENTS
build  1.2          3
build  1.3          1
none

TAB    WINDOW  COUNT  TOTAL  AVERAGE   P25   P50   P75   P90   P95   P99  P99.9
sizes  all         2   3.00     1.50  1.00  2.00  2.00  2.00  2.00  2.00   2.00

TAB  VALUE
own  {"x": [1]}

TAB    COUNT  TOTAL  AVERAGE
spend      2   3.00     1.50
`
	if got := b.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestTerminalTablesFit(t *testing.T) {
	f := func(width int, color bool) {
		t.Helper()
		var b strings.Builder
		out := Output{W: &b, Terminal: true, Color: color, Width: width}
		if err := out.Answers(sample[:1], false); err != nil {
			t.Fatal(err)
		}
		if got := widest(b.String()); got > width {
			t.Errorf("a table for %d columns takes %d:\n%s", width, got, b.String())
		}
		if got := strings.Contains(b.String(), "\x1b["); got != color {
			t.Errorf("coloured: %v, want %v", got, color)
		}
		if got := strings.Count(b.String(), "bids"); got != 1 {
			t.Errorf("the name is shown %d times:\n%s", got, b.String())
		}
	}
	f(200, true)
	f(90, false)
	f(50, false)
}

func TestCSV(t *testing.T) {
	var b strings.Builder
	if err := (Output{W: &b}).AnswersCSV(sample[1:5], false); err != nil {
		t.Fatal(err)
	}
	want := "name,type,window,count,total,average,p25,p50,p75,p90,p95,p99,p99.9,value,expires\n" +
		"build,Gauge,,3,,,,,,,,,,1.2,\n" +
		"build,Gauge,,1,,,,,,,,,,1.3,\n" +
		"errors,Buffer,,,,,,,,,,,,a\x1b[31m,99999999999999.0\n" +
		"spend,TotalsCounter,all,2,3.00,1.50,,,,,,,,,\n"
	if got := b.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestErrorsOfAClient(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/401":
			w.WriteHeader(http.StatusUnauthorized)
		case "/400":
			http.Error(w, "Invalid parameters: foo\nmore", http.StatusBadRequest)
		case "/json":
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"error": "The token lacks the scope read."}`))
		case "/cut":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("{"))
		case "/html":
			_, _ = w.Write([]byte("<html>"))
		}
	}))
	c := &Client{URL: server.URL}
	f := func(path, want string) error {
		t.Helper()
		var v any
		err := c.JSON(context.Background(), path, Query{}, &v)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want …%s…", path, err, want)
		}
		return err
	}
	f("/401", "pass --token or set TABA_TOKEN")
	f("/400", "answered 400 Bad Request: Invalid parameters: foo")
	f("/json", "refuses this token: The token lacks the scope read.")
	f("/html", "did not answer JSON")
	if partial := (*PartialError)(nil); !errors.As(f("/cut", "broke off its answer"), &partial) {
		t.Error("an answer cut off is not a PartialError")
	}
	server.Close()
	if unreachable := (*UnreachableError)(nil); !errors.As(f("/", "is it running there?"), &unreachable) {
		t.Error("a closed port is not an UnreachableError")
	}
	c.URL = "localhost:8300"
	f("/", "is not a URL")
}

func TestCounted(t *testing.T) {
	f := func(a Answer, want uint64, wantOK bool) {
		t.Helper()
		if got, ok := a.Counted(); got != want || ok != wantOK {
			t.Errorf("%s counts %d, %v, want %d, %v", a.Name, got, ok, want, wantOK)
		}
	}
	f(sample[0], 2, true)
	f(sample[1], 0, false)
	f(sample[4], 2, true)
	f(sample[5], 2, true)
	f(sample[6], 0, false)
	if got := sample[0].Line("1d").Count; got != "3000" {
		t.Errorf("the day's count is %q", got)
	}
}
