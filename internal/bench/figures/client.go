package figures

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/tabaproject/taba"
	"github.com/tabaproject/taba/internal/bench"
	"github.com/tabaproject/taba/internal/wait"
)

// client measures recording: 1,000 counters in turn, sent to nowhere.
func client(ctx context.Context, s *setup) (figures []Figure, err error) {
	const records = 40_000_000
	for _, goroutines := range []int{1, 2, 8} {
		var cpu, allocs []float64
		name := fmt.Sprintf("goroutines: %d", goroutines)
		for i := range s.Rounds {
			s.round(name, i)
			c, a, err := record(ctx, goroutines, records)
			if err != nil {
				return nil, err
			}
			cpu, allocs = append(cpu, c), append(allocs, a)
		}
		figures = append(figures,
			atMost(name, cpu, "CPU ns/record", 12, fmt.Sprintf("%d M records of 1,000 counters in turn, folded and encoded every second, sent to nowhere", records/1_000_000)),
			atMost(name+", allocations", allocs, "/record", 0.001, ""))
	}
	return figures, nil
}

// record returns processor time in ns and allocations of a record.
func record(ctx context.Context, goroutines, records int) (cpu, allocs float64, err error) {
	c := taba.New(taba.Config{HTTPClient: &http.Client{Transport: nowhere{}}})
	defer func() { _ = c.Close(ctx) }()
	counters := make([]taba.Counter, 1000)
	for i := range counters {
		counters[i] = c.Counter(fmt.Sprintf("bench.tab.%04d", i))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := bench.OwnCPU()
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := range records / goroutines {
				counters[i%len(counters)].Add(1)
			}
		})
	}
	wg.Wait()
	spent := bench.OwnCPU() - start
	runtime.ReadMemStats(&after)
	if n := c.Stats().DroppedTotal(); n > 0 {
		return 0, 0, fmt.Errorf("%d records were dropped", n)
	}
	return float64(spent) / float64(records), float64(after.Mallocs-before.Mallocs) / float64(records), ctx.Err()
}

// nowhere takes everything.
type nowhere struct{}

func (nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	_, err := io.Copy(io.Discard, r.Body)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("")), Request: r}, err
}

// paced records so many events a second until ctx ends, as soon as they are
// due.
func paced(ctx context.Context, c *taba.Client, tabs int, rate float64) {
	counters := make([]taba.Counter, tabs)
	for i := range counters {
		counters[i] = c.Counter(fmt.Sprintf("bench.tab.%04d", i))
	}
	start, n := time.Now(), 0
	for wait.For(ctx, time.Millisecond) == nil {
		for due := int(rate * time.Since(start).Seconds()); n < due; n++ {
			counters[n%tabs].Add(float64(n % 100))
		}
	}
}
