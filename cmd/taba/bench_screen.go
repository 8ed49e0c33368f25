package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tabaproject/taba/internal/bench"
	"github.com/tabaproject/taba/internal/cli"
)

// newBenchScreen shows on a terminal how far a measurement is, until stop is
// called.
func newBenchScreen(out cli.Output, span time.Duration) (look func(bench.Progress), stop func()) {
	var now atomic.Pointer[bench.Progress]
	stop = newVerifyScreen(out).show(span.Milliseconds(), func() (int64, string) {
		p := now.Load()
		if p == nil {
			return 0, "warming up "
		}
		n, verb := p.Taken, "acknowledged"
		if n == 0 {
			n, verb = p.Events, "sent"
		}
		perSecond := uint64(float64(n) / max(p.Elapsed.Seconds(), 0.001))
		return min(p.Elapsed, span).Milliseconds(), fmt.Sprintf("%s %s, %s a second ", number(n), verb, number(perSecond))
	})
	return func(p bench.Progress) { now.Store(&p) }, stop
}
