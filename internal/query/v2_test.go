package query_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/commit"
	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/query"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

const testNow = 1395954300 // as start sets the clock

// record posts events: "TYPE tab@client age value" each.
func (s *server) record(t testing.TB, events ...string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("1\n\n")
	for _, e := range events {
		var typ, name, value string
		var age int
		if _, err := fmt.Sscan(e, &typ, &name, &age, &value); err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		tab, client, _ := strings.Cut(name, "@")
		fmt.Fprintf(&b, "%s\n\n%s\n[%q, %d, %q]\n\n\n", client, tab, typ, testNow-age, value)
	}
	if a := s.do(t, "POST /post", b.String()); a.status != http.StatusOK || a.head.Get("X-Taba-Refused") != "" {
		t.Fatalf("post: %d %s %s", a.status, a.head.Get("X-Taba-Refused"), a.body)
	}
}

// told is as much of an answer as tests compare.
type told struct {
	Query    string
	Complete bool
	Missing  []struct{ Reason, Tab, What string }
	Rows     []struct {
		By     map[string]string
		Type   string
		Tabs   int
		From   *float64
		To     float64
		Values map[string]*float64
		Errors map[string]float64
		Points []struct {
			From, To float64
			Values   map[string]*float64
		}
	}
	Next  string
	Error struct {
		Code, Message string
		Column        int
	}
}

func decode[T any](t testing.TB, a answer) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	return v
}

func (s *server) ask(t testing.TB, q string) told {
	t.Helper()
	return decode[told](t, s.do(t, "GET /v2/query?q="+url.QueryEscape(q), ""))
}

