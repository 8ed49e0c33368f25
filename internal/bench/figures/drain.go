package figures

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tabaproject/taba/internal/bench"
	"github.com/tabaproject/taba/internal/wait"
)

// What is posted while the server is away, and at a lower rate while the spool
// is drained: small posts of several clients, as an agent gets them.
const (
	drainClients   = 20
	drainPostTabs  = 20
	drainPerTab    = 5
	drainEvents    = drainPostTabs * drainPerTab
	drainLive      = 500.0 // posts a second during the drain
	drainGoal      = 60.0
	drainPatience  = 10 * time.Minute
	drainFillConns = 64
)

// drain measures how long an agent takes to forward a large spool once its
// server is back, while it takes new events: once with few States, so that
// records merge well, and once with so many that they hardly do.
func drain(ctx context.Context, s *setup) (figures []Figure, err error) {
	for _, d := range []drains{{name: "records merge well", tabs: 500}, {name: "records hardly merge", tabs: 25_000}} {
		for round := range s.Rounds {
			s.round(d.name, round)
			sub := *s
			sub.dir = fmt.Sprintf("%s/%d-%d", s.dir, d.tabs, round)
			if err := measureDrain(ctx, &sub, &d); err != nil {
				return nil, err
			}
			if err := os.RemoveAll(sub.dir); err != nil {
				return nil, err
			}
		}
		figures = append(figures, d.figures()...)
	}
	return figures, nil
}

// drains are the measurements of one content.
type drains struct {
	name string
	tabs int // of each client

	seconds, first, agentCPU, serverCPU, agentRSS, batches []float64

	events, records, mib, sealed, live []float64
}

func measureDrain(ctx context.Context, s *setup, d *drains) error {
	r, err := newDrainRun(ctx, s, d.tabs)
	if err != nil {
		return err
	}
	defer func() {
		r.agent.Kill()
		r.server.Kill()
	}()
	r.server.Kill()
	if err := r.fill(ctx); err != nil {
		return err
	}
	return r.drain(ctx, d)
}

type drainRun struct {
	*setup
	agent, server *bench.Process
	requests      [][]byte
	posted        int64 // posts acknowledged
}

func newDrainRun(ctx context.Context, s *setup, tabs int) (*drainRun, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	r := &drainRun{setup: s, requests: drainRequests(tabs)}
	var err error
	if r.server, err = s.start(ctx, "server", "--data", s.dir+"/data"); err != nil {
		return nil, err
	}
	r.agent, err = s.start(ctx, "agent", "--spool", s.dir+"/spool", "--servers", r.server.URL, "--spool-quota", "64GiB")
	if err != nil {
		r.server.Kill()
		return nil, err
	}
	return r, nil
}

// drainRequests has every client post all its tabs once, one client after the
// other.
func drainRequests(tabs int) [][]byte {
	requests := make([][]byte, drainClients*tabs/drainPostTabs)
	for i := range requests {
		post := make([]int, drainPostTabs)
		for t := range post {
			post[t] = i/drainClients*drainPostTabs + t
		}
		requests[i] = postRequest(mixedBody(clientName(i%drainClients), post, drainPerTab, 0, time.Second))
	}
	return requests
}

func (r *drainRun) sender(connections int, rate float64) *sender {
	return &sender{addr: r.agent.Addr, connections: connections, rate: rate,
		request: func(c, n int) []byte { return r.requests[(n*connections+c)%len(r.requests)] }}
}

