package promapi

import (
	"testing"
	"time"
)

// BenchmarkDirect compares what is answered directly with the engine's way, over
// the same samples.
func BenchmarkDirect(b *testing.B) {
	w := newWorld(b, 7, false)
	end := time.Unix(testSecond, 0)
	for _, query := range []string{
		`histogram_quantile(0.99, rate(latency{dc="us"}[15m]))`,
		`histogram_quantile(0.5, sum(rate(latency[15m])))`,
		`sum(rate(latency[15m]))`,
	} {
		for _, way := range []string{"direct", "engine"} {
			b.Run(query+"/"+way, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					w.ask(b, way == "direct", query, end.Add(-24*time.Hour), end, time.Minute)
				}
			})
		}
	}
}
