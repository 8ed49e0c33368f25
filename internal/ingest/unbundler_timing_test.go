package ingest

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state/builtin"
)

// cpuTime is what processors have spent on this process: on a machine that is
// shared it says more than the time on the wall.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bundleFrames are frames of bundles of n values over 1,000 tabs of 10 clients,
// the first of which declares the series. Values are log-normal, in cents, as
// prices are.
func bundleFrames(n int) (frames [][]byte, events int) {
	var e wire.BatchEncoder
	e.Begin(clock)
	var ids []uint32
	for c := range 10 {
		for t := range 1000 {
			ids = append(ids, e.Series(fmt.Sprintf("bench.tab.%04d", t), "CounterGroup", fmt.Sprintf("client-%02d", c)))
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	values := make([]float64, n)
	for i := range max(2*len(ids), 1_000_000/n) {
		for j := range values {
			values[j] = math.Round(100*math.Exp(rng.NormFloat64())) / 100
		}
		e.Values(ids[i%len(ids)], clock, values)
		if events += n; e.Len() > 250<<10 {
			frames = append(frames, bytes.Clone(e.Bytes()))
			e.Begin(clock)
		}
	}
	return append(frames, bytes.Clone(e.Bytes())), events
}

// BenchmarkUnbundle decodes and folds v2 frames, without a socket or a commit.
// With one bundle ahead, each State has to come from memory by itself.
func BenchmarkUnbundle(b *testing.B) {
	for _, c := range []struct{ n, ahead int }{{10, together}, {10, 1}, {100, together}, {100, 1}, {1000, together}} {
		b.Run(fmt.Sprintf("n=%d/ahead=%d", c.n, c.ahead), func(b *testing.B) {
			frames, events := bundleFrames(c.n)
			o := Options{}.withDefaults()
			u, acc := newUnbundler(nil, &o), fold.New(builtin.Registry())
			u.ahead = u.ahead[:c.ahead]
			round := func(frames [][]byte) {
				u.begin(acc, clock)
				for _, m := range frames {
					if err := u.check(m); err != nil {
						b.Fatal(err)
					}
					if err := u.fold(func() bool { return true }); err != nil {
						b.Fatal(err)
					}
				}
				u.end()
				acc.Reset()
			}
			round(frames) // declares the series
			frames, first := frames[1:], len(frames[0])
			for _, m := range frames {
				first += len(m)
			}
			u.begin(acc, clock)
			u.end()
			b.SetBytes(int64(first))
			b.ReportAllocs()
			start := cpuTime()
			for b.Loop() {
				round(frames)
			}
			b.ReportMetric(float64(cpuTime()-start)/float64(b.N*events), "cpu-ns/event")
		})
	}
}
