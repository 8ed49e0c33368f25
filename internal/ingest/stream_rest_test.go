package ingest

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestStreamRests(t *testing.T) {
	const ms = time.Millisecond
	f := func(found turn, want time.Duration) {
		t.Helper()
		if got := found.rest(); got != want {
			t.Errorf("after %+v a reader rests %v, want %v", found, got, want)
		}
	}
	f(turn{}, 0)
	// As long as the acknowledgement took.
	f(turn{since: 4 * ms, frames: 10, bytes: 1000, took: 2 * ms}, 2*ms)
	f(turn{since: 4 * ms, frames: 2, bytes: 1000, took: 2 * ms}, 2*ms)
	// Not for less than a frame, nor for a sender that may be waiting.
	f(turn{since: 10 * ms, frames: 4, bytes: 1000, took: 2 * ms}, 0)
	f(turn{since: ms, frames: 1, bytes: 1000, took: 2 * ms}, 0)
	f(turn{since: 10 * ms, frames: 1, bytes: 100, took: time.Minute}, 0)
	// The sender is not held up.
	f(turn{since: ms, frames: 100, bytes: windowBytes / 4, took: 10 * ms}, 2*ms)
	f(turn{since: ms, frames: 100, bytes: windowBytes * 4, took: 10 * ms}, ms/8)
	f(turn{frames: 100, bytes: 1000, took: ms}, 0)
}

// Whatever a reader finds, it rests no longer than it took to acknowledge that,
// and if more comes as fast, a frame at least and no more than the system takes.
func TestStreamRestsWithinBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 100_000 {
		found := turn{
			since:  time.Duration(rng.ExpFloat64() * float64(time.Millisecond)),
			frames: rng.IntN(1 << rng.IntN(10)), bytes: rng.IntN(1 << rng.IntN(20)),
			took: time.Duration(rng.ExpFloat64() * float64(time.Millisecond)),
		}
		d := found.rest()
		if d == 0 {
			continue
		}
		least, most := float64(d)/float64(found.since), float64(d+1)/float64(found.since) // times what came; to the nanosecond
		if d < 0 || d > found.took || most*float64(found.frames) < 1 || least*float64(found.bytes) > windowBytes/2 {
			t.Fatalf("after %+v a reader rests %v", found, d)
		}
	}
}
