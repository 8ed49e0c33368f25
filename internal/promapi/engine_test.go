package promapi

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/tabaproject/taba/internal/commit"
	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/query/eval"
	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

const (
	testSecond = int64(1395954307)
	testNow    = 1395954307.25
)

// world is an API over events of a day, and those events.
type world struct {
	api    *API
	view   *view.View
	events []happened
}

type happened struct {
	tab, client string
	time, value float64
}

// newWorld records random events. Some are from ahead of the clock, which moves
// rings on.
func newWorld(t testing.TB, seed uint64, ahead bool) *world {
	rng := rand.New(rand.NewPCG(seed, 2))
	types := map[string]string{"hits;dc=us;host=a": "CounterGroup", "hits;dc=eu": "CounterGroup", "misses;dc=us;host=a": "CounterGroup",
		"latency;dc=us": "PercentileGroup", "latency;dc=eu": "PercentileGroup", "spent": "TotalsCounter"}
	return recorded(t, func(record func(typ string, e happened)) {
		for range 3000 {
			for tab, typ := range types {
				e := happened{tab: tab, client: fmt.Sprintf("c%d", rng.IntN(3)), value: math.Round(1000 * rng.ExpFloat64())}
				e.time = math.Floor(testNow - 86400*math.Pow(rng.Float64(), 4))
				if ahead && rng.IntN(100) == 0 {
					e.time = testNow + 5
				}
				record(typ, e)
			}
		}
	})
}

// recorded is a world of the events that f records.
func recorded(t testing.TB, f func(record func(typ string, e happened))) *world {
	reg := builtin.Registry()
	st := store.NewMem(store.MemOptions{VBuckets: 2})
	commits := commit.NewServer(commit.ServerOptions{Store: st, Registry: reg})
	defer commits.Stop()
	acc := fold.New(reg)
	w := &world{}
	f(func(typ string, e happened) {
		w.events = append(w.events, e)
		acc.Fold(testNow, "", typ, &state.Bundle{Tab: e.tab, Client: e.client, Events: []state.Event{{Time: e.time, Value: e.value, Number: true}}}, nil)
	})
	if err := commits.Commit(t.Context(), acc, nil); err != nil {
		t.Fatal(err)
	}
	w.view = view.New(st, reg, view.Options{})
	w.api = New(Options{View: w.view, Registry: reg, Now: func() time.Time { return time.UnixMicro(testNow * 1e6) }})
	return w
}

// scraped is a storage of samples, as a Prometheus would have them.
type scraped []storage.Series

func (s scraped) Querier(int64, int64) (storage.Querier, error) { return s, nil }
func (s scraped) Close() error                                  { return nil }
func (s scraped) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (s scraped) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (s scraped) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	chosen := &scrapedSet{}
next:
	for _, x := range s {
		for _, m := range matchers {
			if !m.Matches(x.Labels().Get(m.Name)) {
				continue next
			}
		}
		chosen.list = append(chosen.list, x)
	}
	return chosen
}

type scrapedSet struct {
	list scraped
	i    int
}

func (s *scrapedSet) Next() bool                        { s.i++; return s.i <= len(s.list) }
func (s *scrapedSet) At() storage.Series                { return s.list[s.i-1] }
func (s *scrapedSet) Err() error                        { return nil }
func (s *scrapedSet) Warnings() annotations.Annotations { return nil }

// scrape copies all samples of all series, of tabs and of single clients.
func (w *world) scrape(t *testing.T) (all scraped) {
	for _, client := range []string{"", ".+"} {
		q := w.api.newQuerier(false)
		name := labels.MustNewMatcher(labels.MatchRegexp, labelName, ".+")
		of := labels.MustNewMatcher(labels.MatchRegexp, labelClient, client)
		found := q.Select(t.Context(), true, &storage.SelectHints{Start: 1000 * (testNow - 90000), End: 1000 * testNow, Step: 1}, name, of)
		for found.Next() {
			var samples []chunks.Sample
			for i := range found.At().(*oneSeries).points() {
				samples = append(samples, &found.At().(*oneSeries).points()[i])
			}
			all = append(all, storage.NewListSeries(found.At().Labels(), samples))
		}
		if found.Err() != nil {
			t.Fatal(found.Err())
		}
	}
	return all
}

