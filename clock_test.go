package taba

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
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

// An event that is being recorded while the clock goes to rest, or closes, is
// found by the flusher.
func TestWhoIsRecordingIsAwaited(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	for what, do := range map[string]func(f *flusher) (found bool){
		"rest": func(f *flusher) bool { f.rest(); return f.c.clock.Load() > clockIdle },
		"shut": func(f *flusher) bool { f.shut(); return f.discard(f.c) == 1 },
	} {
		c := newRecorders(1 << 20)
		c.closeCtx = context.Background()
		f := newFlusher(c)
		f.start(time.Now())
		s, _ := c.addSeries("CounterGroup", "n")
		var entered atomic.Bool
		go func() {
			sh := c.numbers.enterSlowly()
			c.extend(sh, new(chunk))
			at := c.clock.Load()
			entered.Store(true)
			for start := time.Now(); time.Since(start) < 5*time.Millisecond; {
			}
			sh.record(at, s.word, 0)
			c.numbers.leaveSlowly(sh)
		}()
		for !entered.Load() {
			runtime.Gosched()
		}
		if !do(f) {
			t.Errorf("%s: the event would be forgotten", what)
		}
		f.endClose()
		f.cancel()
	}
}
