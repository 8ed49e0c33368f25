package app

import (
	"math"
	"testing"
	"time"
)

func TestLatencyMedian(t *testing.T) {
	var l Latency
	if got := l.Median(); got != 0 {
		t.Errorf("median of nothing is %v", got)
	}
	for i := 1; i <= 1001; i++ {
		l.Observe(time.Duration(i) * time.Millisecond)
	}
	if got, want := l.Median(), 0.501; math.Abs(got-want) > 0.1*want {
		t.Errorf("median %v, want %v within 10 %%", got, want)
	}
}

func TestLatencyForgets(t *testing.T) {
	var l Latency
	for range 10 * latencyMemory {
		l.Observe(time.Second)
	}
	for range 2 * latencyMemory {
		l.Observe(time.Millisecond)
	}
	if got := l.Median(); got > 0.002 {
		t.Errorf("median %v s, want the recent 1 ms", got)
	}
	l.Observe(-time.Hour)
	l.Observe(1 << 62) // neither may be out of range
}
