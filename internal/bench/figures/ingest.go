package figures

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tabaproject/taba/internal/bench"
	"github.com/tabaproject/taba/internal/wait"
)

// run measures a load on a private server.
func (s *setup) run(ctx context.Context, l bench.Load, o bench.Options) (*bench.Report, error) {
	o.Load, o.Binary, o.Dir = l, s.Binary, s.dir
	r, err := bench.Run(ctx, o, s.For, nil)
	if err == nil && l.Protocol != bench.Statsd && r.Missing > 0 {
		err = fmt.Errorf("%.0f acknowledged events were not counted", r.Missing)
	}
	return r, err
}

// costs are what rounds of one load came to.
type costs struct{ rate, server, sender, allocs, copies, switches, calls, mutex, lost, commits []float64 }

func (c *costs) add(r *bench.Report) {
	server := r.Side("server")
	for to, v := range map[*[]float64]bench.Number{
		&c.rate: r.PerSecond, &c.server: server.CPU, &c.sender: r.Side("sender").CPU, &c.allocs: server.Allocs,
		&c.copies: server.Copies, &c.switches: server.Switches, &c.calls: server.Syscalls, &c.mutex: server.Mutex, &c.commits: r.Commits,
	} {
		*to = append(*to, float64(v))
	}
	c.lost = append(c.lost, 100*max(r.Missing, 0)/max(float64(r.Sent), 1))
}

// beside are the figures that have no goal. unit is what is counted.
func (c *costs) beside(name, unit string) (figures []Figure) {
	for _, f := range []struct {
		column, unit string
		values       []float64
	}{
		{"SENDER CPU ns", "CPU ns/" + unit, c.sender},
		{"ALLOCATIONS", "/" + unit, c.allocs},
		{"COPIES/BYTE", "/byte", c.copies},
		{"SWITCHES/1,000", "/1,000 " + unit + "s", c.switches},
		{"CALLS/1,000", "/1,000 " + unit + "s", c.calls},
		{"MUTEX ns", "ns/" + unit, c.mutex},
		{"COMMITS/s", "/s", c.commits},
	} {
		figures = append(figures, Figure{Name: name, Column: f.column, Unit: f.unit, Values: known(f.values)})
	}
	return figures
}

// known returns nothing if something is not told.
func known(v []float64) []float64 {
	if slices.ContainsFunc(v, math.IsNaN) {
		return nil
	}
	return v
}

func millions(v []float64) (m []float64) {
	for _, x := range v {
		m = append(m, x/1e6)
	}
	return m
}

// streams measures v2 streams while somebody asks, and whether the log stays
// bounded.
func streams(ctx context.Context, s *setup) (figures []Figure, err error) {
	for _, g := range []struct {
		bundle    int
		rate, cpu float64
	}{{1000, 80, 10}, {100, 35, 25}, {10, 10, 120}} {
		var c costs
		var log, beside, tabs []float64
		name := bench.Number(g.bundle).Whole() + " events a bundle"
		for i := range s.Rounds {
			s.round(name, i)
			w := &watched{}
			r, err := s.run(ctx, bench.Load{Protocol: bench.V2, Tabs: 1000, Clients: 10, Bundle: g.bundle}, bench.Options{Beside: w.watch})
			if err != nil {
				return nil, err
			}
			c.add(r)
			log, beside, tabs = append(log, w.log/1e6), append(beside, w.beside), append(tabs, w.slowest.Seconds()*1e3)
		}
		figures = append(figures,
			atLeast(name, millions(c.rate), "M events/s", g.rate, ""),
			atMost(name+", server", c.server, "CPU ns/event", g.cpu, ""))
		figures = append(figures, c.beside(name, "event")...)
		figures = append(figures,
			atMost(name+", log at most", beside, "× the records", logGoal, ""),
			plain(name+", log at most", log, "MB", ""),
			plain(name+", slowest /tabs", tabs, "ms", ""))
	}
	figures[0].Remark = fmt.Sprintf("1,000 tabs × 10 clients; %v a round, sender included; every commit synced and acknowledged; all are counted in the end; of a store of less than %d MiB the log is compared with that", s.For, logFloor>>20)
	return figures, nil
}

// The log is compacted when it has grown as large as what it folds into; it is
// bounded as long as that keeps up.
const (
	logGoal  = 4 // times the records
	logFloor = 16 << 20
)

// watched is a server that is asked for all tabs every second.
type watched struct {
	log, beside float64 // at most: bytes, and times the records
	slowest     time.Duration
}

