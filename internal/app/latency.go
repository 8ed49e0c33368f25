package app

import (
	"math"
	"sync"
	"time"
)

// Latency keeps the recent distribution of a duration, in a histogram of
// quarter-octave buckets whose counts are halved now and then, so that the
// past fades with the traffic and not with the clock. Its error is at most
// 10 %. It is safe for concurrent use; Observe is meant per request, not per
// event.
type Latency struct {
	mu      sync.Mutex
	buckets [latencyBuckets]uint32
	total   uint32
	ever    uint64
}

const (
	latencyBuckets = 160                  // quarter octaves from 1 us: to 12 days
	latencyMemory  = 1 << 12              // observations after which counts are halved
	latencyUnit    = float64(time.Second) // Median is in seconds
)

// Observe adds one duration.
func (l *Latency) Observe(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buckets[latencyBucket(d)]++
	l.total++
	l.ever++
	if l.total >= latencyMemory {
		l.fade()
	}
}

func (l *Latency) fade() {
	l.total = 0
	for i := range l.buckets {
		l.buckets[i] /= 2
		l.total += l.buckets[i]
	}
}

// Median returns the median in seconds, 0 if nothing was observed.
func (l *Latency) Median() float64 { return l.Quantile(0.5) }

// Count returns how many durations were ever observed.
func (l *Latency) Count() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ever
}

// Quantile returns a quantile in seconds, from 0, the least, to 1, the greatest.
func (l *Latency) Quantile(q float64) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total == 0 {
		return 0
	}
	seen, i := uint32(0), 0
	for ; i < latencyBuckets-1; i++ {
		if seen += l.buckets[i]; seen > 0 && float64(seen) >= q*float64(l.total) {
			break
		}
	}
	mid := float64(time.Microsecond) * math.Exp2((float64(i)+0.5)/4)
	return mid / latencyUnit
}

func latencyBucket(d time.Duration) int {
	if d <= time.Microsecond {
		return 0
	}
	i := int(4 * math.Log2(float64(d)/float64(time.Microsecond)))
	return min(i, latencyBuckets-1)
}
