package taba_test

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tabaproject/taba"
)

// pass lets time pass, in a bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestFlushesOnceASecondAndRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{}
		c := offline(a, taba.Config{FlushEvery: time.Second})
		defer c.Close(context.Background())
		pass(time.Hour) // nothing to send, nothing sent
		n := c.Counter("n")
		n.Add(1)
		pass(900 * time.Millisecond)
		n.Add(1)
		synctest.Wait()
		wantEqual(t, "requests before a second has passed", a.requests(), 0)
		pass(200 * time.Millisecond)
		wantEqual(t, "requests after a second", a.requests(), 1)
		wantEqual(t, "sent", c.Stats().Sent, 2)
		pass(time.Hour)
		wantEqual(t, "requests while idle", a.requests(), 1)
	})
}

// TestFlushesAsOftenAsTheAgentLikes: where nobody says how often, what is
// recorded is sent within moments to an agent that answers at once, and ever
// more rarely the longer it takes, once a second at least.
func TestFlushesAsOftenAsTheAgentLikes(t *testing.T) {
	for _, f := range []struct{ takes, least, most time.Duration }{
		{0, 49 * time.Millisecond, 55 * time.Millisecond},
		{12 * time.Millisecond, 60 * time.Millisecond, 65 * time.Millisecond}, // between two ticks of the clock
		{30 * time.Millisecond, 150 * time.Millisecond, 155 * time.Millisecond},
		{3 * time.Second, 4 * time.Second, 4010 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := &agent{takes: f.takes}
			c := offline(a, taba.Config{})
			n := c.Counter("n")
			const long = time.Minute
			for began := time.Now(); time.Since(began) < long; pass(time.Millisecond) {
				n.Add(1)
			}
			if got := long / time.Duration(a.requests()); got < f.least || got > f.most {
				t.Errorf("an agent that takes %v has a request every %v, want %v to %v", f.takes, got, f.least, f.most)
			}
			if err := c.Close(context.Background()); err != nil {
				t.Error(err)
			}
			wantEqual(t, "dropped", len(c.Stats().Dropped), 0)
		})
	}
}

func TestTimesFollowTheClock(t *testing.T) {
	for _, old := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) { timesFollowTheClock(t, &agent{old: old}) })
	}
}

func timesFollowTheClock(t *testing.T, a *agent) {
	c := offline(a, taba.Config{FlushEvery: time.Minute})
	var want []int64
	for range 20 {
		c.Counter("n").Add(1)
		want = append(want, time.Now().UnixMilli())
		pass(777 * time.Millisecond)
	}
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(slices.Values(a.times["n"])) // who records moves between processors
	wantEqual(t, "events", len(got), len(want))
	const tick = 50
	for i := range want {
		// A body of v2 has the second that the clock showed.
		at := int64(math.Round(got[i] * 1000))
		exact := want[i]-tick <= at && at <= want[i]
		if second := at == want[i]/1000*1000 || at == (want[i]-tick)/1000*1000; !exact && (a.old || !second) {
			t.Errorf("event %d has the time %v ms, want %v", i, at, want[i])
		}
	}
}

func TestHalfFullFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{}
		c := offline(a, taba.Config{FlushEvery: time.Hour, BufferBytes: 1 << 20})
		defer c.Close(context.Background())
		for i := range 30_000 { // 480 kB
			c.Percentile("p").Record(float64(i))
		}
		synctest.Wait()
		if a.requests() == 0 {
			t.Error("nothing was sent although more than half of the buffer was full")
		}
		wantEqual(t, "dropped", c.Stats().DroppedTotal(), 0)
	})
}

func TestOneRequestInFlightTheRestAccrues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{gate: make(chan struct{})}
		c := offline(a, taba.Config{Timeout: time.Hour})
		for range 30 {
			c.Counter("n").Add(1)
			pass(time.Second)
		}
		synctest.Wait()
		wantEqual(t, "answered", a.requests(), 0)
		close(a.gate)
		synctest.Wait()
		if err := c.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "requests", a.requests(), 2)
		wantEqual(t, "sent", c.Stats().Sent, 30)
	})
}

func TestRetriesTheSameBytesWithBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, h := &agent{status: http.StatusServiceUnavailable}, &hooks{}
		c := offline(a, taba.Config{OnError: h.onError})
		c.Counter("n").Add(1)
		pass(2 * time.Minute)
		c.Counter("n").Add(2)
		synctest.Wait()
		tries := a.requests()
		if tries < 7 || tries > 25 {
			t.Errorf("%d tries in two minutes", tries)
		}
		for i, b := range a.bodies {
			if !bytes.Equal(b, a.bodies[0]) {
				t.Errorf("try %d sent %q, the first %q", i, b, a.bodies[0])
			}
		}
		if !strings.Contains(h.text(), "503 Service Unavailable: no luck") {
			t.Errorf("reported %q", h.text())
		}
		a.set(0)
		if err := c.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "events", a.got(), "test n CounterGroup 1\ntest n CounterGroup 2")
		wantEqual(t, "failures", c.Stats().Failures, uint64(tries))
		wantEqual(t, "dropped", c.Stats().DroppedTotal(), 0)
		if err := c.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRetryAfterIsHeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{status: http.StatusServiceUnavailable, header: map[string]string{"Retry-After": "60"}}
		c := offline(a, taba.Config{})
		c.Counter("n").Add(1)
		pass(50 * time.Second)
		wantEqual(t, "requests within Retry-After", a.requests(), 1)
		a.set(0)
		pass(20 * time.Second)
		wantEqual(t, "sent", c.Stats().Sent, 1)
		_ = c.Close(context.Background())
	})
}

func TestRejectedBodiesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{status: http.StatusBadRequest}
		c := offline(a, taba.Config{})
		c.Counter("n").Add(1)
		err := c.Flush(context.Background())
		if err == nil || !strings.Contains(err.Error(), "400 Bad Request") {
			t.Errorf("Flush: %v", err)
		}
		pass(time.Hour)
		if n := a.requests(); n > 3 {
			t.Errorf("%d requests in an hour without events", n)
		}
		a.set(0)
		c.Counter("n").Add(2)
		if err := c.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "events", a.got(), "test n CounterGroup 2\ntest taba_client_dropped CounterGroup 1")
		s := c.Stats()
		wantEqual(t, "rejected", s.Dropped[taba.DropRejected], 1)
		balanced(t, s)
	})
}

func TestFullBufferDropsTheNewestAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, h := &agent{status: http.StatusServiceUnavailable}, &hooks{}
		const bound = 256 << 10
		c := offline(a, taba.Config{BufferBytes: bound, OnDrop: h.onDrop})
		const total = 100_000
		for i := range total {
			c.Counter("n").Add(float64(i))
			if i%1000 == 0 {
				pass(time.Second)
				c.Buffer("b").Push(strings.Repeat("x", 100), time.Now())
			}
			if used := c.Stats().BufferedBytes; i%1000 == 0 && used > bound*3/2 {
				t.Fatalf("%d bytes are buffered, the bound is %d", used, bound)
			}
		}
		s := c.Stats()
		balanced(t, s)
		full := s.Dropped[taba.DropFull]
		if full == 0 || full+s.Recorded != total+total/1000 {
			t.Errorf("recorded %d and dropped %d of %d", s.Recorded, full, total+total/1000)
		}
		a.set(0)
		if err := c.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "told", h.dropped[taba.DropFull], full)
		s = c.Stats()
		wantEqual(t, "sent", s.Sent, s.Recorded)
		if got := a.got(); !strings.Contains(got, "test n CounterGroup 0\n") || strings.Contains(got, "test n CounterGroup 99999") {
			t.Error("it was not the newest that were dropped")
		}
		wantEqual(t, "reported drops", dropsReported(a), full)
	})
}

// dropsReported sums the tab of dropped events.
func dropsReported(a *agent) (n uint64) {
	for _, line := range strings.Split(a.got(), "\n") {
		if digits, ok := strings.CutPrefix(line, "test taba_client_dropped CounterGroup "); ok {
			var v uint64
			for _, d := range digits {
				v = v*10 + uint64(d-'0')
			}
			n += v
		}
	}
	return n
}

func TestCloseWithoutDeadlineEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{status: http.StatusServiceUnavailable}
		c := offline(a, taba.Config{})
		c.Counter("n").Add(1)
		began := time.Now()
		if err := c.Close(context.Background()); err == nil {
			t.Error("Close says nothing about what was not sent")
		}
		wantEqual(t, "Close took", time.Since(began), 10*time.Second)
		wantEqual(t, "dropped", c.Stats().Dropped[taba.DropClosed], 1)
	})
}
