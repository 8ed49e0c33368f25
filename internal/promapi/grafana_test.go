package promapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/api"
	prom "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/tabaproject/taba/internal/promapi"
)

// data writes an answer's data, or why there is none.
func (x reply) data() string {
	if x.Status != "success" {
		return x.body
	}
	return string(x.Data)
}

// TestGrafana asks as Grafana's Prometheus data source does: to find out whom it
// talks to, for lists and template variables, for panels.
func TestGrafana(t *testing.T) {
	s := auction(t)
	f := func(x reply, want string) {
		t.Helper()
		if got := x.data(); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	}
	if x := s.get(t, "/api/v1/status/buildinfo"); !strings.Contains(x.body, `"version":"3.`) || !strings.Contains(x.body, `"revision":"taba v1"`) {
		t.Errorf("build info: %s", x.body)
	}
	span := []string{"start", strconv.Itoa(now - 3600), "end", strconv.Itoa(now)}
	with := func(params ...string) []string { return append(params, span...) }
	// Save & test.
	f(s.post(t, "/api/v1/query", "query", "1+1", "time", fmt.Sprintf("%d.123", now)), `{"resultType":"scalar","result":[1395954300.123,"2"]}`)
	// The metrics browser and the builder.
	f(s.get(t, "/api/v1/labels", span...), `["__name__","a_b","client","dc","exported__a","exported_client","quantile","window"]`)
	f(s.post(t, "/api/v1/labels", with("match[]", `bids_won_count`)...), `["__name__","client","dc"]`)
	f(s.post(t, "/api/v1/labels", with("match[]", `{__name__="latency_ms:quantile"}`, "limit", "2")...), `["__name__","client"]`)
	f(s.get(t, "/api/v1/label/__name__/values", with("match[]", `{dc="us"}`)...),
		`["bids_won:average","bids_won:count","bids_won:max","bids_won:min","bids_won:quantile","bids_won:total","bids_won_count","bids_won_total"]`)
	f(s.get(t, "/api/v1/label/__name__/values", with("match[]", `{__name__=~".*(?i:bids.*count).*"}`, "limit", "40000")...), `["bids_won:count","bids_won_count"]`)
	if x := s.get(t, "/api/v1/label/__name__/values", with("limit", "40000")...); !strings.Contains(x.body, `"spend_total","users:distinct","users_count"]`) {
		t.Errorf("all names: %s", x.body)
	}
	// Template variables: label_values(dc), label_values(metric, label).
	f(s.get(t, "/api/v1/label/dc/values", span...), `["eu","us"]`)
	f(s.get(t, "/api/v1/label/dc/values", with("match[]", `bids_won_count{client="web-2"}`)...), `["us"]`)
	f(s.get(t, "/api/v1/label/client/values", span...), `["web-1","web-2"]`)
	f(s.get(t, "/api/v1/label/client/values", with("match[]", `bids_won_count{dc="eu"}`)...), `["web-1"]`)
	f(s.get(t, "/api/v1/label/client/values", with("match[]", `nothing`)...), `[]`)
	f(s.get(t, "/api/v1/label/window/values", with("match[]", `latency_ms:quantile`)...), `["10m","1d","1h","1m","ever"]`)
	f(s.get(t, "/api/v1/label/quantile/values", span...), `["0.5","0.9","0.95","0.99","0.999"]`)
	f(s.get(t, "/api/v1/label/nothing/values", span...), `[]`)
	f(s.get(t, "/api/v1/label/exported_client/values", span...), `["x"]`)
	f(s.post(t, "/api/v1/series", with("match[]", `bids_won_count`, "match[]", `{__name__="bids_won_total",client="web-2"}`)...),
		`[{"__name__":"bids_won_count","dc":"eu"},{"__name__":"bids_won_count","dc":"us"},{"__name__":"bids_won_total","client":"web-2","dc":"us"}]`)
	f(s.get(t, "/api/v1/metadata", "metric", "bids_won_total"), `{"bids_won_total":[{"type":"counter","help":"the sum of the values of bids_won, a CounterGroup","unit":""}]}`)
	if x := s.get(t, "/api/v1/metadata", "limit", "5000"); !strings.Contains(x.body, `"latency_ms":[{"type":"histogram"`) {
		t.Errorf("metadata: %s", x.body)
	}
	// What else it looks for.
	f(s.get(t, "/api/v1/query_exemplars", with("query", "bids_won_count")...), `[]`)
	f(s.get(t, "/api/v1/rules"), `{"groups":[]}`)
	f(s.get(t, "/api/v1/alerts"), `{"alerts":[]}`)
	f(s.get(t, "/api/v1/status/flags"), `{}`)
	f(s.post(t, "/api/v1/format_query", "query", "sum(up)by(dc)"), `"sum by (dc) (up)"`)
	// A panel.
	x := s.post(t, "/api/v1/query_range", with("query", `round(sum(increase(bids_won_count[1m])), 0.001)`, "step", "1200")...)
	f(x, `{"resultType":"matrix","result":[{"metric":{},"values":[[1395950700,"0"],[1395951900,"0"],[1395953100,"0"],[1395954300,"2"]]}]}`)
}

