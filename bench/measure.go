package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	bodyEvents = 50_000
	bodyTabs   = 100
	rounds     = 5
)

// idle measures a server and an agent that have nothing to do.
func idle(ctx context.Context, s *setup) ([]Figure, error) {
	server, err := start(ctx, s, "server", "--data", s.dir+"/data")
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	agent, err := start(ctx, s, "agent", "--spool", s.dir+"/spool", "--servers", server.URL)
	if err != nil {
		return nil, err
	}
	defer agent.Stop()
	if err := agent.Post(v1Body(bodyEvents, bodyTabs, "idle")); err != nil {
		return nil, err
	}
	if err := pause(ctx, 5*time.Second); err != nil {
		return nil, err
	}
	var figures []Figure
	const span = 20 * time.Second
	cpu := map[*Process]time.Duration{server: server.CPU(), agent: agent.CPU()}
	if err := pause(ctx, span); err != nil {
		return nil, err
	}
	for _, p := range []struct {
		name string
		*Process
	}{{"server", server}, {"agent", agent}} {
		share := 100 * float64(p.CPU()-cpu[p.Process]) / float64(span)
		figures = append(figures,
			Figure{"idle " + p.name + ", CPU", fmt.Sprintf("%.2f %% of a core", share), "under 1 %", share < 1, span.String() + " after a post of 50,000 events"},
			Figure{"idle " + p.name + ", memory", fmt.Sprintf("%.0f MB", p.RSS()), "under 50 MB", p.RSS() < 50, "resident"})
	}
	return figures, nil
}

// ingest measures v1 bodies to committed state.
func ingest(ctx context.Context, s *setup) ([]Figure, error) {
	server, err := start(ctx, s, "server", "--data", s.dir+"/data")
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	const posts = 40
	var cpu, allocs []float64
	for round := range rounds + 1 {
		body := v1Body(bodyEvents, bodyTabs, "bench")
		startCPU, startAllocs := server.CPU(), server.Metric("go_memstats_mallocs_total")
		for range posts {
			if err := server.Post(body); err != nil {
				return nil, err
			}
		}
		if round == 0 {
			continue // warm-up
		}
		cpu = append(cpu, float64(server.CPU()-startCPU)/(posts*bodyEvents))
		allocs = append(allocs, (server.Metric("go_memstats_mallocs_total")-startAllocs)/(posts*bodyEvents))
	}
	remark := fmt.Sprintf("%d bodies of 50,000 events over 100 tabs, one connection, pebble, each synced; %d rounds", posts, rounds)
	return []Figure{
		{"v1 body to committed state, server CPU", spread(cpu, "ns/event"), "at most 1000 ns/event", median(cpu) <= 1000, remark},
		{"the same, allocations", spread(allocs, "/event"), "0 per event", median(allocs) < 0.05, "whole process, rounded to one in twenty"},
	}, nil
}

// query measures answers over 1,000 CounterGroup tabs x 20 clients.
func query(ctx context.Context, s *setup) ([]Figure, error) {
	server, err := start(ctx, s, "server", "--data", s.dir+"/data")
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	for c := range 20 {
		if err := server.Post(v1Body(20_000, 1000, "client-"+strconv.Itoa(c))); err != nil {
			return nil, err
		}
	}
	var figures []Figure
	for _, q := range []struct {
		path string
		n    int
		goal time.Duration
	}{
		{"/tabs", 100, 10 * time.Millisecond},
		{"/tabs?name=tab_0500", 500, time.Millisecond},
		{"/projection", 20, 300 * time.Millisecond},
	} {
		times, err := timeGet(server, q.path, q.n)
		if err != nil {
			return nil, err
		}
		goal := float64(q.goal.Microseconds()) / 1e3
		figures = append(figures, Figure{"GET " + q.path, spread(times, "ms"), fmt.Sprintf("at most %v ms", goal), median(times) <= goal,
			fmt.Sprintf("1,000 CounterGroup tabs x 20 clients, wall, %d requests", q.n)})
	}
	return figures, nil
}

func timeGet(p *Process, path string, n int) ([]float64, error) {
	if _, err := p.Get(path); err != nil { // the first materialises
		return nil, err
	}
	var times []float64
	for range n {
		start := time.Now()
		if _, err := p.Get(path); err != nil {
			return nil, err
		}
		times = append(times, float64(time.Since(start).Microseconds())/1e3)
	}
	return times, nil
}

// burst sends 1 GiB of bodies and watches memory come back.
func burst(ctx context.Context, s *setup) ([]Figure, error) {
	server, err := start(ctx, s, "server", "--data", s.dir+"/data")
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	body := v1Body(bodyEvents, bodyTabs, "burst")
	if err := server.Post(body); err != nil {
		return nil, err
	}
	if err := pause(ctx, 5*time.Second); err != nil {
		return nil, err
	}
	before := server.RSS()
	if err := flood(server, body, 1<<30, 8); err != nil {
		return nil, err
	}
	peak := server.RSS()
	const rest = 30 * time.Second
	if err := pause(ctx, rest); err != nil {
		return nil, err
	}
	after := server.RSS()
	return []Figure{{"memory after a burst of 1 GiB", fmt.Sprintf("%+.0f MB after %v", after-before, rest),
		"within 50 MB of idle in 60 s", after <= before+50,
		fmt.Sprintf("8 connections; idle %.0f MB, at the end of the burst %.0f MB", before, peak)}}, nil
}

// flood posts body from several connections until total bytes were sent.
func flood(p *Process, body []byte, total, connections int) error {
	errs := make(chan error, connections)
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for range total/connections/len(body) + 1 {
				if err := p.Post(body); err != nil {
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

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

func spread(v []float64, unit string) string {
	return fmt.Sprintf("%.3g (%.3g-%.3g) %s", median(v), slices.Min(v), slices.Max(v), unit)
}
