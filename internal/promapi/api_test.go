package promapi_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/promapi"
)

// auction is a server that some events were recorded with.
func auction(t testing.TB, change ...func(*promapi.Options)) *server {
	s := start(t, change...)
	s.record(t,
		"CounterGroup bids_won;dc=us@web-1 5 2",
		"CounterGroup bids_won;dc=us@web-2 50 3",
		"CounterGroup bids_won;dc=us@web-2 3000 4",
		"CounterGroup bids_won;dc=eu@web-1 100000 7",
		"CounterGroup api.requests@web-1 5 4",
		"CounterGroup api.errors@web-1 5 1",
		"PercentileGroup latency_ms@web-1 10 5",
		"PercentileGroup latency_ms@web-2 700 11",
		"PercentileGroup latency_ms@web-2 5000 100",
		"PercentileCounter size@web-1 10 5",
		"TotalsCounter spend@web-1 10 2.5",
		"Unique users@web-1 10 1", "Unique users@web-1 10 1", "Unique users@web-2 700 2",
		"Gauge build;client=x;__a=1@web-1 5 7",
		"TotalsCounter 9lives;a-b=1;a.b=2@web-1 10 1",
		"TotalsCounter a.b@web-1 10 1", "TotalsCounter a_b@web-1 10 2",
	)
	return s
}

func TestQuery(t *testing.T) {
	s := auction(t)
	f := func(query string, want ...string) {
		t.Helper()
		s.answers(t, query, want...)
	}
	// Counters are of all events that there have been, where that is kept.
	f(`bids_won_count`, `{"__name__":"bids_won_count","dc":"eu"} 1`, `{"__name__":"bids_won_count","dc":"us"} 3`)
	f(`bids_won_total{dc="us"}`, `{"__name__":"bids_won_total","dc":"us"} 9`)
	f(`latency_ms_sum`, `{"__name__":"latency_ms_sum"} 116`)
	f(`latency_ms_count`, `{"__name__":"latency_ms_count"} 3`)
	f(`size_sum`, `{"__name__":"size_sum"} 5`)
	f(`spend_total`, `{"__name__":"spend_total"} 2.5`)
	f(`users_count`, `{"__name__":"users_count"} 3`)
	// Ranges begin and end where they do.
	f(`round(increase(bids_won_total{dc="us"}[1m]), 0.01)`, `{"dc":"us"} 5`)
	f(`round(increase(bids_won_total{dc="us"}[1m] offset 1m), 0.01)`, `{"dc":"us"} 0`)
	f(`round(increase(bids_won_count{dc="us"}[1h]), 0.01)`, `{"dc":"us"} 3`)
	f(`round(60 * rate(bids_won_count{dc="us"}[10s]), 0.01)`, `{"dc":"us"} 6`)
	f(`api_errors_total / api_requests_total`, `{} 0.25`)
	// A tag or a client chooses.
	f(`sum(bids_won_count)`, `{} 4`)
	f(`bids_won_count{dc!~"u.*"}`, `{"__name__":"bids_won_count","dc":"eu"} 1`)
	f(`bids_won_count{client="web-2"}`, `{"__name__":"bids_won_count","client":"web-2","dc":"us"} 2`)
	f(`sum by (client) (bids_won_count{client=~".+"})`, `{"client":"web-1"} 2`, `{"client":"web-2"} 2`)
	f(`sum by (client) (bids_won_count{client!~"|web-1"})`, `{"client":"web-2"} 2`)
	f(`count by (client) ({client=~"web-[12]",__name__="latency_ms_sum"})`, `{"client":"web-1"} 1`, `{"client":"web-2"} 1`)
	f(`bids_won_count{client="web-9"}`)
	f(`bids_won_count{client="web-1",client=""}`)
	// Windows are exact.
	f(`bids_won:count{window="1m"}`, `{"__name__":"bids_won:count","dc":"us","window":"1m"} 2`, `{"__name__":"bids_won:count","dc":"eu","window":"1m"} 0`)
	f(`bids_won:total{window="51m",dc="us"}`, `{"__name__":"bids_won:total","dc":"us","window":"51m"} 9`)
	f(`bids_won:total{window=~"10m|37m",dc="us"}`, `{"__name__":"bids_won:total","dc":"us","window":"10m"} 5`, `{"__name__":"bids_won:total","dc":"us","window":"37m"} 5`)
	f(`bids_won:average{window="1m"}`, `{"__name__":"bids_won:average","dc":"us","window":"1m"} 2.5`)
	f(`bids_won:max{window="ever",dc="us"}`, `{"__name__":"bids_won:max","dc":"us","window":"ever"} 4`)
	f(`latency_ms:quantile{window="1h",quantile="0.5"}`, `{"__name__":"latency_ms:quantile","quantile":"0.5","window":"1h"} 11`)
	f(`latency_ms:quantile{window="1m",quantile="0.123"}`, `{"__name__":"latency_ms:quantile","quantile":"0.123","window":"1m"} 5`)
	f(`latency_ms:min{window="1d"}`, `{"__name__":"latency_ms:min","window":"1d"} 5`)
	f(`users:distinct{window=~"10m|ever"}`, `{"__name__":"users:distinct","window":"10m"} 1`, `{"__name__":"users:distinct","window":"ever"} 2`)
	f(`latency_ms:count{window="2d"}`)
	f(`latency_ms:count{window="soon"}`)
	f(`count(latency_ms:quantile) by (window)`, `{"window":"1m"} 5`, `{"window":"10m"} 5`, `{"window":"1h"} 5`, `{"window":"1d"} 5`)
	// Distributions.
	f(`histogram_count(latency_ms)`, `{} 3`)
	f(`histogram_sum(latency_ms)`, `{} 116`)
	f(`round(histogram_quantile(0.99, latency_ms))`, `{} 100`)
	f(`round(histogram_count(increase(latency_ms[1h])), 0.1)`, `{} 2`)
	// What Prometheus cannot call like that is called like this.
	f(`build_count`, `{"__name__":"build_count","exported__a":"1","exported_client":"x"} 1`)
	f(`_9lives_total`, `{"__name__":"_9lives_total","a_b":"1"} 1`)
	f(`a_b_total`, `{"__name__":"a_b_total","tab":"a.b"} 1`, `{"__name__":"a_b_total","tab":"a_b"} 2`)
	f(`a_b_total{tab="a.b"}`, `{"__name__":"a_b_total","tab":"a.b"} 1`)
	f(`count({__name__=~"api_.*_total"})`, `{} 2`)
	f(`count({__name__=~"bids.*",dc="us",window=""})`, `{} 2`)
	f(`nothing`)
	f(`sum(`, `bad_data: invalid parameter "query": 1:5: parse error: unclosed left parenthesis`)
	f(`1 + "a"`, `bad_data: invalid parameter "query": 1:5: parse error: binary expression must contain only scalar and instant vector types`)
	f(`bids_won_count * on() api_errors_total * on(dc) bids_won_count`, `execution: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)`)
}

