package figures

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tabaproject/taba/internal/bench"
)

const (
	priceEvents      = 100 // of a post
	priceTabs        = 10  // of a post
	priceConnections = 256
	priceSpan        = 8 * time.Second
	priceGoal        = 1.3
	memoryDir        = "/dev/shm" // a file system in memory: syncing costs nothing there
)

// price measures what it costs that an answer means "on disk".
func price(ctx context.Context, s *setup) ([]Figure, error) {
	agent, err := compare(ctx, s, "never", "always", priceOfAgent)
	if err != nil {
		return nil, err
	}
	figures := agent.figures("agent, sync always against never", "")
	volatile, err := os.MkdirTemp(memoryDir, "taba-bench-")
	if err != nil {
		return figures, nil // no such file system here
	}
	defer os.RemoveAll(volatile)
	server, err := compare(ctx, s, volatile, s.dir, priceOfServer)
	if err != nil {
		return nil, err
	}
	return append(figures, server.figures("server, store on disk against "+memoryDir, "a server always syncs; ")...), nil
}

// cost is what one trial came to, per event where that makes sense.
type cost struct {
	cpu, sender, rate, latency float64 // ns, ns, events/s, ms
	syncs                      float64 // a second
}

type comparison struct{ without, with []cost }

// compare measures two ways in turn, so that a machine that drifts drifts for
// both.
func compare(ctx context.Context, s *setup, without, with string, trial func(context.Context, *setup, string) (cost, error)) (c comparison, err error) {
	for round := range s.Rounds {
		s.round(with+" and "+without, round)
		a, err := trial(ctx, s, without)
		if err != nil {
			return c, err
		}
		b, err := trial(ctx, s, with)
		if err != nil {
			return c, err
		}
		c.without, c.with = append(c.without, a), append(c.with, b)
	}
	return c, nil
}

func priceOfAgent(ctx context.Context, s *setup, policy string) (c cost, err error) {
	dir, err := os.MkdirTemp(s.dir, policy)
	if err != nil {
		return c, err
	}
	defer os.RemoveAll(dir)
	server, err := s.start(ctx, "server", "--data", filepath.Join(dir, "data"))
	if err != nil {
		return c, err
	}
	defer server.Stop()
	agent, err := s.start(ctx, "agent", "--spool", filepath.Join(dir, "spool"), "--servers", server.URL, "--sync", policy)
	if err != nil {
		return c, err
	}
	defer agent.Stop()
	return offer(ctx, s, agent, "taba_spool_syncs_total")
}

func priceOfServer(ctx context.Context, s *setup, where string) (c cost, err error) {
	dir, err := os.MkdirTemp(where, "server")
	if err != nil {
		return c, err
	}
	defer os.RemoveAll(dir)
	server, err := s.start(ctx, "server", "--data", dir)
	if err != nil {
		return c, err
	}
	defer server.Stop()
	return offer(ctx, s, server, "taba_commits_total")
}

// offer posts at the rate asked for and returns what it cost the process.
func offer(ctx context.Context, s *setup, p *bench.Process, syncs string) (c cost, err error) {
	requests := make([][]byte, priceConnections*4)
	for i := range requests {
		tabs := make([]int, priceTabs)
		for t := range tabs {
			tabs[t] = (i*priceTabs + t) * 10 % 1000 // CounterGroups
		}
		requests[i] = postRequest(mixedBody(clientName(i%priceConnections), tabs, priceEvents/priceTabs, 0, time.Second))
	}
	trial := func(d time.Duration) (*sender, error) {
		load := &sender{addr: p.Addr, connections: priceConnections, rate: s.Rate / priceEvents,
			request: func(conn, n int) []byte { return requests[conn*4+n%4] }}
		running, stop := context.WithTimeout(ctx, d)
		defer stop()
		return load, load.run(running)
	}
	if _, err := trial(time.Second); err != nil { // warm-up
		return c, err
	}
	cpu, own, synced, begin := p.CPU(), bench.OwnCPU(), p.Metric(ctx, syncs), time.Now()
	load, err := trial(priceSpan)
	if err != nil {
		return c, err
	}
	took := time.Since(begin)
	events := float64(load.posted.Load() * priceEvents)
	return cost{
		cpu: float64(p.CPU()-cpu) / events, sender: float64(bench.OwnCPU()-own) / events,
		rate: events / took.Seconds(), latency: load.latency.Seconds() * 1e3 / float64(load.answered),
		syncs: (p.Metric(ctx, syncs) - synced) / took.Seconds(),
	}, ctx.Err()
}

func (c *comparison) figures(name, remark string) []Figure {
	pick := func(of []cost, f func(cost) float64) (v []float64) {
		for _, c := range of {
			v = append(v, f(c))
		}
		return v
	}
	cpu := func(c cost) float64 { return c.cpu }
	var ratio []float64
	for i := range c.with {
		ratio = append(ratio, c.with[i].cpu/c.without[i].cpu)
	}
	describe := func(of []cost) string {
		return fmt.Sprintf("%s taken, answered in %s, %s commits; sender %s",
			spread(pick(of, func(c cost) float64 { return c.rate }), "events/s"),
			spread(pick(of, func(c cost) float64 { return c.latency }), "ms"),
			spread(pick(of, func(c cost) float64 { return c.syncs }), "/s"),
			spread(pick(of, func(c cost) float64 { return c.sender }), "ns/event"))
	}
	return []Figure{
		atMost(name, ratio, "× CPU", priceGoal,
			fmt.Sprintf("%s: %sposts of %d events over %d tabs, %d connections, %v each in turn, pairs compared", name, remark, priceEvents, priceTabs, priceConnections, priceSpan)),
		plain(name+", with it", pick(c.with, cpu), "CPU ns/event", name+", with it: "+describe(c.with)),
		plain(name+", without it", pick(c.without, cpu), "CPU ns/event", name+", without it: "+describe(c.without)),
	}
}