// fill posts until the spool is as large as it shall be.
func (r *drainRun) fill(ctx context.Context) error {
	load := r.sender(drainFillConns, 0)
	running, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- load.run(running) }()
	for r.agent.Metric(ctx, "taba_spool_bytes") < float64(r.SpoolMiB<<20) {
		select {
		case err := <-done:
			return errors.Join(err, errors.New("the load ended early"))
		default:
		}
		if err := wait.For(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	stop()
	err := <-done
	r.posted = load.posted.Load()
	return err
}

// drain starts the server again and waits until it has all that the spool
// held: what is older is forwarded before what is newer.
func (r *drainRun) drain(ctx context.Context, d *drains) error {
	held := float64(r.posted * drainEvents)
	d.events = append(d.events, r.agent.Metric(ctx, "taba_agent_backlog_events")/1e6)
	d.records = append(d.records, r.agent.Metric(ctx, "taba_agent_backlog_records"))
	d.mib = append(d.mib, r.agent.Metric(ctx, "taba_spool_bytes")/(1<<20))
	d.sealed = append(d.sealed, r.agent.Metric(ctx, "taba_agent_in_flight_bytes")/(1<<20))
	load := r.sender(4, drainLive)
	running, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- load.run(running) }()

	agentCPU, sealed := r.agent.CPU(), r.agent.Metric(ctx, "taba_agent_batches_sealed_total")
	var err error
	if r.server, err = bench.Launch(r.Binary, r.dir, r.server.Addr, "server", "--data", r.dir+"/data"); err != nil {
		return err
	}
	if err := r.server.Ready(ctx); err != nil {
		return err
	}
	begin := time.Now()
	if err := r.until(ctx, "taba_ingest_parts_total", 1); err != nil {
		return err
	}
	first := time.Since(begin)
	if err := r.until(ctx, "taba_events_appended_total", held); err != nil {
		return err
	}
	took := time.Since(begin)
	d.seconds, d.first = append(d.seconds, took.Seconds()), append(d.first, first.Seconds())
	d.agentCPU = append(d.agentCPU, (r.agent.CPU() - agentCPU).Seconds())
	d.serverCPU = append(d.serverCPU, r.server.CPU().Seconds())
	d.agentRSS = append(d.agentRSS, r.agent.Metric(ctx, "process_resident_memory_peak_bytes")/1e6)
	d.batches = append(d.batches, r.agent.Metric(ctx, "taba_agent_batches_sealed_total")-sealed)
	d.live = append(d.live, float64(load.posted.Load()*drainEvents)/took.Seconds())
	stop()
	if err := <-done; err != nil {
		return err
	}
	r.posted += load.posted.Load()
	return r.complete(ctx)
}

// until waits until a metric of the server has reached a value.
func (r *drainRun) until(ctx context.Context, metric string, value float64) error {
	for end := time.Now().Add(drainPatience); r.server.Metric(ctx, metric) < value; {
		if time.Now().After(end) {
			return fmt.Errorf("%s did not reach %.0f in %v", metric, value, drainPatience)
		}
		if err := wait.For(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// complete checks that the server has counted every event, and none twice. A
// post that was cut off may count or not.
func (r *drainRun) complete(ctx context.Context) error {
	want := float64(r.posted * drainEvents)
	if err := r.until(ctx, "taba_events_appended_total", want); err != nil {
		return err
	}
	for r.agent.Metric(ctx, "taba_agent_backlog_records") > 0 {
		if err := wait.For(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	unknown := float64((drainFillConns + 4) * drainEvents)
	if got := r.server.Metric(ctx, "taba_events_appended_total"); got < want || got > want+unknown {
		return fmt.Errorf("%.0f events were counted, %.0f were acknowledged", got, want)
	}
	return nil
}

func (d *drains) figures() []Figure {
	held := fmt.Sprintf("from the server's being ready; the spool held %s: %s events in %s records, of which sealed %s; posts of %d events of %d clients, %d tabs each; taking %s meanwhile",
		spread(d.mib, "MiB"), spread(d.events, "million"), spread(d.records, ""), spread(d.sealed, "MiB"),
		drainEvents, drainClients, d.tabs, spread(d.live, "events/s"))
	cost := fmt.Sprintf("agent %s, server %s; agent's resident peak %s; %s Batches",
		spread(d.agentCPU, "s"), spread(d.serverCPU, "s"), spread(d.agentRSS, "MB"), spread(d.batches, ""))
	return []Figure{
		atMost(d.name, d.seconds, "s", drainGoal, d.name+": "+held),
		plain(d.name+", until the first part arrives", d.first, "s", d.name+", CPU: "+cost),
	}
}