// rows writes rows so that they can be compared: by|type|value=x …
func (x *told) rows() string {
	var lines []string
	for _, r := range x.Rows {
		by, _ := json.Marshal(r.By)
		line := fmt.Sprintf("%s %s %d:", by, r.Type, r.Tabs)
		for _, v := range []string{"count", "total", "average", "rate", "min", "max", "p50", "p99.9", "distinct"} {
			if x, ok := r.Values[v]; ok && x == nil {
				line += " " + v + "=null"
			} else if ok {
				line += fmt.Sprintf(" %s=%v", v, *x)
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func auction(t testing.TB) *server {
	s := start(t, mem())
	s.record(t,
		"PercentileGroup latency;dc=us;exchange=a@web-1 10 5",
		"PercentileGroup latency;dc=us;exchange=a@web-2 10 7",
		"PercentileGroup latency;dc=us;exchange=b@web-1 700 11",
		"PercentileGroup latency;dc=eu;exchange=a@web-3 10 100",
		"PercentileGroup latency@web-3 10 1000",
		"CounterGroup bids.won@web-1 5 2",
		"CounterGroup bids.lost@web-1 5 3",
		"CounterGroup bids.lost@web-2 3000 4",
		"TotalsCounter spend@web-1 5 2.5",
		"Gauge build@web-1 5 7",
		"Unique users@web-1 5 1", "Unique users@web-1 5 1", "Unique users@web-2 4000 2",
	)
	return s
}

func TestQuery(t *testing.T) {
	s := auction(t)
	f := func(q, rows string) {
		t.Helper()
		x := s.ask(t, q)
		if got := x.rows(); got != rows || !x.Complete {
			t.Errorf("%s: %v\n%s\nwant\n%s\n%+v %v", q, x.Complete, got, rows, x.Error, x.Missing)
		}
	}
	f(`p50, count(latency{dc="us"}) by (exchange) last 1h`, `{"exchange":"a"} PercentileGroup 1: count=2 p50=7
{"exchange":"b"} PercentileGroup 1: count=1 p50=11`)
	f(`p50, count(latency{dc="us"}) by (exchange) last 10m`, `{"exchange":"a"} PercentileGroup 1: count=2 p50=7
{"exchange":"b"} PercentileGroup 1: count=0 p50=null`)
	f(`total, average, min, max(latency) last 1d`, `{} PercentileGroup 4: total=1123 average=224.6 min=5 max=1000`)
	f(`count(latency) by (dc) last 1d`, `{"dc":""} PercentileGroup 1: count=1
{"dc":"eu"} PercentileGroup 1: count=1
{"dc":"us"} PercentileGroup 2: count=3`)
	f(`count(latency{exchange!="b",dc=~"us|eu"}) last 1d`, `{} PercentileGroup 2: count=3`)
	f(`count(latency{exchange!~"b|"}) client web-1, web-2 last 1d`, `{} PercentileGroup 1: count=2`)
	f(`count(latency;dc=us;exchange=a) last 1d`, `{} PercentileGroup 1: count=2`)
	f(`total(bids.*) last 1m`, `{} CounterGroup 2: total=5`)
	f(`total(/bids\.(won|lost)/) by (name) last 1h`, `{"name":"bids.lost"} CounterGroup 1: total=7
{"name":"bids.won"} CounterGroup 1: total=2`)
	f(`total(bids*, bids.won) by (prefix(1)) last 1h`, `{"prefix(1)":"bids"} CounterGroup 2: total=9`)
	f(`total(bids*) by (client) last 1h`, `{"client":"web-1"} CounterGroup 2: total=5
{"client":"web-2"} CounterGroup 1: total=4`)
	f(`total(bids*) client web-? by (tab, client) last 1h`, `{"client":"web-1","tab":"bids.lost"} CounterGroup 1: total=3
{"client":"web-2","tab":"bids.lost"} CounterGroup 1: total=4
{"client":"web-1","tab":"bids.won"} CounterGroup 1: total=2`)
	f(`top 1 total(bids*) by (client) last 1h`, `{"client":"web-1"} CounterGroup 2: total=5`)
	f(`bottom 1 total(bids*) by (client) last 1h`, `{"client":"web-2"} CounterGroup 1: total=4`)
	f(`total(bids*) by (client) last 1h limit 1`, `{"client":"web-1"} CounterGroup 2: total=5`)
	f(`p99.9(bids*)`, `{} CounterGroup 2: p99.9=4`)
	f(`spend`, `{} TotalsCounter 1: count=1 total=2.5 average=2.5`)
	f(`build`, `{} Gauge 1: count=1`)
	f(`distinct(users) last 10m`, `{} Unique 1: distinct=1`)
	f(`users`, `{} Unique 1: count=3 distinct=2`)
	f(`rate(bids.won) last 60s`, `{} CounterGroup 1: rate=0.01694915254237288`) // one event in the 59 s of 60 buckets
	f(`count(nothing)`, ``)
}

func TestQueryStatesItsInterval(t *testing.T) {
	s := auction(t)
	x := s.ask(t, "count(latency) last 37m")
	if r := x.Rows[0]; *r.From != 1395952200 || r.To != testNow {
		t.Errorf("from %v to %v", *r.From, r.To)
	}
	x = s.ask(t, "count(latency) last 1h step 10m")
	if got := len(x.Rows[0].Points); got != 7 {
		t.Fatalf("%d points", got)
	}
	var total float64
	before := *x.Rows[0].From
	for _, p := range x.Rows[0].Points {
		if p.From != before {
			t.Errorf("a point begins at %v, the one before ended at %v", p.From, before)
		}
		total += *p.Values["count"]
		before = p.To
	}
	if total != 5 || before != testNow {
		t.Errorf("%v events up to %v", total, before)
	}
	x = s.ask(t, "top 1 total(bids*) by (client) last 1h step 30m")
	if len(x.Rows) != 1 || x.Rows[0].By["client"] != "web-1" || len(x.Rows[0].Points) != 3 {
		t.Errorf("%+v", x)
	}
	a := decode[told](t, s.do(t, "GET /v2/series?q=count(latency)+last+1m", ""))
	if len(a.Rows) != 1 || len(a.Rows[0].Points) != 4 {
		t.Errorf("%+v", a)
	}
}

func TestQueryFromAheadOfTheClock(t *testing.T) {
	s := start(t, mem())
	s.record(t, "CounterGroup a@x 50 1", "CounterGroup a@x -20 1")
	x := s.ask(t, "count, rate(a) last 1m")
	if got := x.rows(); got != `{} CounterGroup 1: count=2 rate=0.025` {
		t.Errorf("%s\n%+v", got, x)
	}
	if r := x.Rows[0]; *r.From != testNow-50 || r.To != testNow+30 {
		t.Errorf("from %v to %v", *r.From-testNow, r.To-testNow)
	}
}

func TestQueryTellsWhatIsMissing(t *testing.T) {
	s := auction(t)
	f := func(q, reason, what string) {
		t.Helper()
		x := s.ask(t, q)
		if x.Complete || len(x.Missing) == 0 || x.Missing[0].Reason != reason || !strings.Contains(x.Missing[0].What, what) {
			t.Errorf("%s: %+v", q, x)
		}
	}
	f("count, p50(bids.won) last 1h", "not_kept", "a CounterGroup tells p50 only of all events that there have been; ask without last")
	f("count, rate(spend, bids.won)", "no_window", "a rate needs a window; ask for example for last 10m")
	f("count(spend, bids.won) last 1h", "no_windows", "a TotalsCounter keeps no times; ask without last")
	f("distinct, count(users, latency) last 1h", "not_kept", "a PercentileGroup does not tell distinct")
}

func TestQueryRefuses(t *testing.T) {
	s := auction(t)
	f := func(request, body string, status int, code, message string, headers ...string) {
		t.Helper()
		a := s.do(t, request, body, headers...)
		x := decode[told](t, a)
		if a.status != status || x.Error.Code != code || !strings.Contains(x.Error.Message, message) {
			t.Errorf("%s: %d %s, want %d %s %s", request, a.status, a.body, status, code, message)
		}
		if got := a.head.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s: Content-Type %q", request, got)
		}
	}
	f("GET /v2/query", "", 400, "invalid_parameter", "nothing is asked")
	f("GET /v2/query?q=bid+last+37x", "", 400, "syntax", `last 37x: unknown unit "x" at column 12; use s, m, h, d`)
	f("GET /v2/query?q=bid+last+2d", "", 400, "limit", "a window is at most 1d")
	f("GET /v2/query?q=a&x=1", "", 400, "invalid_parameter", `unknown parameter "x"; use q, limit, after`)
	f("GET /v2/query?q=a&q=b", "", 400, "invalid_parameter", "given 2 times")
	f("GET /v2/query?q=a&limit=x", "", 400, "invalid_parameter", "from 1 to 10000")
	f("GET /v2/query?q=p50(spend)", "", 400, "unsupported", "a TotalsCounter does not tell p50")
	f("GET /v2/query?q=count(spend)+last+1m", "", 400, "unsupported", "keeps no times")
	f("GET /v2/query?q=distinct(users)+last+1m+step+30s", "", 400, "unsupported", "ask without step")
	f("PUT /v2/query?q=a", "", 405, "method_not_allowed", "use GET, HEAD, POST")
	f("POST /v2/query", `{"x":1}`, 400, "invalid_parameter", `unknown field "x"`)
	f("POST /v2/query", `{"q":"a"}{}`, 400, "invalid_parameter", `one JSON object`)
	f("POST /v2/query", `{"q":"a","last":"1m"}`, 400, "invalid_parameter", `not both`)
	f("POST /v2/query", `{"values":["p50"]}`, 400, "invalid_parameter", `select is empty`)
	f("POST /v2/query", `{"select":[{"name":"a","glob":"b"}]}`, 400, "invalid_parameter", `select[0]: give one of name, glob and regexp`)
	f("POST /v2/query", `{"select":[{"name":"a"}],"values":["nth"]}`, 400, "invalid_parameter", `values[0]: unknown value "nth"`)
	f("POST /v2/query", `{"select":[{"name":"a"}],"last":"37x"}`, 400, "invalid_parameter", `unknown unit "x"`)
	f("POST /v2/query", `a=b`, 415, "invalid_parameter", `text/html`, "Content-Type: text/html")
	f("POST /v2/names", `{"q":"a"}`, 400, "invalid_parameter", `where a query is asked`)
	f("GET /v2/tag-values", "", 400, "invalid_parameter", `tag=dc`)
	f("GET /v2/names?match=x%7B", "", 400, "syntax", `column 3`)
}

// TestQueryInParts: a JSON object asks the same as a text.
func TestQueryInParts(t *testing.T) {
	s := auction(t)
	f := func(body, q string) {
		t.Helper()
		x := decode[told](t, s.do(t, "POST /v2/query", body, "Content-Type: application/json"))
		if x.Query != q || x.Error.Code != "" {
			t.Errorf("%s: %q %+v, want %q", body, x.Query, x.Error, q)
		}
	}
	f(`{"q": "count(latency) last 60s"}`, "count(latency) last 1m")
	f(`{"values": ["p99.9"], "select": [{"glob": "lat*", "tags": [{"tag": "dc", "value": "us"}, {"tag": "x", "op": "!~", "value": "b.*"}]}], "by": ["exchange", "prefix(2)"], "last": "37m"}`,
		`p99.9(lat*{dc="us",x!~"b.*"}) by (exchange, prefix(2)) last 37m`)
	f(`{"top": 3, "values": ["count"], "select": [{"name": "bids.won"}, {"regexp": "b/c"}], "clients": [{"name": "web-1"}, {"glob": "x*"}], "last": "1h", "step": "auto", "limit": 2}`,
		`top 3 count(bids.won, /b\/c/) client web-1, x* last 1h step auto`)
	a := s.do(t, "POST /v2/query", "q=count(latency)+last+1m", "Content-Type: application/x-www-form-urlencoded")
	if x := decode[told](t, a); x.Query != "count(latency) last 1m" {
		t.Errorf("a form: %s", a.body)
	}
}

func TestQueryLimits(t *testing.T) {
	f := func(change func(*query.Options), q, message string) {
		t.Helper()
		s := start(t, mem(), change)
		s.record(t, "PercentileGroup a@x 10 5", "PercentileGroup b@x 10 5", "PercentileGroup b@y 10 5")
		if x := s.ask(t, q); x.Error.Code != "limit" || !strings.Contains(x.Error.Message, message) {
			t.Errorf("%s: %+v", q, x)
		}
	}
	f(func(o *query.Options) { o.MaxStates = 1 }, "count(*) last 1m", "would read 2 States of 2 tabs, at most 1 are read; name fewer tabs")
	f(func(o *query.Options) { o.MaxStates = 2 }, "count(*) by (client) last 1m", "choose fewer clients")
	f(func(o *query.Options) { o.MaxGroups = 1 }, "count(*) by (tab) last 1m", "more than 1 groups; group by less")
	f(func(o *query.Options) { o.MaxAnswer = 1 }, "p50(*) last 1m", "holds more than 1 bytes")
}

func TestTypeConflicts(t *testing.T) {
	s := start(t, mem())
	s.record(t, "CounterGroup a@x 10 5")
	conflict(t, s, "a", "Gauge")
	x := s.ask(t, "count(a) last 1m")
	if x.Complete || len(x.Missing) != 1 || x.Missing[0].Reason != "type_conflict" || x.Missing[0].What != "it is a CounterGroup; its events as Gauge are left out" {
		t.Errorf("%+v", x)
	}
	conflict(t, s, "b", "Nonsense")
	x = s.ask(t, "count(b)")
	if x.Complete || len(x.Missing) != 1 || x.Missing[0].Reason != "unknown_type" || len(x.Rows) != 0 {
		t.Errorf("%+v", x)
	}
}

func TestPages(t *testing.T) {
	s := start(t, mem())
	var events []string
	for i := range 25 {
		events = append(events, fmt.Sprintf("TotalsCounter t%02d;dc=d%d;odd~20key=v~3B%02d@c%02d 10 1", i, i%3, i, i))
	}
	s.record(t, events...)
	f := func(path, field string, want int, first, last string) {
		t.Helper()
		var all []string
		after := ""
		for pages := 0; pages < 30; pages++ {
			var page map[string]json.RawMessage
			a := s.do(t, "GET "+path+"limit=4"+after, "")
			if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 {
				t.Fatalf("%s: %s", path, a.body)
			}
			var entries []json.RawMessage
			if err := json.Unmarshal(page[field], &entries); err != nil {
				t.Fatalf("%s: %s", path, a.body)
			}
			for _, e := range entries {
				all = append(all, string(e))
			}
			var next string
			if json.Unmarshal(page["next"], &next) != nil {
				break
			}
			after = "&after=" + url.QueryEscape(next)
		}
		if len(all) != want || want > 0 && (!strings.Contains(all[0], first) || !strings.Contains(all[want-1], last)) {
			t.Errorf("%s: %d %v, want %d from %s to %s", path, len(all), all, want, first, last)
		}
	}
	f("/v2/names?", "names", 25, `"name":"t00;dc=d0;odd~20key=v~3B00","type":"TotalsCounter"`, `"t24;dc=d0`)
	f("/v2/names?prefix=t1&", "names", 10, `"t10;`, `"t19;`)
	f("/v2/names?prefix=t1&match=t*%7Bdc=%22d1%22%7D&", "names", 4, `"t10;`, `"t19;`)
	f("/v2/names?prefix=x&", "names", 0, "", "")
	f("/v2/names?match=*4&", "names", 3, "t04", "t24")
	f("/v2/clients?prefix=c2&", "clients", 5, `"c20"`, `"c24"`)
	f("/v2/tags?", "tags", 2, `{"name":"dc","tabs":25}`, `{"name":"odd key","tabs":25}`)
	f("/v2/tags?prefix=odd+&", "tags", 1, `odd key`, `odd key`)
	f("/v2/tag-values?tag=dc&", "values", 3, `{"name":"d0","tabs":9}`, `{"name":"d2","tabs":8}`)
	f("/v2/tag-values?tag=odd+key&prefix=v;1&", "values", 10, `{"name":"v;10","tabs":1}`, `v;19`)
	f("/v2/query?q=count(*)+by+(tab)&", "rows", 25, "t00", "t24")
	f("/v2/query?q=count(*)+by+(tab)+limit+2&", "rows", 2, "t00", "t01")
	f("/v2/query?q=top+6+count(*)+by+(tab)&", "rows", 4, "t00", "t03") // of what is picked there is one page
	f("/v2/query?q=count(*)+by+(dc,+client)&", "rows", 25, "c00", "c23")
	a := s.do(t, "GET /v2/types", "")
	if !strings.Contains(a.body, `"types":[{"name":"TotalsCounter","tabs":25}]`) || !strings.Contains(a.body, `"as_of":1395954300,"lag_ms":0,"complete":true`) {
		t.Error(a.body)
	}
}

// nonsense is a Type that the server does not know.
type nonsense struct{ builtin.TotalsCounter }

func (nonsense) Type() string { return "Nonsense" }

// conflict commits an event that no door would have let in.
func conflict(t testing.TB, s *server, tab, typ string) {
	t.Helper()
	reg, err := state.NewRegistry(append(builtin.Handlers(), nonsense{})...)
	if err != nil {
		t.Fatal(err)
	}
	commits := commit.NewServer(commit.ServerOptions{Store: s.store, Registry: reg})
	defer commits.Stop()
	acc := fold.New(reg)
	acc.Fold(testNow, "", typ, &state.Bundle{Tab: tab, Client: "c", Events: []state.Event{{Time: testNow, Value: 1, Number: true, JSON: []byte("1")}}}, nil)
	if err := commits.Commit(t.Context(), acc, nil); err != nil {
		t.Fatal(err)
	}
}