// TestAsIfScraped: Prometheus's engine makes the same of a view as of a storage
// that has all its samples.
func TestAsIfScraped(t *testing.T) {
	w := newWorld(t, 1, false)
	reference := w.scrape(t)
	if len(reference) < 100 {
		t.Fatalf("there are %d series", len(reference))
	}
	start, end := time.Unix(testSecond-80000, 0), time.Unix(testSecond-10, 0)
	for _, query := range []string{
		`hits_count{client=""}`, `hits_total{client="c1"}`, `{__name__=~"hits_.+",client="",dc!="eu"}`,
		`sum by (dc) (hits:count{window="1h",client=""})`,
		`sum without (host) (hits_count{client=~"c[12]"})`,
		`topk(1, latency:quantile{window="1h",quantile="0.9",client=""})`,
		`hits_total{client=""} / on(dc, host) misses_total{client=""}`,
		`hits:total{window="1h",client=""} offset 30m`,
		`hits_count{client=""} @ 1395950000`,
		`max_over_time(latency:quantile{window="1h",quantile="0.5",client=""}[1h])`,
		`avg_over_time(hits:total{window="1h",client="",dc="us"}[2h:15m])`,
		`quantile(0.5, latency:average{window="1h",client=~".+"})`,
		`histogram_quantile(0.9, sum(latency{client=""}))`,
		`histogram_count(latency{client="c0"})`,
		`label_replace(hits_count{client="",dc="us"}, "x", "$1", "dc", "(.*)")`,
		`absent(hits_count{dc="mars"})`,
		`count({client="c2"}) by (__name__)`,
		`delta(hits:count{window="1h",client=""}[1h])`,
	} {
		for _, step := range []time.Duration{time.Minute, 15 * time.Minute, 3 * time.Hour} {
			run := func(s storage.Queryable) string {
				q, err := w.api.engine().NewRangeQuery(t.Context(), s, nil, query, start, end, step)
				if err != nil {
					t.Fatal(err)
				}
				defer q.Close()
				r := q.Exec(t.Context())
				if r.Err != nil {
					t.Fatal(r.Err)
				}
				return r.Value.(promql.Matrix).String()
			}
			if got, want := run(w.api.newQuerier(false)), run(reference); got != want || got == "" {
				t.Errorf("%s, step %v:\n%.2000s\nwant\n%.2000s", query, step, got, want)
			}
		}
	}
}

// TestIncreasesAreRecounts: what a counter increases by is what happened, counted
// again event by event, wherever the ranges end between buckets.
func TestIncreasesAreRecounts(t *testing.T) {
	w := newWorld(t, 3, false)
	f := func(query, tab string, from, to, step int64, length int64) {
		t.Helper()
		q, err := w.api.engine().NewRangeQuery(t.Context(), w.api.newQuerier(false), nil, query, time.Unix(from, 0), time.Unix(to, 0), time.Duration(step)*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		r := q.Exec(t.Context())
		m, ok := r.Value.(promql.Matrix)
		if r.Err != nil || !ok || len(m) != 1 || len(m[0].Floats) != int((to-from)/step)+1 {
			t.Fatalf("%s: %v %v", query, r.Err, r.Value)
		}
		for _, p := range m[0].Floats {
			want := 0.0
			for _, e := range w.events {
				if at := float64(p.T) / 1000; e.tab == tab && e.time >= at-float64(length) && e.time < at {
					want += e.value
				}
			}
			if math.Abs(p.F-want) > 1e-3*want+1e-6 {
				t.Errorf("%s at %d: %v, want %v", query, p.T, p.F, want)
			}
		}
	}
	quarter := testSecond / 900 * 900
	f(`increase(hits_total{dc="eu"}[30m])`, "hits;dc=eu", quarter-70000/900*900, quarter-3600, 900, 1800)
	f(`3600 * rate(hits_total{dc="us"}[1h])`, "hits;dc=us;host=a", quarter-70000/900*900, quarter-3600, 1800, 3600)
	minute := testSecond / 60 * 60
	f(`increase(hits_total{dc="eu"}[2m])`, "hits;dc=eu", minute-3000, minute, 30, 120)
	second := testSecond
	f(`increase(hits_total{dc="eu"}[10s])`, "hits;dc=eu", second-48, second, 1, 10)
	f(`increase(latency_sum{dc="eu"}[5m])`, "latency;dc=eu", minute/150*150-2700, minute/150*150-600, 150, 300)
}

// TestWindowsAreThoseOfV2: a window that ends now says what version 2 of the API
// says of it, also when events from ahead of the clock have moved rings on.
func TestWindowsAreThoseOfV2(t *testing.T) {
	for _, ahead := range []bool{false, true} {
		w := newWorld(t, 5, ahead)
		e := eval.New(eval.Options{View: w.view, Now: w.api.o.Now})
		for _, x := range []struct{ metric, value, labels string }{
			{"hits:count", "count", ""}, {"hits:total", "total", ""}, {"hits:average", "average", ""},
			{"latency:count", "count", ""}, {"latency:min", "min", ""}, {"latency:max", "max", ""},
			{"latency:quantile", "p99", `,quantile="0.99"`}, {"latency:quantile", "p12.5", `,quantile="0.125"`},
		} {
			for _, window := range []string{"7s", "1m", "10m", "37m", "1h", "6h", "1d"} {
				tab, _, _ := strings.Cut(x.metric, ":")
				parsed, err := lang.Parse(fmt.Sprintf(`%s(%s{dc="eu"}) last %s`, x.value, tab, window))
				if err != nil {
					t.Fatal(err)
				}
				a, err := e.Eval(t.Context(), parsed, eval.Page{})
				if err != nil {
					t.Fatal(err)
				}
				want := a.Rows[0].Values[x.value]
				query := fmt.Sprintf(`%s{dc="eu",window=%q%s}`, x.metric, window, x.labels)
				q, err := w.api.engine().NewInstantQuery(t.Context(), w.api.newQuerier(false), nil, query, w.api.o.Now())
				if err != nil {
					t.Fatal(err)
				}
				r := q.Exec(t.Context())
				v, ok := r.Value.(promql.Vector)
				if r.Err != nil || !ok || (want == nil) != (len(v) == 0) || want != nil && v[0].F != *want {
					t.Errorf("%s (ahead: %v): %v %v, want %v", query, ahead, r.Err, r.Value, want)
				}
				q.Close()
			}
		}
	}
}
