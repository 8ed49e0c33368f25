package query_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/commit"
	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/query"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// v2Bench is a Handler over States that a day of events has left.
type v2Bench struct {
	handler *query.Handler
	commits *commit.Server
	acc     *fold.Accumulator
	rng     *rand.Rand
}

func newV2Bench(b *testing.B) *v2Bench {
	reg := builtin.Registry()
	st := store.NewMem(store.MemOptions{})
	v := view.New(st, reg, view.Options{Budget: 2 << 30})
	compactor := view.NewCompactor(st, reg, view.CompactorOptions{View: v})
	x := &v2Bench{
		handler: query.New(query.Options{View: v, Compactor: compactor, Now: func() time.Time { return time.Unix(benchNow, 0) }}),
		commits: commit.NewServer(commit.ServerOptions{Store: st, Registry: reg}),
		acc:     fold.New(reg),
		rng:     rand.New(rand.NewPCG(1, 2)),
	}
	b.Cleanup(func() {
		x.handler.Close()
		x.commits.Stop()
	})
	return x
}

// day folds so many events over a day, and a fifth as many in the last ten
// minutes.
func (x *v2Bench) day(typ, tab, client string, n int) {
	for i := range n + n/5 {
		age := x.rng.Float64() * 86400
		if i >= n {
			age /= 144
		}
		x.acc.Fold(benchNow, "", typ, &state.Bundle{Tab: tab, Client: client,
			Events: []state.Event{{Time: benchNow - age, Value: 100 * x.rng.ExpFloat64(), Number: true}}}, nil)
	}
}

func (x *v2Bench) commit(b *testing.B) {
	if err := x.commits.Commit(context.Background(), x.acc, nil); err != nil {
		b.Fatal(err)
	}
}

// run asks again and again and reports the slowest of a hundred, and what one
// takes of a processor. Before each time something is committed that has to be
// caught up with.
func (x *v2Bench) run(b *testing.B, path string, fresh func()) {
	r := httptest.NewRequest("GET", path, nil)
	w := &sink{head: http.Header{}}
	x.handler.ServeHTTP(w, r)
	if w.bytes == 0 {
		b.Fatal("no answer")
	}
	var took []time.Duration
	var used time.Duration
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		fresh()
		x.commit(b)
		b.StartTimer()
		start, before := time.Now(), processorTime()
		x.handler.ServeHTTP(w, r)
		took, used = append(took, time.Since(start)), used+processorTime()-before
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
	b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms")
	b.ReportMetric(float64(used)/1e6/float64(len(took)), "cpu-ms/op")
}

// BenchmarkQueryTab asks for one tab of 2,000 clients with 100,000 events in a
// day: over all clients, and over 1,000 of them.
func BenchmarkQueryTab(b *testing.B) {
	for _, typ := range []string{"PercentileGroup", "CounterGroup"} {
		x := newV2Bench(b)
		for c := range 2000 {
			x.day(typ, "latency;dc=us", fmt.Sprintf("client-%04d", c), 50)
		}
		x.commit(b)
		values := map[string]string{"PercentileGroup": "p99.9, count", "CounterGroup": "total, count"}[typ]
		for _, clients := range []string{"", " client /client-0.*/"} {
			for _, last := range []string{"1m", "37m", "1d"} {
				name := fmt.Sprintf("%s/last=%s/some=%v", typ, last, clients != "")
				b.Run(name, func(b *testing.B) {
					x.run(b, "/v2/query?q="+url.QueryEscape(values+"(latency)"+clients+" last "+last),
						func() { x.day(typ, "latency;dc=us", "client-0001", 5) })
				})
			}
		}
	}
}

// BenchmarkQueryGroups makes 100 groups of 10,000 tabs with 100 events in a day
// and 20 in ten minutes each.
func BenchmarkQueryGroups(b *testing.B) {
	for _, typ := range []string{"PercentileGroup", "CounterGroup"} {
		x := newV2Bench(b)
		for i := range 10_000 {
			x.day(typ, fmt.Sprintf("latency;dc=d%02d;host=h%04d", i%100, i), "c", 100)
			if i%500 == 499 {
				x.commit(b)
			}
		}
		values := map[string]string{"PercentileGroup": "p99.9, count", "CounterGroup": "total, count"}[typ]
		for _, last := range []string{"1m", "10m", "1h", "1d"} {
			b.Run(fmt.Sprintf("%s/last=%s", typ, last), func(b *testing.B) {
				x.run(b, "/v2/query?q="+url.QueryEscape(values+"(latency) by (dc) last "+last),
					func() { x.day(typ, "latency;dc=d00;host=h0000", "c", 100) })
			})
		}
	}
}
