package builtin_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// prices are n values as they occur: log-normal, in cents.
func prices(n int) []float64 {
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, n)
	for i := range values {
		values[i] = math.Round(100*math.Exp(rng.NormFloat64())) / 100
	}
	return values
}

// cpuTime is the time that processors have spent on this process: on a machine
// that is shared it says more than the time on the wall.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// What a Partial costs an event when it is made of columns, encoded and used
// again: 20 columns of one second.
func BenchmarkFoldColumn(b *testing.B) {
	values := prices(20_000)
	for _, h := range []state.Handler{builtin.CounterGroup{}, builtin.PercentileGroup{}, builtin.TotalsCounter{}} {
		for _, n := range []int{10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/n=%d", h.Type(), n), func(b *testing.B) {
				s := h.New().(state.Columnar)
				var enc []byte
				b.ReportAllocs()
				start := cpuTime()
				for b.Loop() {
					for i := range 20 {
						s.FoldColumn(1_395_901_073, values[i*n:(i+1)*n])
					}
					enc = s.Append(enc[:0])
					s.Reset()
				}
				b.ReportMetric(float64(cpuTime()-start)/float64(b.N*20*n), "cpu-ns/event")
			})
		}
	}
}

// What Partials cost an event when each is made of one column: 5,000 of them,
// whose memory is used again when all of them were encoded, and has left the
// caches by then.
func BenchmarkPartials(b *testing.B) {
	const states = 5000
	values := prices(100_000)
	for _, h := range []state.Handler{builtin.CounterGroup{}, builtin.PercentileGroup{}} {
		for _, n := range []int{10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/n=%d", h.Type(), n), func(b *testing.B) {
				var all [states]state.Columnar
				for i := range all {
					all[i] = h.New().(state.Columnar)
				}
				var enc []byte
				b.ReportAllocs()
				start := cpuTime()
				for b.Loop() {
					for i, s := range all {
						from := i * n % (len(values) - n)
						s.FoldColumn(1_395_901_073, values[from:from+n])
					}
					for _, s := range all {
						enc = s.Append(enc[:0])
						s.Reset()
					}
				}
				b.ReportMetric(float64(cpuTime()-start)/float64(b.N*states*n), "cpu-ns/event")
			})
		}
	}
}
