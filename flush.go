package taba

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// flusher sends what a client buffers: one request in flight, while the rest
// accrues. It is one goroutine, which owns everything here.
type flusher struct {
	c    *Client
	tick *time.Ticker // nil while idle
	ripe *time.Timer  // between ticks, when what is pending has waited for long enough
	sent chan outcome // of the request in flight

	encoder
	body  *body     // not acknowledged yet; nil if there is none
	busy  bool      // body is in flight
	due   bool      // send without waiting for FlushEvery
	since time.Time // when something was found to be pending, zero if nothing is
	quiet time.Time // when nothing was, zero if something is
	began time.Time // when the last request was sent
	ended time.Time // when it was answered

	tries   int       // of body that failed
	retryAt time.Time // of body
	v1Until time.Time // who answers knows no v2

	ctx     context.Context // of requests
	cancel  context.CancelFunc
	waiters []*waiter
	waitErr error // what the waiters will be told

	closing  <-chan struct{} // nil once seen
	gaveUp   <-chan struct{} // not nil once closing
	closeCtx context.Context // not nil once closing
	endClose context.CancelFunc
	last     uint64 // dropped events when closing began: later ones are not reported
	mute     bool   // a report of drops alone was rejected
	told     [len(dropReasons)]uint64
	over     bool
}

const (
	// restAfter is how long nothing is recorded before the clock rests. To go
	// to rest costs everybody tens of µs, see numbers.barrier.
	restAfter  = 10 * time.Second
	minTick    = time.Millisecond
	maxTick    = 50 * time.Millisecond // the grain of the clock
	minBackoff = 100 * time.Millisecond
	maxBackoff = 30 * time.Second
	// v1Time is how long v1 is spoken to who does not know v2, before it is
	// tried again.
	v1Time = 10 * time.Minute
)

