package app

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/stream"
	"github.com/tabaproject/taba/internal/wire"
)

// cpuTime is what processors have spent on this process: on a machine that is
// shared it says more than the time on the wall.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// load is pre-encoded frames over 1,000 tabs of 10 clients, the first of
// which declare the series.
type load struct {
	declare, frames [][]byte
	events          []uint64 // per frame
}

// newLoad makes frames of bundles of n values. Values are log-normal, in cents,
// as prices are.
func newLoad(n int) *load {
	const tabs, clients, frameBytes = 1000, 10, 250 << 10
	l := &load{}
	var e wire.BatchEncoder
	second := time.Now().Unix()
	var ids []uint32
	e.Begin(second)
	for c := range clients {
		for t := range tabs {
			ids = append(ids, e.Series(fmt.Sprintf("bench.tab.%04d", t), "CounterGroup", fmt.Sprintf("client-%02d", c)))
		}
	}
	l.declare = append(l.declare, slices.Clone(e.Bytes()))
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, n)
	rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	e.Begin(second)
	var in uint64
	for i := range max(len(ids), 2_000_000/n) {
		for j := range values {
			values[j] = math.Round(100*math.Exp(rng.NormFloat64())) / 100
		}
		e.Values(ids[i%len(ids)], second, values)
		if in += uint64(n); e.Len() > frameBytes {
			l.frames, l.events = append(l.frames, slices.Clone(e.Bytes())), append(l.events, in)
			e.Begin(second)
			in = 0
		}
	}
	return l
}

// stamp makes a frame one of this second: its first field is the second.
func stamp(frame []byte, second int64) {
	var b [binary.MaxVarintLen64]byte
	copy(frame[1:], b[:binary.PutVarint(b[:], second)])
}

// BenchmarkStream measures one v2 stream to committed state and back: sender,
// folding, a synced commit and the acknowledgement, all in one process.
func BenchmarkStream(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) { benchmarkStream(b, newLoad(n)) })
	}
}

// BenchmarkAcknowledgement measures how soon a frame of ten events is
// acknowledged when nothing else is to do, whoever sends it included.
func BenchmarkAcknowledgement(b *testing.B) {
	s, c, done := streamTo(b)
	defer done()
	var e wire.BatchEncoder
	var r wire.StreamReply
	b.ReportAllocs()
	commits := s.committer.Commits()
	for b.Loop() {
		now := time.Now().Unix()
		e.Begin(now)
		e.Values(e.Series("bench.tab", "CounterGroup", "client"), now, []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
		last, err := c.Send(e.Bytes())
		for err == nil && r.Acknowledged < last {
			err = c.Receive(&r)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(s.committer.Commits()-commits)/float64(b.N), "commits/op")
}

// streamTo starts a server on a real disk, and a stream to it.
func streamTo(b *testing.B) (s *server, c *stream.Conn, done func()) {
	cfg := DefaultServerConfig()
	cfg.Data, cfg.Listen = b.TempDir(), "127.0.0.1:0"
	ready := make(chan string, 1)
	o := Options{Ready: func(addr string) { ready <- addr }, Logger: slog.New(slog.DiscardHandler)}
	s, err := newServer(cfg, o.withDefaults())
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.run(ctx); err != nil {
			b.Error(err)
		}
	})
	c, err = stream.Dial(ctx, "http://"+<-ready, stream.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return s, c, func() {
		_ = c.Close()
		stop()
		running.Wait()
	}
}

func benchmarkStream(b *testing.B, l *load) {
	var running sync.WaitGroup
	defer running.Wait()
	s, c, done := streamTo(b)
	defer done()

	const window = 64 << 20 // bytes not acknowledged
	acked := make(chan uint64, 1<<16)
	var events uint64
	running.Go(func() {
		defer close(acked)
		var r wire.StreamReply
		for c.Receive(&r) == nil {
			events += r.Events
			acked <- r.Acknowledged
		}
	})
	b.ReportAllocs()
	start, commits := cpuTime(), s.committer.Commits()
	b.ResetTimer()
	if _, err := c.Send(l.declare...); err != nil {
		b.Fatal(err)
	}
	var sent uint64
	frames := uint64(len(l.declare))
	known, second := uint64(0), int64(0)
	most := uint64(window / len(l.frames[0]))
	const perOp = 1_000_000 // events
	for i := 0; sent < uint64(b.N)*perOp; i++ {
		for frames-known > most {
			known = <-acked
		}
		if i%16 == 0 {
			second = time.Now().Unix()
		}
		f := l.frames[i%len(l.frames)]
		stamp(f, second)
		var err error
		if frames, err = c.Send(f); err != nil {
			b.Fatal(err)
		}
		sent += l.events[i%len(l.frames)]
	}
	for known < frames {
		n, more := <-acked
		if !more {
			b.Fatalf("%d of %d frames were acknowledged", known, frames)
		}
		known = n
	}
	b.StopTimer()
	spent := cpuTime() - start
	b.ReportMetric(float64(spent)/float64(sent), "cpu-ns/event")
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds()/1e6, "Mevents/s")
	b.ReportMetric(float64(sent)/float64(s.committer.Commits()-commits), "events/commit")
	_ = c.CloseSend()
	for range acked {
	}
	if events != sent {
		b.Errorf("%d events were sent and %d committed", sent, events)
	}
}
