package fleet

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// run runs a small fleet for a while of simulated time and returns its Counts.
func run(t *testing.T, d time.Duration, post func(context.Context, []byte) error) Counts {
	t.Helper()
	f := New(Config{Clients: 6, Requests: 300, Seed: 1, Post: post})
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	f.Run(ctx, 5*time.Second)
	return f.Counts()
}

func TestEverythingIsPosted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		bodies := 0
		c := run(t, 10*time.Second, func(_ context.Context, body []byte) error {
			mu.Lock()
			defer mu.Unlock()
			bodies++
			return nil
		})
		if c.Recorded == 0 || c.Recorded != c.Acknowledged || c.InDoubt != 0 || c.Lost != 0 {
			t.Errorf("counts are %+v", c)
		}
		if c.RecordedOf[TabRequests] != c.AcknowledgedOf[TabRequests] || c.RecordedOf[TabRequests] == 0 {
			t.Errorf("of requests %d were recorded, %d acknowledged", c.RecordedOf[TabRequests], c.AcknowledgedOf[TabRequests])
		}
		if want := 6 * 20; bodies < want || bodies > want+12 {
			t.Errorf("%d posts in 10 s, want about %d", bodies, want)
		}
	})
}

func TestBusyReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := run(t, 10*time.Second, func(context.Context, []byte) error {
			if time.Since(began) < 8*time.Second {
				return ErrBusy
			}
			return nil
		})
		if c.Recorded == 0 || c.Recorded != c.Acknowledged {
			t.Errorf("counts are %+v, want all acknowledged in the end", c)
		}
	})
}

func TestReceiverBusyToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := run(t, 2*time.Second, func(context.Context, []byte) error { return ErrBusy })
		if c.Acknowledged != 0 || c.Lost != c.Recorded || c.InDoubt != 0 {
			t.Errorf("counts are %+v, want all lost", c)
		}
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("the fleet took %v to give up", took)
		}
	})
}

func TestUnknownOutcomeIsInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("connection reset")
		c := run(t, 2*time.Second, func(context.Context, []byte) error { return broken })
		if c.Recorded == 0 || c.InDoubt != c.Recorded || !errors.Is(c.Err, broken) {
			t.Errorf("counts are %+v, want all in doubt", c)
		}
	})
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