func (w *watched) watch(ctx context.Context, server *bench.Process) error {
	for n := 0; ; n++ {
		const often = 4 // looks at the log for each question
		if wait.For(ctx, time.Second/often) != nil {
			return nil
		}
		c, err := server.Counters(ctx)
		if err == nil && n%often == 0 {
			start := time.Now()
			_, err = server.Get(ctx, "/tabs")
			w.slowest = max(w.slowest, time.Since(start))
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		log := c["taba_log_bytes"]
		w.log, w.beside = max(w.log, log), max(w.beside, log/max(c["taba_record_bytes"], logFloor))
	}
}

// posts measures v1.
func posts(ctx context.Context, s *setup) ([]Figure, error) {
	var c costs
	for i := range s.Rounds {
		s.round("bodies of 50,000 events", i)
		r, err := s.run(ctx, bench.Load{Protocol: bench.V1, Tabs: 100, Clients: 10, Bundle: 500}, bench.Options{})
		if err != nil {
			return nil, err
		}
		c.add(r)
	}
	remark := fmt.Sprintf("bodies of 50,000 events over 100 tabs, 10 clients, 4 connections, %v a round; each synced before it is answered", s.For)
	figures := []Figure{
		atMost("bodies of 50,000, server", c.server, "CPU ns/event", 80, remark),
		plain("bodies of 50,000", millions(c.rate), "M events/s", ""),
	}
	return append(figures, c.beside("bodies of 50,000", "event")...), nil
}

// lines measures statsd. Datagrams are paced: what is lost is not read.
func lines(ctx context.Context, s *setup) (figures []Figure, err error) {
	for _, g := range []struct {
		transport string
		names     int
		rate      float64
		cpu, lost float64 // goals; 0: none
	}{
		{"udp", 1000, 1e6, 175, 0},
		{"udp", 100_000, 1e6, 260, 0},
		{"udp", 1000, 4e6, 0, 1},
		{"tcp", 1000, 0, 150, 0},
		{"unix", 1000, 0, 150, 0},
	} {
		var c costs
		name := fmt.Sprintf("%s, %s names", g.transport, bench.Number(g.names).Whole())
		if g.rate > 1e6 {
			name += fmt.Sprintf(", %.0f M lines/s offered", g.rate/1e6)
		}
		for i := range s.Rounds {
			s.round(name, i)
			r, err := s.run(ctx, bench.Load{Protocol: bench.Statsd, Transport: g.transport, Tabs: g.names, Clients: 1, Bundle: 1, Rate: g.rate}, bench.Options{})
			if err != nil {
				return nil, err
			}
			c.add(r)
		}
		if g.cpu > 0 {
			figures = append(figures, atMost(name+", server", c.server, "CPU us/1,000 lines", g.cpu, ""))
		} else {
			figures = append(figures, plain(name+", server", c.server, "CPU us/1,000 lines", ""))
		}
		lost := plain(name+", lost", c.lost, "%", "")
		if g.lost > 0 {
			lost.Goal = &Goal{Limit: g.lost}
		}
		figures = append(figures, plain(name, millions(c.rate), "M lines/s", ""), lost)
		figures = append(figures, c.beside(name, "line")...)
	}
	figures[0].Remark = fmt.Sprintf("60 %% counters, 30 %% timers, 10 %% gauges in random order; datagrams of 1,432 bytes, one system call each, 1 M lines/s unless said; streams as fast as they are taken; %v a round", s.For)
	return figures, nil
}

// ack measures how soon a small Batch is acknowledged when nothing else is to
// do.
func ack(ctx context.Context, s *setup) ([]Figure, error) {
	const every = 10 * time.Millisecond
	var p50, p99, cpu, disk []float64
	for i := range s.Rounds {
		s.round("a Batch of 10 events every 10 ms", i)
		sync, err := bench.Fdatasync(ctx, s.dir, int(s.For/every), every)
		if err != nil {
			return nil, err
		}
		disk = append(disk, sync/1e3)
		r, err := s.run(ctx, bench.Load{Protocol: bench.V2, Tabs: 10, Clients: 1, Bundle: 10, Unit: 10, Connections: 1, Rate: 1000}, bench.Options{})
		if err != nil {
			return nil, err
		}
		if r.Ack == nil {
			return nil, fmt.Errorf("nothing was acknowledged")
		}
		p50, p99, cpu = append(p50, r.Ack.P50), append(p99, r.Ack.P99), append(cpu, float64(r.Side("server").CPU)*10/1e3)
	}
	return []Figure{
		atMost("median", p50, "ms", 0.4, fmt.Sprintf("one stream, a frame of 10 events of one tab every 10 ms, %v a round; synced to disk", s.For)),
		atMost("99th percentile", p99, "ms", 2, ""),
		plain("server", cpu, "CPU us/Batch", ""),
		plain("fdatasync alone, as often", disk, "ms", ""),
	}, nil
}

// batching compares system calls and switches as the load grows.
func batching(ctx context.Context, s *setup) (figures []Figure, err error) {
	loads := []float64{10_000, 100_000, 1_000_000}
	all := make([]costs, len(loads))
	for i := range s.Rounds {
		for j, rate := range loads { // in turn, for a machine that drifts
			s.round(fmt.Sprintf("%.0f events/s", rate), i)
			r, err := s.run(ctx, bench.Load{Protocol: bench.V2, Tabs: 1000, Clients: 10, Bundle: 10, Unit: 10, Connections: 4, Rate: rate}, bench.Options{})
			if err != nil {
				return nil, err
			}
			all[j].add(r)
		}
	}
	for j, rate := range loads {
		name := bench.Number(rate).Whole() + " events/s"
		figures = append(figures,
			plain(name+", read and write calls", all[j].calls, "/1,000 events", ""),
			plain(name+", voluntary switches", all[j].switches, "/1,000 events", ""),
			plain(name+", server", all[j].server, "CPU ns/event", ""),
			plain(name+", offered and taken", all[j].rate, "events/s", ""))
	}
	figures = append(figures,
		atLeast("calls fall by, 10 times the load", over(all[0].calls, all[1].calls), "times", 5, ""),
		atLeast("calls fall by, 100 times the load", over(all[0].calls, all[2].calls), "times", 20, ""),
		atLeast("switches fall by, 10 times the load", over(all[0].switches, all[1].switches), "times", 5, ""),
		atLeast("switches fall by, 100 times the load", over(all[0].switches, all[2].switches), "times", 20, ""))
	figures[0].Remark = fmt.Sprintf("v2, 4 streams, every 10 events a frame of their own, sent when they are due; %v a round", s.For)
	return figures, nil
}

func over(a, b []float64) (r []float64) {
	for i := range a {
		r = append(r, a[i]/b[i])
	}
	return r
}
