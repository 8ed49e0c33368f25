package taba

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// what is what a record tells, without how often.
type what struct {
	id    uint32
	at    int64
	value float64
}

// newRecorders returns a client that records but does not send.
func newRecorders(bound int64) *Client {
	c := &Client{wake: make(chan struct{}, 1), half: make(chan struct{}, 1), bound: bound}
	c.table.byName = make(map[seriesName]*series)
	c.numbers.init(bound)
	return c
}

// takeAll takes everything that was marked into got, a little at a time.
func takeAll(c *Client, got map[what]uint64, most int) (n uint64) {
	for {
		records := c.numbers.take(make([]record, 0, most), c.giveBack)
		for _, r := range records {
			got[what{r.id, r.at, r.value}] += r.n
			n += r.n
		}
		if len(records) < most {
			return n
		}
	}
}

// Whatever the order of recording, ticks of the clock, marks and takes: every
// event is taken once, with its value and time, and memory is given back.
func TestEveryEventIsTakenOnce(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 1))
		c := newRecorders(1 << 20)
		all := make([]*series, 1+r.IntN(2000))
		for i := range all {
			all[i] = &series{c: c, word: one | uint64(i)}
		}
		values := 1 + r.IntN(3000)
		want, got := make(map[what]uint64), make(map[what]uint64)
		at := int64(1000)
		for range 30_000 {
			switch k := r.IntN(5000); {
			case k < 2:
				c.numbers.mark()
			case k < 4:
				takeAll(c, got, 1+r.IntN(5000))
			case k < 10:
				at += r.Int64N(3)
			default:
				c.clock.Store(at)
				s, v := all[r.IntN(len(all))], float64(r.IntN(values))
				s.number(v)
				want[what{uint32(s.word & tick), at, v}]++
			}
		}
		c.numbers.mark()
		takeAll(c, got, 100)
		if len(got) != len(want) {
			t.Fatalf("seed %d: %d kinds of events were taken, want %d", seed, len(got), len(want))
		}
		for w, n := range want {
			if got[w] != n {
				t.Fatalf("seed %d: %+v was taken %d times, want %d", seed, w, got[w], n)
			}
		}
		if used := c.used.Load(); used != 0 || c.numbers.waiting() {
			t.Fatalf("seed %d: %d bytes are used after everything was taken", seed, used)
		}
	}
}

// The flusher reads while others record: it must see every event once, whole.
func TestTakingDoesNotDisturb(t *testing.T) {
	const each = 300_000
	c := newRecorders(1 << 30)
	c.clock.Store(1)
	var recorders sync.WaitGroup
	for g := range 4 {
		s := &series{c: c, word: one | uint64(g)}
		recorders.Go(func() {
			for i := range each {
				s.number(float64(i % (1 + g*1000)))
			}
		})
	}
	var over atomic.Bool
	go func() {
		recorders.Wait()
		over.Store(true)
	}()
	got := make(map[what]uint64)
	for last := false; !last; {
		last = over.Load()
		c.clock.Add(1)
		c.numbers.mark()
		takeAll(c, got, 1000)
		runtime.Gosched()
	}
	var sum [4]float64
	var n [4]uint64
	for w, k := range got {
		sum[w.id] += w.value * float64(k)
		n[w.id] += k
	}
	for g := range sum {
		var want float64
		for i := range each {
			want += float64(i % (1 + g*1000))
		}
		if n[g] != each || sum[g] != want {
			t.Errorf("of %d events of sum %v, %d of sum %v were taken", each, want, n[g], sum[g])
		}
	}
	if used := c.used.Load(); used != 0 {
		t.Errorf("%d bytes are used after everything was taken", used)
	}
}

// Closing and resting rely on it.
func TestBarrierWaitsForWhoHasEntered(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	c := newRecorders(1 << 20)
	for range 20 {
		var entered, left atomic.Bool
		go func() {
			sh := c.numbers.enterSlowly()
			entered.Store(true)
			for start := time.Now(); time.Since(start) < 5*time.Millisecond; {
			}
			left.Store(true)
			c.numbers.leaveSlowly(sh)
		}()
		for !entered.Load() {
			runtime.Gosched()
		}
		c.numbers.barrier()
		if !left.Load() {
			t.Fatal("somebody was still recording")
		}
	}
}

// Processors that come later, or for which there is no room, share a shard.
func TestShardsAreShared(t *testing.T) {
	c := newRecorders(0)
	c.clock.Store(1)
	c.bound = 1 << 20
	s := &series{c: c, word: one}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 10_000 {
				s.number(float64(i % 100))
			}
		})
	}
	wg.Wait()
	c.numbers.mark()
	got := make(map[what]uint64)
	if n := takeAll(c, got, 1000); n != 80_000 || len(got) != 100 {
		t.Errorf("%d events of %d kinds were taken", n, len(got))
	}
}
