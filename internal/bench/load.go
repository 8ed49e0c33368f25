package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tabaproject/taba/internal/wait"
)

// The protocols that load is offered in.
const (
	V1     = "v1"
	V2     = "v2"
	Statsd = "statsd"
)

// Load says what is offered.
type Load struct {
	Protocol    string  `json:"protocol"`
	Transport   string  `json:"transport"` // of statsd: udp, tcp or unix
	Tabs        int     `json:"tabs"`
	Clients     int     `json:"clients"`     // of each tab; statsd has one
	Bundle      int     `json:"bundle"`      // events of a tab and client that are sent together
	Connections int     `json:"connections"` // 0: a number that suits the protocol
	Rate        float64 `json:"rate"`        // events a second; 0: as many as are taken
	Unit        int     `json:"unit"`        // events in a frame or body at most; 0: what suits the rate
}

// Limits of what is made beforehand and kept in memory.
const (
	maxSeries = 2_000_000
	maxBundle = 10_000
	maxMade   = 32 << 20 // events
)

// Check says which number cannot be offered.
func (l *Load) Check() error {
	switch {
	case l.Tabs < 1 || l.Tabs > maxSeries:
		return fmt.Errorf("--tabs must be from 1 to %d", maxSeries)
	case l.Clients < 1 || l.Clients > maxSeries/l.Tabs:
		return fmt.Errorf("--clients must be from 1 to %d with %d tabs", maxSeries/l.Tabs, l.Tabs)
	case l.Bundle < 1 || l.Bundle > maxBundle:
		return fmt.Errorf("--bundle must be from 1 to %d", maxBundle)
	case l.Protocol != Statsd && l.series()*l.Bundle > maxMade:
		return fmt.Errorf("--tabs x --clients x --bundle are %d events; at most %d are made beforehand", l.series()*l.Bundle, maxMade)
	case l.Connections < 0 || l.Connections > 10_000:
		return errors.New("--connections must be from 1 to 10000")
	case l.Rate < 0 || math.IsNaN(l.Rate) || math.IsInf(l.Rate, 0):
		return errors.New("--rate must be a number of events a second, or max")
	}
	return nil
}

func (l *Load) series() int { return l.Tabs * l.Clients }

// unit is how many events a frame or a body holds: what most makes of it at
// full speed, less at a low rate, so that what happened is sent soon.
func (l *Load) unit(most int) int {
	const perSecond = 100 // of each connection
	n := most
	switch {
	case l.Unit > 0:
		n = min(l.Unit, most)
	case l.Rate > 0:
		n = min(most, int(l.Rate/perSecond)/l.Connections)
	}
	return max(n/l.Bundle, 1) * l.Bundle
}

// every is how long a connection takes for units of so many events.
func (l *Load) every(unit int) time.Duration {
	if l.Rate <= 0 {
		return 0
	}
	return time.Duration(float64(unit) * float64(l.Connections) / l.Rate * float64(time.Second))
}

// generator makes load for one target.
type generator interface {
	// run offers load until ctx ends and returns when the outcome of all of it
	// is known, as far as the protocol tells.
	run(ctx context.Context, t *tally) error
}

// newGenerator makes what is sent.
func newGenerator(l Load, to *target) (generator, error) {
	switch l.Protocol {
	case V1:
		return newV1(l, to), nil
	case V2:
		return newV2(l, to), nil
	case Statsd:
		return newStatsd(l, to)
	}
	return nil, fmt.Errorf("there is no protocol %q; there are v1, v2 and statsd", l.Protocol)
}

// tally is what a generator has done so far.
type tally struct {
	sent    atomic.Uint64 // events
	bytes   atomic.Uint64
	acked   atomic.Uint64 // events
	refused atomic.Uint64 // events
	ack     *latencies    // from when something was due, or sent, to its acknowledgement
}

func newTally() *tally { return &tally{ack: newLatencies()} }

// each runs f for every connection until one fails or all have ended.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if errs[i] = f(ctx, i); errs[i] != nil {
				stop()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// pacer says when the next unit is due.
type pacer struct {
	every time.Duration // 0: at once
	next  time.Time
}

// newPacer returns the pacer of connection i of n; they take turns.
func newPacer(every time.Duration, i, n int) *pacer {
	return &pacer{every: every, next: time.Now().Add(every * time.Duration(i) / time.Duration(n))}
}

// wait waits for the next unit and returns when it was due, so that the delay
// of one is not hidden by its sender's having waited for the one before. Of a
// sender that nothing has held up it is when it woke: Go's timers are late, half
// a millisecond where nothing else is to do, and that is no delay of whoever is
// measured. It reports false if ctx has ended.
func (p *pacer) wait(ctx context.Context) (due time.Time, ok bool) {
	if p.every == 0 {
		return time.Now(), ctx.Err() == nil
	}
	due = p.next
	p.next = due.Add(p.every)
	if d := time.Until(due); d > 0 {
		ok = wait.For(ctx, d) == nil
		return time.Now(), ok
	}
	return due, ctx.Err() == nil
}
