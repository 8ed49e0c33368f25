package query_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
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

const (
	benchTabs    = 1000
	benchClients = 20
	benchEvents  = 60 // of each client of each tab
	benchNow     = 1395954300
)

// bench is a handler over 1,000 CounterGroup tabs of 20 clients.
type bench struct {
	handler *query.Handler
	commits *commit.Server
	acc     *fold.Accumulator
	turn    int
}

func newBench(b *testing.B) *bench {
	reg := builtin.Registry()
	st := store.NewMem(store.MemOptions{})
	v := view.New(st, reg, view.Options{})
	compactor := view.NewCompactor(st, reg, view.CompactorOptions{View: v})
	x := &bench{
		handler: query.New(query.Options{View: v, Compactor: compactor, Now: func() time.Time { return time.Unix(benchNow, 0) }}),
		commits: commit.NewServer(commit.ServerOptions{Store: st, Registry: reg}),
		acc:     fold.New(reg),
	}
	b.Cleanup(func() {
		x.handler.Close()
		x.commits.Stop()
	})
	rng := rand.New(rand.NewPCG(1, 2))
	for tab := range benchTabs {
		for client := range benchClients {
			for range benchEvents {
				x.fold(tab, client, benchNow-rng.ExpFloat64()*3600, rng.Float64()*100)
			}
		}
		if tab%50 == 49 {
			x.commit(b)
		}
	}
	if err := compactor.Compact(context.Background()); err != nil {
		b.Fatal(err)
	}
	return x
}

func (x *bench) fold(tab, client int, at, value float64) {
	x.acc.Fold(benchNow, "", "CounterGroup", &state.Bundle{
		Tab: fmt.Sprintf("bench.counter.%04d", tab), Client: fmt.Sprintf("client-%02d", client),
		Events: []state.Event{{Time: at, Value: value, Number: true}},
	}, nil)
}

func (x *bench) commit(b *testing.B) {
	if err := x.commits.Commit(context.Background(), x.acc, nil); err != nil {
		b.Fatal(err)
	}
}

// recent commits what must be caught up with before the next answer.
func (x *bench) recent(b *testing.B) {
	for i := range 100 {
		x.fold((x.turn+i)%benchTabs, i%benchClients, benchNow, float64(i))
	}
	x.turn += 100
	x.commit(b)
}

// sink counts an answer and keeps nothing.
type sink struct {
	head  http.Header
	bytes int
}

func (s *sink) Header() http.Header         { return s.head }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(b []byte) (int, error) { s.bytes += len(b); return len(b), nil }

func benchmark(b *testing.B, path, accept string) {
	x := newBench(b)
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Accept", accept)
	w := &sink{head: http.Header{}}
	x.handler.ServeHTTP(w, r)
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		b.StopTimer()
		x.recent(b)
		b.StartTimer()
		w.bytes = 0
		x.handler.ServeHTTP(w, r)
	}
	b.ReportMetric(float64(w.bytes), "bytes/answer")
}

func BenchmarkTabs1000(b *testing.B)            { benchmark(b, "/tabs", "text/plain") }
func BenchmarkTabs1000JSON(b *testing.B)        { benchmark(b, "/tabs", "application/json") }
func BenchmarkTabs1(b *testing.B)               { benchmark(b, "/tabs?name=bench.counter.0007", "text/plain") }
func BenchmarkProjection20000(b *testing.B)     { benchmark(b, "/projection", "text/plain") }
func BenchmarkProjection20000JSON(b *testing.B) { benchmark(b, "/projection", "application/json") }
func BenchmarkSuperTabs1000(b *testing.B)       { benchmark(b, "/supertabs", "text/plain") }
func BenchmarkNames1000(b *testing.B)           { benchmark(b, "/names", "text/plain") }

// BenchmarkTabs1000OverTCP is the whole way: a real server and a real client.
func BenchmarkTabs1000OverTCP(b *testing.B) {
	x := newBench(b)
	web := httptest.NewServer(x.handler)
	defer web.Close()
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		b.StopTimer()
		x.recent(b)
		b.StartTimer()
		a, err := http.Get(web.URL + "/tabs")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, a.Body); err != nil {
			b.Fatal(err)
		}
		a.Body.Close()
	}
}
