package figures

import (
	"context"
	"fmt"
	"time"

	"github.com/tabaproject/taba"
	"github.com/tabaproject/taba/internal/bench"
	"github.com/tabaproject/taba/internal/stream"
	"github.com/tabaproject/taba/internal/wait"
	"github.com/tabaproject/taba/internal/wire"
)

const (
	visibleRate = 1e6
	visibleTab  = "bench.probe"
)

// visible measures how long an event takes from being recorded to being in
// the answer to a query, while many others are on the way.
func visible(ctx context.Context, s *setup) (figures []Figure, err error) {
	for _, way := range []struct {
		name string
		goal float64 // ms
		run  func(context.Context, *setup) ([]float64, error)
	}{
		{"client, agent, server", 100, throughAll},
		{"a v2 stream to the server", 10, throughStream},
	} {
		var p50, p99 []float64
		for i := range s.Rounds {
			s.round(way.name, i)
			times, err := way.run(ctx, s)
			if err != nil {
				return nil, err
			}
			p50, p99 = append(p50, quantile(times, 0.5)), append(p99, quantile(times, 0.99))
		}
		figures = append(figures,
			atMost(way.name+", 99th percentile", p99, "ms", way.goal, ""),
			plain(way.name+", median", p50, "ms", ""))
	}
	figures[0].Remark = fmt.Sprintf("one event after the other is recorded and asked for until an answer counts it, %v a round; client: with its default settings, recording the others too", s.For)
	return figures, nil
}

// throughAll records everything in one client, of an agent, of a server.
func throughAll(ctx context.Context, s *setup) (times []float64, err error) {
	server, agent, done, err := s.pair(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	c := taba.New(taba.Config{URL: agent.URL, Client: "bench"})
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		paced(running, c, 1000, visibleRate)
	}()
	probe := c.Counter(visibleTab)
	times, err = probeFor(ctx, s.For, server, func() error {
		probe.Add(1)
		return nil
	})
	stop()
	<-ended
	if n := c.Stats().DroppedTotal(); n > 0 && err == nil {
		err = fmt.Errorf("the client dropped %d events", n)
	}
	return times, err
}

// pair starts an agent and its server, in a directory of their own.
func (s *setup) pair(ctx context.Context) (server, agent *bench.Process, done func(), err error) {
	own, remove, err := s.scratch()
	if err != nil {
		return nil, nil, nil, err
	}
	if server, err = own.start(ctx, "server", "--data", own.dir+"/data"); err != nil {
		remove()
		return nil, nil, nil, err
	}
	if agent, err = own.start(ctx, "agent", "--spool", own.dir+"/spool", "--servers", server.URL); err != nil {
		server.Stop()
		remove()
		return nil, nil, nil, err
	}
	return server, agent, func() {
		agent.Stop()
		server.Stop()
		remove()
	}, nil
}

// throughStream sends the event on a stream of its own.
func throughStream(ctx context.Context, s *setup) (times []float64, err error) {
	probing := func(ctx context.Context, server *bench.Process) error {
		times, err = streamProbe(ctx, s.For, server)
		return err
	}
	_, err = s.run(ctx, bench.Load{Protocol: bench.V2, Tabs: 1000, Clients: 10, Bundle: 100, Rate: visibleRate}, bench.Options{Beside: probing})
	return times, err
}

func streamProbe(ctx context.Context, d time.Duration, server *bench.Process) ([]float64, error) {
	c, err := stream.Dial(ctx, server.URL, stream.Options{})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	go func() {
		var r wire.StreamReply
		for c.Receive(&r) == nil {
		}
	}()
	var e wire.BatchEncoder
	return probeFor(ctx, d, server, func() error {
		now := time.Now().Unix()
		e.Begin(now)
		e.Values(e.Series(visibleTab, "CounterGroup", "probe"), now, []float64{1})
		_, err := c.Send(e.Bytes())
		return err
	})
}

// probeFor records one event after the other and returns how many ms each took
// until an answer counted it. What ctx cuts off is no error.
func probeFor(ctx context.Context, d time.Duration, server *bench.Process, record func() error) (times []float64, err error) {
	const between = 5 * time.Millisecond // so that probes are no load
	for n, end := 1, time.Now().Add(d); time.Now().Before(end); n++ {
		start := time.Now()
		if err := record(); err != nil {
			return nil, err
		}
		if err := counted(ctx, server, n); err != nil {
			if ctx.Err() != nil {
				break
			}
			return nil, err
		}
		times = append(times, float64(time.Since(start).Microseconds())/1e3)
		if wait.For(ctx, between) != nil {
			break
		}
	}
	if len(times) == 0 {
		return nil, fmt.Errorf("no event became visible in %v", d)
	}
	return times, nil
}

// counted asks until so many probes are counted.
func counted(ctx context.Context, server *bench.Process, want int) error {
	const patience = 30 * time.Second
	for end := time.Now().Add(patience); ; {
		answer, err := server.Get(ctx, "/tabs?name="+visibleTab)
		if err != nil {
			return err
		}
		if n, err := countOf(answer); err == nil && n >= want {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("event %d was not visible within %v", want, patience)
		}
		const again = 200 * time.Microsecond
		if err := wait.For(ctx, again); err != nil {
			return err
		}
	}
}
