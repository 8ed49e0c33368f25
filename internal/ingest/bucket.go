package ingest

import (
	"math"
	"sync"
	"time"
)

// bucket bounds how fast names are made. It holds what burst brings, or as many as
// there are already: a small beginning and a fleet that is renamed pass, however
// fast they come, and what goes on and on does not.
type bucket struct {
	rate float64 // a second; 0: no limit

	mu    sync.Mutex
	since time.Time // zero: it is full
	held  float64   // at that time
}

// burst is for how many seconds what was not used is kept.
const burst = 100

// most is what it holds when it is full.
func (b *bucket) most(have int) float64 { return max(burst*b.rate, float64(have)) }

// take takes one, while there are as many as have says. If it is empty it returns
// how long that will last.
func (b *bucket) take(now time.Time, have int) (wait time.Duration) {
	if b.rate == 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.since.IsZero() {
		b.held = b.most(have)
	} else {
		b.held = min(b.held+b.rate*max(0, now.Sub(b.since).Seconds()), b.most(have))
	}
	b.since = now
	if b.held < 1 {
		return time.Duration((1 - b.held) / b.rate * float64(time.Second))
	}
	b.held--
	return 0
}

// give gives back what nothing came of.
func (b *bucket) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held += float64(n)
}

// seconds is a time as Retry-After tells it: whole seconds, at least one.
func seconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }
