package figures

import (
	"context"
	"fmt"
	"time"

	"github.com/tabaproject/taba/internal/bench"
)

// query measures answers about what is in memory.
func query(ctx context.Context, s *setup) (figures []Figure, err error) {
	server, err := s.start(ctx, "server", "--data", s.dir+"/data")
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	s.say("1,000 tabs × 20 clients, and one tab × 10,000 clients")
	for c := range 20 {
		if err := server.Post(ctx, v1Body(20_000, 1000, clientName(c))); err != nil {
			return nil, err
		}
	}
	for c := range 10_000 {
		if err := server.Post(ctx, tabBody("shared", clientName(c))); err != nil {
			return nil, err
		}
	}
	for _, q := range []struct {
		name, path string
		n          int
		goal       float64 // ms
	}{
		{"one tab of 1,000 × 20 clients", "/tabs?name=tab_0500", 100, 0.2},
		{"/tabs, 1,000 tabs × 20 clients", "/tabs?name=tab_.*&re=1", 20, 5},
		{"one tab × 10,000 clients", "/tabs?name=shared", 100, 1},
		{"/projection, 20,000 answers", "/projection?name=tab_.*&re=1", 5, 300},
	} {
		var mid, most, cpu []float64
		for i := range s.Rounds {
			s.round(q.name, i)
			m, top, spent, err := timeGet(ctx, server, q.path, q.n)
			if err != nil {
				return nil, err
			}
			mid, most, cpu = append(mid, m), append(most, top), append(cpu, spent)
		}
		figures = append(figures,
			atMost(q.name, mid, "ms", q.goal, "CounterGroups; wall time of the median request of a round, over a kept connection; their States are in memory"),
			plain(q.name+", slowest of a round", most, "ms", ""),
			plain(q.name+", server", cpu, "CPU us/request", ""))
	}
	return figures, nil
}

// timeGet asks n times and returns the median and the longest time in ms, and
// what a request cost the server in us.
func timeGet(ctx context.Context, p *bench.Process, path string, n int) (mid, most, cpu float64, err error) {
	if _, err := p.Get(ctx, path); err != nil { // the first materialises
		return 0, 0, 0, err
	}
	var times []float64
	before := p.CPU()
	for range n {
		start := time.Now()
		if _, err := p.Get(ctx, path); err != nil {
			return 0, 0, 0, err
		}
		d := float64(time.Since(start).Microseconds()) / 1e3
		times, most = append(times, d), max(most, d)
	}
	return median(times), most, float64((p.CPU() - before).Microseconds()) / float64(n), nil
}

// tabBody is a v1 body of one event.
func tabBody(tab, client string) []byte {
	return fmt.Appendf(nil, "1\n\n%s\n\n%s\n[\"CounterGroup\", %d, \"1.5\"]\n\n\n", client, tab, time.Now().Unix())
}
