package taba

import (
	"sync"
	"testing"
)

// A clock that goes to rest at any moment, as the flusher lets it, never
// stamps an event with the value that means rest.
func TestTellTimeNeverIdle(t *testing.T) {
	c := &Client{wake: make(chan struct{}, 1)}
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				c.clock.Store(clockIdle)
			}
		}
	})
	for range 200_000 {
		if at := c.tellTime(); at == clockIdle {
			t.Error("an event would have no time")
			break
		}
	}
	close(over)
	wg.Wait()
}
