package promapi_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// day records so many events of a day, and a fifth as many in the last ten
// minutes.
func (s *server) day(rng *rand.Rand, typ, tab, client string, n int) {
	for i := range n + n/5 {
		age := rng.Float64() * 86400
		if i >= n {
			age /= 144
		}
		s.fold(typ, tab, client, age, 100*rng.ExpFloat64())
	}
}

// sink takes an answer and keeps nothing.
type sink struct {
	head  http.Header
	code  int
	bytes int
}

func (s *sink) Header() http.Header { return s.head }
func (s *sink) WriteHeader(c int)   { s.code = c }
func (s *sink) Write(b []byte) (int, error) {
	s.bytes += len(b)
	return len(b), nil
}

// BenchmarkQueryRange asks for one tab of 2,000 clients with 100,000 events in a
// day, over the day. Before each time something is committed that has to be
// caught up with.
func BenchmarkQueryRange(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := start(b)
	for c := range 2000 {
		s.day(rng, "CounterGroup", "bids;dc=us", fmt.Sprintf("client-%04d", c), 50)
		s.day(rng, "PercentileGroup", "latency;dc=us", fmt.Sprintf("client-%04d", c), 50)
	}
	s.commit(b)
	for _, query := range []string{
		`rate(bids_total{dc="us"}[5m])`,
		`bids:count{window="15m"}`,
		`latency:quantile{window="15m",quantile="0.99"}`,
		`histogram_quantile(0.99, rate(latency[15m]))`,
	} {
		for _, step := range []string{"15", "60", "86400"} {
			b.Run(fmt.Sprintf("%s/step=%s", query, step), func(b *testing.B) {
				params := form([]string{"query", query, "start", fmt.Sprint(now - 86400), "end", fmt.Sprint(now), "step", step})
				r := httptest.NewRequest("GET", "/api/v1/query_range?"+params.Encode(), nil)
				var took []time.Duration
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					s.day(rng, "CounterGroup", "bids;dc=us", "client-0001", 5)
					s.day(rng, "PercentileGroup", "latency;dc=us", "client-0001", 5)
					s.commit(b)
					b.StartTimer()
					began := time.Now()
					w := &sink{head: http.Header{}}
					s.api.ServeHTTP(w, r)
					took = append(took, time.Since(began))
					if w.code != http.StatusOK {
						b.Fatalf("answered %d", w.code)
					}
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms")
				b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
			})
		}
	}
}
