package promapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"pgregory.net/rapid"
)

// indirect is a querier that leaves everything to the engine, which gets the
// samples that a direct answer is made of.
type indirect struct{ *querier }

func (q indirect) Querier(int64, int64) (storage.Querier, error) { return q, nil }

func (q indirect) Select(ctx context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	s := newSelection(q.querier, hints, matchers)
	s.even = newGrid(hints)
	if err := s.series(ctx, matchers); err != nil {
		return storage.ErrSeriesSet(err)
	}
	all := &scrapedSet{}
	for _, x := range s.found {
		var samples []chunks.Sample
		points := x.points()
		for i := range points {
			samples = append(samples, &points[i])
		}
		all.list = append(all.list, storage.NewListSeries(x.labels, samples))
	}
	return all
}

// ask evaluates a query at many moments.
func (w *world) ask(t testing.TB, direct bool, query string, start, end time.Time, step time.Duration) promql.Matrix {
	q := w.api.newQuerier(false)
	var from storage.Queryable = q
	if !direct {
		from = indirect{q}
	}
	qry, err := w.api.engine().NewRangeQuery(t.Context(), from, nil, query, start, end, step)
	if err != nil {
		t.Fatal(err)
	}
	if direct {
		q.goDirect(qry.Statement())
		if len(q.directs) == 0 {
			t.Fatalf("%s is not answered directly", query)
		}
	}
	r := qry.Exec(t.Context())
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	return r.Value.(promql.Matrix)
}

// TestDirect: what is answered directly is what Prometheus's engine makes of the
// same samples.
func TestDirect(t *testing.T) {
	worlds := []*world{newWorld(t, 7, false), newWorld(t, 8, true), newSigned(t, 9)}
	rapid.Check(t, func(r *rapid.T) {
		w := rapid.SampledFrom(worlds).Draw(r, "world")
		selector := rapid.SampledFrom([]string{`latency{client=""}`, `latency{client=~".+"}`, `latency{dc="us",client="c1"}`, `latency{dc="mars"}`}).Draw(r, "selector")
		length := rapid.SampledFrom([]string{"20s", "1m", "150s", "10m", "15m", "1h", "5h", "1d"}).Draw(r, "range")
		modifier := rapid.SampledFrom([]string{"", "", " offset 7m", " offset -2m", " @ 1395950000", " @ end()"}).Draw(r, "modifier")
		rate := rapid.SampledFrom([]string{"rate", "increase"}).Draw(r, "function") + "(" + selector + "[" + length + "]" + modifier + ")"
		q := rapid.OneOf(rapid.Float64Range(0, 1), rapid.SampledFrom([]float64{0, 0.5, 1})).Draw(r, "q")
		form := rapid.SampledFrom([]string{"histogram_quantile(%[1]v, %[2]s)", "histogram_quantile(%[1]v + 0, %[2]s)", "histogram_sum(%[2]s)", "histogram_avg(%[2]s)",
			"histogram_count(sum by (dc) (%[2]s))", "histogram_fraction(100, 1000, %[2]s)", "-(%[2]s)", "2 * histogram_quantile(%[1]v, %[2]s) > 100", "%[2]s"}).Draw(r, "form")
		step := time.Duration(rapid.SampledFrom([]int{15, 60, 77, 900, 7000}).Draw(r, "step")) * time.Second
		start := time.Unix(testSecond-rapid.Int64Range(0, 90000).Draw(r, "start"), 0)
		end := start.Add(step * time.Duration(rapid.IntRange(0, 25).Draw(r, "steps")))
		query := fmt.Sprintf(form, q, rate)
		got, want := w.ask(t, true, query, start, end, step), w.ask(t, false, query, start, end, step)
		if got.String() != want.String() {
			r.Fatalf("%s, %v to %v, step %v:\n%.2000s\nwant\n%.2000s", query, start.Unix(), end.Unix(), step, got, want)
		}
	})
}

