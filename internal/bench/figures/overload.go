package figures

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tabaproject/taba/internal/bench"
)

const (
	overloadEvents      = 10_000 // of a post
	overloadTabs        = 100    // of a post
	overloadConnections = 512
	capacityConnections = 64
	overloadBudget      = 64 << 20
)

// overload offers twice what a server can take, on many connections, and looks
// at what it still takes, at its memory, and at how soon it is itself again.
func overload(ctx context.Context, s *setup) ([]Figure, error) {
	server, err := s.start(ctx, "server", "--data", s.dir+"/data", "--limits-in-flight-bytes", fmt.Sprint(overloadBudget))
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	o := &overloaded{setup: s, server: server, requests: overloadRequests()}
	s.say("finding the capacity")
	capacity, err := o.offer(ctx, capacityConnections, 0, max(s.For, 5*time.Second))
	if err != nil {
		return nil, err
	}
	quiet, err := o.probe(ctx)
	if err != nil {
		return nil, err
	}
	span := max(s.For*3, 10*time.Second)
	s.say(fmt.Sprintf("%.0f posts/s for %v", 2*capacity, span))
	before := server.RSS()
	running, stop := context.WithCancel(ctx)
	watched := make(chan float64, 1)
	go func() { watched <- peakRSS(running, server) }()
	goodput, err := o.offer(ctx, overloadConnections, 2*capacity, span)
	stop()
	peak := <-watched
	if err != nil {
		return nil, err
	}
	recovered, err := o.recover(ctx, quiet)
	if err != nil {
		return nil, err
	}
	lost, err := o.lost(ctx)
	if err != nil {
		return nil, err
	}
	remark := fmt.Sprintf("v1 posts of %d events over %d tabs; capacity %s events/s with %d connections, then twice that offered on %d for %v, refused posts dropped by their senders (%d were); in-flight budget %d MiB, resident before %.0f MB",
		overloadEvents, overloadTabs, bench.Number(capacity*overloadEvents).Whole(), capacityConnections, overloadConnections, span, o.refused, overloadBudget>>20, before)
	return []Figure{
		atLeast("goodput", []float64{100 * goodput / capacity}, "% of capacity", 80, remark),
		atMost("resident, more than before", []float64{max(peak-before, 0)}, "MB", overloadBudget/1e6, ""),
		atMost("acknowledged and not counted", []float64{lost}, "events", 0, ""),
		atMost("until posts are answered as before", []float64{recovered.Seconds()}, "s", 10, ""),
	}, nil
}

// overloadRequests are posts of several clients.
func overloadRequests() [][]byte {
	const clients = 64
	tabs := make([]int, overloadTabs)
	for t := range tabs {
		tabs[t] = t * 10 // CounterGroups
	}
	requests := make([][]byte, clients)
	for c := range requests {
		requests[c] = postRequest(mixedBody(clientName(c), tabs, overloadEvents/overloadTabs, 0, time.Second))
	}
	return requests
}

type overloaded struct {
	*setup
	server   *bench.Process
	requests [][]byte
	posted   int64 // acknowledged
	refused  int64
}

// offer offers posts at a rate and returns how many a second were taken.
func (o *overloaded) offer(ctx context.Context, connections int, rate float64, d time.Duration) (float64, error) {
	load := &sender{addr: o.server.Addr, connections: connections, rate: rate, tolerant: true,
		request: func(c, n int) []byte { return o.requests[(c+n*connections)%len(o.requests)] }}
	running, stop := context.WithTimeout(ctx, d)
	defer stop()
	start := time.Now()
	err := load.run(running)
	o.posted += load.posted.Load()
	o.refused += load.refused.Load()
	return float64(load.posted.Load()) / time.Since(start).Seconds(), errors.Join(err, ctx.Err())
}

// probe is how long a post takes: the median of several.
func (o *overloaded) probe(ctx context.Context) (time.Duration, error) {
	var times []float64
	for range 20 {
		start := time.Now()
		if err := o.server.Post(ctx, tabBody("bench.probe", "probe")); err != nil {
			return 0, err
		}
		times = append(times, time.Since(start).Seconds())
	}
	return time.Duration(median(times) * 1e9), nil
}

// recover waits until posts take no more than twice as long as before.
func (o *overloaded) recover(ctx context.Context, quiet time.Duration) (time.Duration, error) {
	const patience = time.Minute
	for start := time.Now(); ; {
		d, err := o.probe(ctx)
		if ctx.Err() != nil {
			return 0, err
		}
		if took := time.Since(start); err == nil && d <= 2*quiet || took > patience {
			return took, nil
		}
	}
}

// lost is how many acknowledged events the server has not counted. It may have
// counted more: posts that were not answered in time.
func (o *overloaded) lost(ctx context.Context) (float64, error) {
	c, err := o.server.Counters(ctx)
	return max(float64(o.posted*overloadEvents)-c["taba_events_appended_total"], 0), err
}