// TestNow: what was just recorded is in an answer about a moment ago, because a
// question is under way for a while.
func TestNow(t *testing.T) {
	s := auction(t)
	s.now = s.now.Add(200 * time.Millisecond)
	f := func(query, want string) {
		t.Helper()
		x := s.get(t, "/api/v1/query", "query", query, "time", fmt.Sprintf("%d.1", now))
		if !strings.Contains(x.body, `"value":[1395954300.100,"`+want+`"]`) {
			t.Errorf("%s: %s, want %s", query, x.body, want)
		}
	}
	s.record(t, "CounterGroup bids_won;dc=us@web-1 0 10", "PercentileGroup latency_ms@web-1 0 20", "TotalsCounter spend@web-1 0 1")
	f(`bids_won_total{dc="us"}`, "19")
	f(`bids_won:total{dc="us",window="1m"}`, "15")
	f(`latency_ms:max{window="1m"}`, "20")
	f(`latency_ms_sum`, "136")
	f(`spend_total`, "3.5")
}

// TestSeriesOverTheDay: what is told of the past is what happened by then.
func TestSeriesOverTheDay(t *testing.T) {
	s := start(t)
	const now = now / 900 * 900
	s.now = time.Unix(now, 0)
	const late = 300    // from then to what events are recorded by
	for i := range 96 { // one more in each quarter of an hour
		for range i {
			s.fold("CounterGroup", "steps", "c", late+float64(86400-900*i)-450, 1)
			s.fold("PercentileGroup", "steps.p", "c", late+float64(86400-900*i)-450, float64(i))
		}
	}
	s.commit(t)
	f := func(query string, want func(i int) float64) {
		t.Helper()
		x := s.post(t, "/api/v1/query_range", "query", query, "start", strconv.Itoa(now-86400+1800), "end", strconv.Itoa(now-4500), "step", "900")
		var r result
		if err := json.Unmarshal(x.Data, &r); err != nil || len(r.Result) != 1 {
			t.Fatalf("%s: %v %s", query, err, x.body)
		}
		for i, p := range r.Result[0].Values {
			at := int(p[0].(float64)) - (now - 86400)
			got, err := strconv.ParseFloat(p[1].(string), 64)
			if want := want(at / 900); err != nil || got < want*0.99-1e-3 || got > want*1.01+1e-3 {
				t.Errorf("%s: %d is %v, want %v", query, i, got, want)
			}
		}
		if n := len(r.Result[0].Values); n < 85 {
			t.Errorf("%s has %d points", query, n)
		}
	}
	f(`steps_count`, func(i int) float64 { return float64(i * (i - 1) / 2) })
	f(`steps_total - steps_total offset 15m`, func(i int) float64 { return float64(i - 1) })
	f(`increase(steps_total[15m])`, func(i int) float64 { return float64(i - 1) })
	f(`900 * rate(steps_total[1m])`, func(i int) float64 { return float64(i - 1) })
	f(`steps:count{window="15m"}`, func(i int) float64 { return float64(i - 1) })
	f(`steps:total{window="30m"}`, func(i int) float64 { return float64(i - 1 + i - 2) })
	f(`steps_p:quantile{window="15m",quantile="0.5"}`, func(i int) float64 { return float64(i - 1) })
	f(`steps_p:average{window="30m"}`, func(i int) float64 {
		a, b := float64(i-1), float64(i-2)
		return (a*a + b*b) / (a + b)
	})
	f(`histogram_count(increase(steps_p[15m]))`, func(i int) float64 { return float64(i - 1) })
	f(`max_over_time(steps:count{window="15m"}[30m:15m])`, func(i int) float64 { return float64(i - 1) })
	f(`max_over_time(increase(steps_total[15m])[1m:1m])`, func(i int) float64 { return float64(i - 1) })
}

