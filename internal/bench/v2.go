package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/stream"
	"github.com/tabaproject/taba/internal/wire"
)

const (
	v2Connections = 2
	v2FrameBytes  = 250 << 10
	v2Window      = 64 << 20 // bytes not acknowledged, of all connections
)

// v2 offers frames on streams. They are made beforehand, and stamped with the
// second in which they are sent.
type v2 struct {
	load  Load
	to    *target
	conns []v2Frames
}

// v2Frames are the frames of one connection, which has series of its own.
type v2Frames struct {
	declare [][]byte
	frames  []v2Frame
}

type v2Frame struct {
	body   []byte
	events int
}

func newV2(l Load, to *target) *v2 {
	if l.Connections == 0 {
		l.Connections = v2Connections
	}
	l.Connections = min(l.Connections, l.series())
	g := &v2{load: l, to: to}
	for i := range l.Connections {
		g.conns = append(g.conns, makeFrames(l, i))
	}
	return g
}

// makeFrames makes the frames of connection i: bundles of its series, in
// random order, of log-normal values in cents, as prices are.
func makeFrames(l Load, i int) v2Frames {
	var f v2Frames
	var e wire.BatchEncoder
	rng := rand.New(rand.NewPCG(uint64(i), 2))
	second := time.Now().Unix()
	var ids []uint32
	e.Begin(second)
	for s := i; s < l.series(); s += l.Connections {
		ids = append(ids, e.Series(tabName(s%l.Tabs), "CounterGroup", clientName(s/l.Tabs)))
		if e.Len() > v2FrameBytes {
			f.declare = append(f.declare, slices.Clone(e.Bytes()))
			e.Begin(second)
		}
	}
	f.declare = append(f.declare, slices.Clone(e.Bytes()))
	rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	const bytesOf = 8 // a value
	unit := l.unit(max(v2FrameBytes/bytesOf, l.Bundle))
	const atLeast = 1 << 20 // events, so that values do not recur soon
	bundles := max(len(ids), atLeast/l.Bundle/l.Connections)
	values, in := make([]float64, l.Bundle), 0
	e.Begin(second)
	for b := range bundles {
		for j := range values {
			values[j] = math.Round(100*math.Exp(rng.NormFloat64())) / 100
		}
		e.Values(ids[b%len(ids)], second, values)
		if in += l.Bundle; in >= unit || e.Len() > v2FrameBytes || b == bundles-1 {
			f.frames = append(f.frames, v2Frame{slices.Clone(e.Bytes()), in})
			e.Begin(second)
			in = 0
		}
	}
	return f
}

func tabName(t int) string    { return fmt.Sprintf("bench.tab.%05d", t) }
func clientName(c int) string { return fmt.Sprintf("web-%05d", c) }

// stamp makes a frame one of this second: the second is its first field.
func stamp(frame []byte, second int64) {
	var b [binary.MaxVarintLen64]byte
	copy(frame[1:], b[:binary.PutVarint(b[:], second)])
}

func (g *v2) run(ctx context.Context, t *tally) error {
	return each(ctx, len(g.conns), func(ctx context.Context, i int) error { return g.connection(ctx, i, t) })
}

func (g *v2) connection(ctx context.Context, i int, t *tally) error {
	c, err := stream.Dial(ctx, g.to.doorOf(i).URL, stream.Options{Token: g.to.token})
	if err != nil {
		return err
	}
	defer c.Close()
	f := newFlight(v2Window / len(g.conns))
	done := make(chan error, 1)
	go func() {
		err := receive(c, f, t)
		f.end()
		done <- err
	}()
	err = g.send(ctx, c, i, f, t)
	if err == nil {
		err = c.CloseSend()
	}
	const patience = time.Minute
	_ = c.Raw().SetReadDeadline(time.Now().Add(patience))
	return errors.Join(err, <-done)
}

func (g *v2) send(ctx context.Context, c *stream.Conn, i int, f *flight, t *tally) error {
	my := &g.conns[i]
	for _, d := range my.declare {
		if !f.depart(departure{at: time.Now(), bytes: len(d)}) {
			return nil
		}
		if _, err := c.Send(d); err != nil {
			return err
		}
	}
	pace := newPacer(g.load.every(my.frames[0].events), i, len(g.conns))
	for n := 0; ; n++ {
		due, ok := pace.wait(ctx)
		if !ok {
			return nil
		}
		frame := &my.frames[n%len(my.frames)]
		if !f.depart(departure{due, len(frame.body), frame.events}) {
			return nil // the receiver has the reason
		}
		stamp(frame.body, time.Now().Unix())
		if _, err := c.Send(frame.body); err != nil {
			return err
		}
		t.sent.Add(uint64(frame.events))
		t.bytes.Add(uint64(len(frame.body)))
	}
}

// receive notes acknowledgements until the stream ends.
func receive(c *stream.Conn, f *flight, t *tally) error {
	var r wire.StreamReply
	for last := uint64(0); ; {
		switch err := c.Receive(&r); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case r.Status != 0:
			return fmt.Errorf("the stream was ended with status %d: %s", r.Status, r.Error)
		case len(r.Frames) > 0:
			return fmt.Errorf("a frame was refused with status %d: %s", r.Frames[0].Status, r.Frames[0].Error)
		}
		for _, why := range r.Refused {
			t.refused.Add(why.Events)
		}
		now := time.Now()
		for ; last < r.Acknowledged; last++ {
			if d := f.arrive(); d.events > 0 {
				t.ack.note(now.Sub(d.at))
			}
		}
		t.acked.Add(r.Events)
	}
}

// departure is a frame that is not acknowledged.
type departure struct {
	at     time.Time
	bytes  int
	events int
}

// flight is the frames of a stream that are not acknowledged, a bounded number
// of bytes.
type flight struct {
	mu    sync.Mutex
	room  sync.Cond
	queue []departure
	bytes int
	most  int
	ended bool
}

func newFlight(most int) *flight {
	f := &flight{most: most}
	f.room.L = &f.mu
	return f
}

// depart waits for room. It reports false if the stream has ended.
func (f *flight) depart(d departure) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.bytes > 0 && f.bytes+d.bytes > f.most && !f.ended {
		f.room.Wait()
	}
	f.queue = append(f.queue, d)
	f.bytes += d.bytes
	return !f.ended
}

// arrive takes the oldest frame off.
func (f *flight) arrive() departure {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		return departure{}
	}
	d := f.queue[0]
	f.queue = f.queue[1:]
	f.bytes -= d.bytes
	f.room.Signal()
	return d
}

// end wakes whoever waits for room, for good.
func (f *flight) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.room.Signal()
}