// TestOfficialClient: Prometheus's own client for Go understands the answers.
func TestOfficialClient(t *testing.T) {
	s := auction(t)
	web := httptest.NewServer(s.api)
	defer web.Close()
	c, err := client.NewClient(client.Config{Address: web.URL})
	if err != nil {
		t.Fatal(err)
	}
	api, ctx, at := prom.NewAPI(c), context.Background(), time.Unix(now, 0)
	check := func(what, got, want string, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", what, err, got, want)
		}
	}
	v, warnings, _, err := api.Query(ctx, `bids_won_total{dc="us"}`, at)
	check("query", fmt.Sprint(v, warnings), `bids_won_total{dc="us"} => 9 @[1395954300] []`, err)
	v, _, _, err = api.QueryRange(ctx, `bids_won:count{dc="us",window="1m"}`, prom.Range{Start: at.Add(-2 * time.Minute), End: at, Step: time.Minute})
	check("range", fmt.Sprint(v), "bids_won:count{dc=\"us\", window=\"1m\"} =>\n0 @[1395954180]\n0 @[1395954240]\n2 @[1395954300]", err)
	v, _, _, err = api.Query(ctx, `latency_ms`, at)
	if h := v.(model.Vector)[0].Histogram; err != nil || h.Count != 3 || h.Sum != 116 || len(h.Buckets) != 3 {
		t.Errorf("histogram: %v %v", err, h)
	}
	names, _, _, err := api.LabelNames(ctx, nil, at, at)
	check("labels", fmt.Sprint(len(names)), "8", err)
	values, _, _, err := api.LabelValues(ctx, "dc", []string{"bids_won_count"}, at, at)
	check("values", fmt.Sprint(values), "[eu us]", err)
	series, _, _, err := api.Series(ctx, []string{`bids_won_count`}, at, at)
	check("series", fmt.Sprint(len(series)), "2", err)
	meta, err := api.Metadata(ctx, "bids_won_total", "")
	check("metadata", fmt.Sprint(meta["bids_won_total"][0].Type), "counter", err)
	build, err := api.Buildinfo(ctx)
	check("build info", build.Revision, "taba v1", err)
	_, err = api.Rules(ctx, nil)
	check("rules", "", "", err)
	_, _, _, err = api.Query(ctx, `sum(`, at)
	if err == nil || !strings.Contains(err.Error(), "unclosed left parenthesis") {
		t.Errorf("a bad query: %v", err)
	}
}

// TestAnswersAreJSON: whatever is asked, the answer is one JSON value.
func TestAnswersAreJSON(t *testing.T) {
	s := start(t)
	s.fold("CounterGroup", "<b> \"&\\\u2028\xff;k=v~00~FF", "c\xff", 1, 1)
	s.commit(t)
	for _, query := range []string{`{__name__=~".+"}`, `{__name__=~".+",client=~".+"}`, `{__name__=~".+"}[5m]`, `"\"<"`, `vector(NaN)`, `-vector(Inf)`, `vector(-0)*-1`, `vector(1e300)`} {
		x := s.get(t, "/api/v1/query", "query", query, "time", strconv.Itoa(now))
		if x.Status != "success" || !json.Valid([]byte(x.body)) {
			t.Errorf("%s: %s", query, x.body)
		}
	}
}

// TestOwn: the server's own metrics can be asked for by name.
func TestOwn(t *testing.T) {
	s := start(t, func(o *promapi.Options) {
		o.Own = func(w io.Writer) {
			_, _ = io.WriteString(w, "# HELP taba_tabs x\ntaba_tabs 7\ntaba_log_bytes{vbucket=\"0\"} 1e3\ntaba_log_bytes{vbucket=\"1\"} 2\ntaba_bad{ 1\n\n")
		}
	})
	f := func(query, want string) {
		t.Helper()
		if got := s.ask(t, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	f(`taba_tabs`, `{"__name__":"taba_tabs"} 7`)
	f(`sum(taba_log_bytes)`, `{} 1002`)
	f(`taba_log_bytes{vbucket="1"}`, `{"__name__":"taba_log_bytes","vbucket":"1"} 2`)
	f(`count({__name__=~"taba_(tabs|log_bytes)"})`, `{} 3`)
	f(`taba_tabs offset 1h`, "")
	f(`count({__name__=~".+"})`, "")
}