func TestRefusals(t *testing.T) {
	s := auction(t, func(o *promapi.Options) { o.MaxStates, o.MaxSeries, o.MaxBody = 12, 11, 2000 })
	f := func(x reply, code int, kind, text string) {
		t.Helper()
		if x.code != code || x.Status != "error" || x.ErrorType != kind || !strings.Contains(x.Error, text) {
			t.Errorf("%d %s, want %d %s %s", x.code, x.body, code, kind, text)
		}
	}
	f(s.get(t, "/api/v1/query"), 400, "bad_data", "no expression found in input")
	f(s.get(t, "/api/v1/query", "query", "up", "time", "noon"), 400, "bad_data", `invalid parameter "time": cannot parse "noon"`)
	f(s.get(t, "/api/v1/query", "query", "up", "time", "1e300"), 400, "bad_data", "out of range")
	f(s.get(t, "/api/v1/query", "query", "up", "timeout", "x"), 400, "bad_data", `"timeout"`)
	f(s.get(t, "/api/v1/query", "query", "up", "limit", "-1"), 400, "bad_data", `"limit"`)
	f(s.get(t, "/api/v1/query_range", "query", "up", "start", "2", "end", "1", "step", "1"), 400, "bad_data", "end timestamp must not be before start time")
	f(s.get(t, "/api/v1/query_range", "query", "up", "end", "1", "step", "1"), 400, "bad_data", `"start": it is missing`)
	f(s.get(t, "/api/v1/query_range", "query", "up", "start", "1", "end", "2", "step", "0"), 400, "bad_data", "zero or negative")
	f(s.get(t, "/api/v1/query_range", "query", "up", "start", "1", "end", "86400", "step", "1"), 400, "bad_data", "11,000 points")
	f(s.get(t, "/api/v1/series"), 400, "bad_data", "no match[]")
	f(s.get(t, "/api/v1/series", "match[]", "{"), 400, "bad_data", "match[]")
	f(s.get(t, "/api/v1/labels", "match[]", `{a=""}`), 400, "bad_data", "non-empty matcher")
	f(s.get(t, "/api/v1/nothing"), 404, "not_found", "docs/prometheus.md")
	f(s.send(t, httptest.NewRequest("DELETE", "/api/v1/query", nil)), 405, "bad_data", "use GET, HEAD, POST")
	f(s.send(t, httptest.NewRequest("GET", "/api/v1/query?query=%zz", nil)), 400, "bad_data", "query string")
	f(s.send(t, httptest.NewRequest("POST", "/api/v1/query", strings.NewReader(strings.Repeat("x", 3000)))), 413, "bad_data", "longer than 2000 bytes")
	f(s.get(t, "/api/v1/query", "query", `{__name__=~".+",client=~".+"}`), 422, "execution", "at most 12 are read; name the metric")
	f(s.get(t, "/api/v1/query", "query", `{__name__=~"bids.*|latency.*"}`), 422, "execution", "more than 11 series")
	small := auction(t, func(o *promapi.Options) { o.MaxBytes = 1500 })
	f(small.get(t, "/api/v1/query", "query", `latency_ms[1d]`, "time", strconv.Itoa(now)), 422, "execution", "more than 1500 bytes")
	few := auction(t, func(o *promapi.Options) { o.MaxSamples = 1 })
	f(few.get(t, "/api/v1/query", "query", `bids_won_count`, "time", strconv.Itoa(now)), 422, "execution", "ask for larger steps")
	f(s.get(t, "/api/v1/query", "query", `bids_won_count`, "timeout", "0.000000001"), 503, "timeout", "took too long")
	if x := s.get(t, "/api/v1/query", "query", "bids_won_count", "limit", "1"); len(x.Warnings) != 1 || !strings.Contains(x.Warnings[0], "truncated") {
		t.Errorf("a limit: %s", x.body)
	}
	if x := s.get(t, "/api/v1/query", "query", `sum by (client) (rate(bids_won_count[5m]))`); len(x.Infos) != 1 || !strings.Contains(x.Infos[0], `add client=~".+"`) {
		t.Errorf("grouped by client: %s", x.body)
	}
}

// TestPartial: what is left out is told.
func TestPartial(t *testing.T) {
	s := start(t)
	s.record(t, "CounterGroup x@a 5 1")
	s.record(t, "TotalsCounter x@a 5 1")
	x := s.get(t, "/api/v1/query", "query", "x_count", "time", strconv.Itoa(now))
	if len(x.Warnings) != 1 || x.Warnings[0] != "x is a CounterGroup; its events as TotalsCounter are left out" {
		t.Errorf("%s", x.body)
	}
}
