package bench

import (
	"sync"
	"time"

	"github.com/DataDog/sketches-go/ddsketch"
)

// latencies keep a distribution of durations to within 1 %. They are safe for
// concurrent use, once for each request or frame.
type latencies struct {
	mu     sync.Mutex
	sketch *ddsketch.DDSketch
	max    time.Duration
}

func newLatencies() *latencies {
	l := &latencies{}
	l.reset()
	return l
}

func (l *latencies) reset() {
	const accuracy = 0.01
	s, err := ddsketch.LogUnboundedDenseDDSketch(accuracy)
	if err != nil {
		panic(err) // the accuracy is right
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sketch, l.max = s, 0
}

func (l *latencies) note(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.sketch.Add(max(d, 1).Seconds() * 1e3) // positive and finite
	l.max = max(l.max, d)
}

// Latency is a distribution of times in milliseconds.
type Latency struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p99_9_ms"`
	Max   float64 `json:"max_ms"`
}

// read returns nil if nothing was noted.
func (l *latencies) read() *Latency {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, err := l.sketch.GetValuesAtQuantiles([]float64{0.5, 0.9, 0.99, 0.999})
	if err != nil { // it is empty
		return nil
	}
	top := l.max.Seconds() * 1e3
	return &Latency{
		Count: uint64(l.sketch.GetCount()), Max: top,
		P50: min(p[0], top), P90: min(p[1], top), P99: min(p[2], top), P999: min(p[3], top),
	}
}
