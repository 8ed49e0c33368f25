package taba_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tabaproject/taba"
)

// Events recorded while the client closes are sent or counted as dropped.
func TestRecordingWhileClosing(t *testing.T) {
	const goroutines, each = 4, 2000
	for range 20 {
		a := &agent{}
		c := offline(a, taba.Config{FlushEvery: time.Millisecond})
		n, p := c.Counter("n"), c.Percentile("p")
		var recorders sync.WaitGroup
		began := make(chan struct{}, goroutines)
		for range goroutines {
			recorders.Go(func() {
				for i := range each {
					n.Add(1)
					p.Record(float64(i))
					if i == 100 {
						began <- struct{}{}
					}
				}
			})
		}
		<-began
		if err := c.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		recorders.Wait()
		s := c.Stats()
		wantEqual(t, "recorded and dropped", s.Recorded+s.Dropped[taba.DropClosed], 2*goroutines*each)
		wantEqual(t, "pending", s.Pending, 0)
		wantEqual(t, "sent", s.Sent, s.Recorded)
		wantEqual(t, "received", uint64(len(a.times["n"])+len(a.times["p"])), s.Sent)
	}
}

// Events recorded in the moment when the clock goes to rest are sent.
func TestRecordingWhileGoingToRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{}
		const tick = 50 * time.Millisecond
		c := offline(a, taba.Config{FlushEvery: 8 * tick})
		n := c.Counter("n")
		const goroutines, each = 3, 300
		var recorders sync.WaitGroup
		for range goroutines {
			recorders.Go(func() {
				for i := range each {
					n.Add(1)
					<-time.After(10*time.Second + time.Duration(i%16)*tick)
				}
			})
		}
		recorders.Wait()
		pass(time.Second)
		wantEqual(t, "sent", c.Stats().Sent, goroutines*each)
		wantEqual(t, "pending", c.Stats().Pending, 0)
		_ = c.Close(context.Background())
	})
}