func newFlusher(c *Client) *flusher {
	f := &flusher{c: c, sent: make(chan outcome, 1), closing: c.closing, last: ^uint64(0), endClose: func() {}}
	f.ripe = time.NewTimer(maxTick)
	f.ripe.Stop()
	f.encoder = newEncoder(min(max(c.cfg.BufferBytes/8, 8<<10), 2<<20))
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

func (f *flusher) run() {
	for !f.over {
		f.await()
		f.step()
	}
	f.ripe.Stop()
	f.tell()
	f.cancel()
	f.endClose()
	if f.c.own {
		f.c.http.CloseIdleConnections()
	}
	close(f.c.done)
}

// await waits until there may be something to do.
func (f *flusher) await() {
	var tick <-chan time.Time
	if f.tick != nil {
		tick = f.tick.C
	}
	select {
	case <-tick:
	case <-f.ripe.C:
	case <-f.c.wake:
	case <-f.c.half:
		f.due = true
	case w := <-f.c.flushes:
		f.waiters = append(f.waiters, w)
		f.mark(f.c)
		f.due = true
	case o := <-f.sent:
		f.settle(o)
	case <-f.closing:
		f.shut()
	case <-f.gaveUp:
		f.giveUp()
	}
}

// step moves the clock and does what is due.
func (f *flusher) step() {
	now := time.Now()
	f.start(now)
	f.tell()
	switch {
	case f.busy || f.over:
	case f.body != nil:
		if !now.Before(f.retryAt) {
			f.send()
		}
	case f.pending():
		f.quiet = time.Time{}
		if f.since.IsZero() {
			f.since = now
		}
		if left := f.wait(now); left > 0 && !f.due && f.gaveUp == nil {
			f.ripe.Reset(left)
		} else {
			f.next(now)
		}
	case f.gaveUp != nil:
		f.release()
		f.over = true
	default:
		f.release()
		f.idle(now)
	}
}

// Where nobody says how often to flush, the agent does: a client may take it so
// much of its time, and events wait so long at most.
const (
	restPerRequest = 4 // requests take a fifth of the time
	mostRest       = time.Second
)

// wait is how long what is pending has to wait before it is sent. No two requests
// begin within a tick.
func (f *flusher) wait(now time.Time) time.Duration {
	if every := f.c.cfg.FlushEvery; every > 0 {
		return every - now.Sub(f.since)
	}
	rest := min(restPerRequest*f.ended.Sub(f.began), mostRest)
	return max(rest-now.Sub(f.ended), maxTick-now.Sub(f.began))
}

// start sets the clock going.
func (f *flusher) start(now time.Time) {
	if f.tick == nil {
		grain := maxTick
		if every := f.c.cfg.FlushEvery; every > 0 {
			grain = min(max(every/8, minTick), maxTick)
		}
		f.tick = time.NewTicker(grain)
	}
	if f.gaveUp == nil {
		f.c.clock.Store(now.UnixMilli())
	}
}

// idle is when there is nothing to do.
func (f *flusher) idle(now time.Time) {
	f.since, f.due = time.Time{}, false
	if f.quiet.IsZero() {
		f.quiet = now
	}
	if now.Sub(f.quiet) >= restAfter {
		f.rest()
	}
}

// rest stops the clock until something is recorded.
func (f *flusher) rest() {
	f.tick.Stop()
	f.tick = nil
	f.c.clock.Store(clockIdle)
	// Whoever read the clock before that has recorded by the time this
	// returns; whoever reads it later wakes us.
	f.c.numbers.barrier()
	f.c.values.barrier()
	if f.pending() || f.untold() {
		f.c.tellTime()
	}
}

// pending reports whether there is anything to send.
func (f *flusher) pending() bool {
	return len(f.records)+len(f.items) > 0 || f.c.numbers.waiting() || f.c.values.waiting() ||
		f.unreported() > 0 && !f.mute
}

// unreported is the number of dropped events that the tab of dropped events
// does not have yet.
func (f *flusher) unreported() uint64 {
	return min(f.c.counters.totalDropped(), f.last) - f.reported
}

// next sends the next body.
func (f *flusher) next(now time.Time) {
	if f.empty(f.c) {
		f.mark(f.c)
	}
	b := f.build(f.c, !now.Before(f.v1Until), now, f.unreported())
	if b.events+b.drops == 0 {
		return // somebody is just about to record
	}
	f.body = b
	f.due, f.since = false, time.Time{}
	f.tries = 0
	f.send()
}

func (f *flusher) send() {
	f.busy, f.began = true, time.Now()
	f.c.inFlight.Store(int64(cap(f.body.bytes)))
	go func(b *body) { f.sent <- f.c.post(f.ctx, b) }(f.body)
}

// settle takes the outcome of the request in flight.
func (f *flusher) settle(o outcome) {
	f.busy, f.ended = false, time.Now()
	k, b := &f.c.counters, f.body
	switch {
	case o.err == nil:
		refused := min(o.refused, b.events)
		k.requests.Add(1)
		k.refused.Add(refused)
		k.sent.Add(b.events - refused)
		f.reported += b.drops
		f.mute = false
		if refused > 0 {
			f.fail(fmt.Errorf("taba: %d of %d events were refused: %s", refused, b.events, o.detail))
		}
	case o.old && b.v2:
		f.v1Until = time.Now().Add(v1Time)
		f.endBody()
		f.renew()    // the request may still read its memory
		f.due = true // all of it, in v1
		return
	case o.again:
		k.failures.Add(1)
		k.file(o.err)
		f.tries++
		f.retryAt = time.Now().Add(max(f.backoff(), o.after))
		return
	default:
		k.failures.Add(1)
		f.fail(o.err)
		f.lose(DropRejected, b.events)
		f.mute = b.events == 0
		f.renew() // the request may still read its memory
	}
	f.forget(f.c, b)
	f.endBody()
	if f.empty(f.c) {
		f.release()
	} else {
		f.due = true
	}
}

// endBody lets the next body be made.
func (f *flusher) endBody() {
	f.body = nil
	f.c.inFlight.Store(0)
}

// fail files an error that those who wait for a Flush are told as well.
func (f *flusher) fail(err error) {
	f.c.counters.file(err)
	f.waitErr = errors.Join(f.waitErr, err)
}

// lose drops n events that had been recorded.
func (f *flusher) lose(why DropReason, n uint64) {
	f.c.counters.lost.Add(n)
	f.c.counters.dropped[why.index()].Add(n)
}

// backoff is how long to wait after tries failures: doubling, with jitter, so
// that a fleet does not come back all at once.
func (f *flusher) backoff() time.Duration {
	d := min(minBackoff<<min(f.tries-1, 20), maxBackoff)
	if f.gaveUp != nil {
		d = min(d, time.Second)
	}
	return d/2 + rand.N(d/2)
}

// release answers those who wait for a Flush.
func (f *flusher) release() {
	for _, w := range f.waiters {
		w.err = f.waitErr
		close(w.done)
	}
	f.waiters, f.waitErr = nil, nil
}

// shut begins to close: nothing is recorded any more, and what was is sent at
// once.
func (f *flusher) shut() {
	ctx := f.c.closeCtx
	if _, ok := ctx.Deadline(); !ok {
		ctx, f.endClose = context.WithTimeout(ctx, closeTime)
	}
	f.closeCtx, f.gaveUp, f.closing = ctx, ctx.Done(), nil
	f.c.clock.Store(clockClosed)
	f.c.numbers.barrier()
	f.mark(f.c)
	f.last = f.c.counters.totalDropped()
	f.retryAt = time.Time{}
}

// giveUp ends without having sent everything.
func (f *flusher) giveUp() {
	f.cancel()
	f.mark(f.c)
	if left := f.discard(f.c); left > 0 {
		f.lose(DropClosed, left)
		f.c.closeErr = fmt.Errorf("%d events were not sent: %w", left, f.c.cut("close", f.closeCtx))
	}
	f.waitErr = errors.Join(f.waitErr, f.c.closeErr)
	f.release()
	f.over = true
}

// untold reports whether there is anything to tell.
func (f *flusher) untold() bool {
	k := &f.c.counters
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.reports) > 0
}

// tell calls the hooks.
func (f *flusher) tell() {
	for _, err := range f.c.counters.takeReports() {
		if hook := f.c.cfg.OnError; hook != nil {
			guard(func() { hook(err) })
		}
	}
	for i, why := range dropReasons {
		n := f.c.counters.dropped[i].Load()
		if fresh := n - f.told[i]; fresh > 0 {
			f.told[i] = n
			if hook := f.c.cfg.OnDrop; hook != nil {
				guard(func() { hook(fresh, why) })
			}
		}
	}
}

// guard keeps a panic of the application's code from ending the client.
func guard(hook func()) {
	defer func() { _ = recover() }()
	hook()
}
