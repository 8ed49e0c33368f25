package figures

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/bench"
	"github.com/tabaproject/taba/internal/wait"
)

const (
	bodyEvents = 50_000
	bodyTabs   = 100
)

// idle measures a server and an agent that have nothing to do.
func idle(ctx context.Context, s *setup) ([]Figure, error) {
	server, err := s.start(ctx, "server", "--data", s.dir+"/data")
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	agent, err := s.start(ctx, "agent", "--spool", s.dir+"/spool", "--servers", server.URL)
	if err != nil {
		return nil, err
	}
	defer agent.Stop()
	if err := agent.Post(ctx, v1Body(bodyEvents, bodyTabs, "idle")); err != nil {
		return nil, err
	}
	if err := wait.For(ctx, 5*time.Second); err != nil {
		return nil, err
	}
	const span = 20 * time.Second
	remark := span.String() + " after a post of 50,000 events to the agent"
	cpu := map[*bench.Process]time.Duration{server: server.CPU(), agent: agent.CPU()}
	s.say("waiting " + span.String())
	if err := wait.For(ctx, span); err != nil {
		return nil, err
	}
	var figures []Figure
	for _, p := range []struct {
		name string
		*bench.Process
	}{{"server", server}, {"agent", agent}} {
		share := 100 * float64(p.CPU()-cpu[p.Process]) / float64(span)
		figures = append(figures,
			atMost(p.name, []float64{share}, "% of a core", 0.5, remark),
			atMost(p.name+", resident", []float64{p.RSS()}, "MB", 40, ""))
	}
	return figures, nil
}

// burst sends 1 GiB of bodies and watches memory come back.
func burst(ctx context.Context, s *setup) ([]Figure, error) {
	server, err := s.start(ctx, "server", "--data", s.dir+"/data")
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	body := v1Body(bodyEvents, bodyTabs, "burst")
	if err := server.Post(ctx, body); err != nil {
		return nil, err
	}
	if err := wait.For(ctx, 5*time.Second); err != nil {
		return nil, err
	}
	before := server.RSS()
	if err := flood(ctx, server, body, 1<<30, 8); err != nil {
		return nil, err
	}
	peak := server.RSS()
	const rest = 30 * time.Second
	if err := wait.For(ctx, rest); err != nil {
		return nil, err
	}
	after := server.RSS()
	return []Figure{
		atMost("more than before, "+rest.String()+" later", []float64{after - before}, "MB", 50,
			fmt.Sprintf("1 GiB of v1 bodies over 8 connections; resident before %.0f MB, at the end of the burst %.0f MB", before, peak)),
	}, nil
}

// flood posts body from several connections until total bytes were sent.
func flood(ctx context.Context, p *bench.Process, body []byte, total, connections int) error {
	errs := make(chan error, connections)
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for range total/connections/len(body) + 1 {
				if err := p.Post(ctx, body); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// v1Body is a body as the original's client sends it: events of the last few
// seconds, spread evenly over tabs, payloads with a fraction.
func v1Body(events, tabs int, client string) []byte {
	var b bytes.Buffer
	now := time.Now().Unix()
	fmt.Fprintf(&b, "1\n\n%s\n\n", client)
	perTab := events / tabs
	for t := range tabs {
		fmt.Fprintf(&b, "tab_%04d\n", t)
		for e := range perTab {
			at := now - int64(perTab-e)*5/int64(perTab)
			fmt.Fprintf(&b, "[\"CounterGroup\", %d.%02d, \"%d.%d\"]\n", at, e%100, (e*7919+t)%1000, e%10)
		}
		b.WriteByte('\n')
	}
	b.WriteString("\n")
	return b.Bytes()
}
