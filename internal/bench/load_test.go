package bench

import (
	"testing"
	"testing/synctest"
	"time"
)

// A sender that something held up is told when its units were due; one that
// nothing did, when it woke.
func TestPacerCountsWhatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const every = 10 * time.Millisecond
		start := time.Now()
		p := newPacer(every, 0, 1)
		late := func(held time.Duration) time.Duration {
			t.Helper()
			time.Sleep(held)
			due, ok := p.wait(t.Context())
			if !ok {
				t.Fatal("ended")
			}
			return time.Since(due)
		}
		for i, held := range []time.Duration{0, 0, 3 * every, 0, 0} {
			got, want := late(held), []time.Duration{0, 0, 2 * every, every, 0}[i]
			if got != want {
				t.Errorf("unit %d is %v late, want %v", i, got, want)
			}
		}
		if _, ok := p.wait(t.Context()); !ok || time.Since(start) != 5*every {
			t.Errorf("six units took %v, want %v", time.Since(start), 5*every)
		}
	})
}