// TestDirectSums: so are quantiles of sums, but that the engine adds in another
// order.
func TestDirectSums(t *testing.T) {
	worlds := []*world{newWorld(t, 7, false), newWorld(t, 8, true), newSigned(t, 9)}
	rapid.Check(t, func(r *rapid.T) {
		w := rapid.SampledFrom(worlds).Draw(r, "world")
		sum := rapid.SampledFrom([]string{"sum", "sum by (dc)", "sum by (client)", "sum without (client)", "sum by (dc, client)", "sum by (nothing)"}).Draw(r, "sum")
		length := rapid.SampledFrom([]string{"1m", "10m", "15m", "5h"}).Draw(r, "range")
		q := rapid.Float64Range(0, 1).Draw(r, "q") // not of a rank that is exactly between two values: there rounding decides
		if q == 0.5 || math.Trunc(q*1000) == q*1000 {
			q = 0.123456
		}
		step := time.Duration(rapid.SampledFrom([]int{15, 60, 77, 900}).Draw(r, "step")) * time.Second
		start := time.Unix(testSecond-rapid.Int64Range(0, 90000).Draw(r, "start"), 0)
		end := start.Add(step * 10)
		query := fmt.Sprintf(`histogram_quantile(%v, %s (rate(latency{client=~".+"}[%s])))`, q, sum, length)
		got, want := w.ask(t, true, query, start, end, step), w.ask(t, false, query, start, end, step)
		if len(got) != len(want) {
			r.Fatalf("%s: %v, want %v", query, got, want)
		}
		for i := range want {
			if !labels.Equal(got[i].Metric, want[i].Metric) || len(got[i].Floats) != len(want[i].Floats) {
				r.Fatalf("%s:\n%v\nwant\n%v", query, got[i], want[i])
			}
			for j, p := range want[i].Floats {
				if g := got[i].Floats[j]; g.T != p.T || math.Abs(g.F-p.F) > 1e-9*math.Abs(p.F) && !(math.IsNaN(g.F) && math.IsNaN(p.F)) {
					r.Fatalf("%s at %d: %v, want %v", query, p.T, g, p)
				}
			}
		}
	})
}

// newSigned is a world of values of both signs, zero, and far apart.
func newSigned(t *testing.T, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 2))
	return recorded(t, func(record func(typ string, e happened)) {
		for range 2000 {
			e := happened{tab: "latency;dc=us", client: fmt.Sprintf("c%d", rng.IntN(3)), value: float64(rng.IntN(9)-4) * math.Exp2(float64(rng.IntN(200)-100))}
			e.time = math.Floor(testNow - 86400*math.Pow(rng.Float64(), 4))
			record("PercentileGroup", e)
		}
	})
}

// TestIndirect: what is called like a native histogram and is none is left to the
// engine.
func TestIndirect(t *testing.T) {
	w := newWorld(t, 1, false)
	w.api.o.Own = func(w io.Writer) { fmt.Fprintln(w, "taba_tabs 7") }
	q := w.api.newQuerier(false)
	qry, err := w.api.engine().NewInstantQuery(t.Context(), q, nil, `rate(taba_tabs[5m])`, w.api.o.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer qry.Close()
	q.goDirect(qry.Statement())
	if r := qry.Exec(t.Context()); !errors.Is(r.Err, errIndirect) {
		t.Errorf("%v", r)
	}
	f := func(query string, want int) {
		t.Helper()
		expr, err := w.api.parser.ParseExpr(query)
		if err != nil {
			t.Fatal(err)
		}
		q := w.api.newQuerier(false)
		if q.goDirect(&parser.EvalStmt{Expr: expr}); len(q.directs) != want {
			t.Errorf("%s has %d parts that are answered directly, not %d", query, len(q.directs), want)
		}
	}
	f(`rate(hits_total[5m])`, 0)
	f(`rate({__name__=~"latency.*"}[5m])`, 0)
	f(`absent(rate(latency[5m]))`, 0)
	f(`timestamp((rate(latency[5m])))`, 0)
	f(`max_over_time(histogram_quantile(0.9, rate(latency[5m]))[1h:5m])`, 0)
	f(`irate(latency[5m])`, 0)
	f(`histogram_quantile(0.9, rate(latency[5m])) / histogram_quantile(0.5, sum without (dc) (increase(latency[5m])))`, 2)
	f(`histogram_quantile(2, avg(rate(latency[5m]))) and -(rate(latency[1m]))`, 2)
}
