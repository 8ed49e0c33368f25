package promapi_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkCold asks for the day of one tab of 2,000 clients that nobody has
// asked for before.
func BenchmarkCold(b *testing.B) {
	params := form([]string{"query", `latency:quantile{window="15m",quantile="0.99"}`, "start", fmt.Sprint(now - 86400), "end", fmt.Sprint(now), "step", "15"})
	r := httptest.NewRequest("GET", "/api/v1/query_range?"+params.Encode(), nil)
	for b.Loop() {
		b.StopTimer()
		rng := rand.New(rand.NewPCG(1, 2))
		s := start(b)
		for c := range 2000 {
			s.day(rng, "PercentileGroup", "latency;dc=us", fmt.Sprintf("client-%04d", c), 50)
		}
		s.commit(b)
		b.StartTimer()
		s.api.ServeHTTP(&sink{head: http.Header{}}, r)
	}
}
