package figures

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/tabaproject/taba/internal/bench"
	"github.com/tabaproject/taba/internal/wait"
)

const (
	restartClients = 100 // of each tab
	restartEvents  = 3   // of each State at first
	probeTab       = "service.probe"
)

// restart measures how soon a server with many States answers after kill -9.
func restart(ctx context.Context, s *setup) ([]Figure, error) {
	tabs := max(s.States/restartClients, 10)
	server, err := s.start(ctx, "server", "--data", s.dir+"/data")
	if err != nil {
		return nil, err
	}
	r := restarts{setup: s, tabs: tabs, server: server}
	defer func() { r.server.Kill() }()
	if err := r.fill(ctx); err != nil {
		return nil, err
	}
	if err := r.atRest(ctx); err != nil {
		return nil, err
	}
	if err := r.underLoad(ctx); err != nil {
		return nil, err
	}
	return r.figures(), nil
}

type restarts struct {
	*setup
	tabs    int
	server  *bench.Process
	stored  float64 // MB
	rest    trials
	load    trials
	probes  int // posts acknowledged that touched probeTab
	unknown int // posts that were not answered
}

// trials are the restarts under one condition.
type trials struct{ seconds, cpu, rss, peak, read, tail, rate []float64 }

// fill makes the States: one body for each client.
func (r *restarts) fill(ctx context.Context) error {
	all := make([]int, r.tabs)
	for t := range all {
		all[t] = t
	}
	for c := range restartClients {
		// Spread over the last hours, so that windows have several buckets.
		body := mixedBody(clientName(c), all, restartEvents, 0, 50*time.Minute, 10*time.Hour)
		if err := r.server.Post(ctx, body); err != nil {
			return err
		}
	}
	return nil
}

func clientName(c int) string { return fmt.Sprintf("web-%04d", c) }

// atRest kills a server that has nothing to do. Each round asks for another
// tab, so that nothing was asked for before.
func (r *restarts) atRest(ctx context.Context) error {
	if err := r.settle(ctx); err != nil {
		return err
	}
	for round := range r.Rounds {
		r.round("at rest", round)
		tail := r.server.Metric(ctx, "taba_log_bytes")
		tab := (round*7919 + 3*round) % r.tabs
		want := restartClients * restartEvents
		if err := r.cycle(ctx, &r.rest, tail, mixedTab(tab), want, want); err != nil {
			return err
		}
	}
	return nil
}

// mostRecords is how large a server lets its log become, in the size of its
// records.
const mostRecords = 4

// settle waits until there is nothing left that has to be compacted.
func (r *restarts) settle(ctx context.Context) error {
	still, last := 0, -1.0
	for end := time.Now().Add(5 * time.Minute); still < 10; {
		if time.Now().After(end) {
			return errors.New("the log was not compacted in five minutes")
		}
		if err := wait.For(ctx, 300*time.Millisecond); err != nil {
			return err
		}
		log, records := r.server.Metric(ctx, "taba_log_bytes"), r.server.Metric(ctx, "taba_record_bytes")
		if still++; log != last || log > mostRecords*max(records, 1<<20) {
			still = 0
		}
		last = log
	}
	return nil
}

// underLoad kills a server that takes posts as fast as it can.
func (r *restarts) underLoad(ctx context.Context) error {
	for round := range r.Rounds {
		r.round("under load", round)
		tail, rate, err := r.torment(ctx, 20*time.Second)
		if err != nil {
			return err
		}
		r.load.rate = append(r.load.rate, rate)
		if err := r.cycle(ctx, &r.load, tail, probeTab, r.probes, r.probes+r.unknown); err != nil {
			return err
		}
	}
	return nil
}

const loadTabs, loadEvents = 500, 2

// torment posts for a while, kills the server in the middle of it and returns
// how large the log was in the end.
func (r *restarts) torment(ctx context.Context, d time.Duration) (tail, rate float64, err error) {
	bodies := make([][]byte, 64)
	for i := range bodies {
		tabs := make([]int, loadTabs)
		for t, first := 0, rand.IntN(r.tabs); t < loadTabs; t++ {
			tabs[t] = (first + t*7) % r.tabs
		}
		body := mixedBody(clientName(rand.IntN(restartClients)), tabs, loadEvents, 0, time.Second)
		body = append(body[:len(body)-1], fmt.Sprintf("%s\n[\"TotalsCounter\", %d, \"1\"]\n\n\n", probeTab, time.Now().Unix())...)
		bodies[i] = postRequest(body)
	}
	load := &sender{addr: r.server.Addr, connections: 8, request: func(c, n int) []byte { return bodies[(c*8+n)%len(bodies)] }}
	running, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- load.run(running) }()
	for end := time.Now().Add(d); time.Now().Before(end) && err == nil; err = wait.For(ctx, 200*time.Millisecond) {
		select {
		case err := <-done:
			return 0, 0, errors.Join(err, errors.New("the load ended early"))
		default:
		}
		tail = r.server.Metric(ctx, "taba_log_bytes")
	}
	r.load.peak = append(r.load.peak, r.server.Metric(ctx, "process_resident_memory_peak_bytes")/1e6)
	stop()
	r.server.Kill()
	err = errors.Join(err, <-done)
	posted, tried := int(load.posted.Load()), int(load.tried.Load())
	r.probes += posted
	r.unknown += tried - posted
	return tail, float64(posted*(loadTabs*loadEvents+1)) / d.Seconds(), err
}

// cycle kills the server, if it still lives, starts it again and asks for a
// tab until the answer is right: at least all that was acknowledged.
func (r *restarts) cycle(ctx context.Context, t *trials, tail float64, tab string, least, most int) error {
	if r.server.Alive() {
		r.server.Kill()
	}
	stored, err := sizeOf(r.dir + "/data")
	if err != nil {
		return err
	}
	r.stored = max(r.stored, stored)
	begin := time.Now()
	if r.server, err = bench.Launch(r.Binary, r.dir, r.server.Addr, "server", "--data", r.dir+"/data"); err != nil {
		return err
	}
	for {
		answer, err := r.server.Get(ctx, "/tabs?name="+tab)
		if err == nil {
			n, err := countOf(answer)
			if err != nil || n < least || n > most {
				return fmt.Errorf("the first answer for %s counts %d events, from %d to %d are right (%w)", tab, n, least, most, err)
			}
			break
		}
		if time.Since(begin) > 5*time.Minute {
			return err
		}
		if err := wait.For(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	t.seconds = append(t.seconds, time.Since(begin).Seconds())
	t.cpu = append(t.cpu, r.server.CPU().Seconds())
	t.rss = append(t.rss, r.server.RSS())
	t.read = append(t.read, r.server.Read()/1e6)
	t.tail = append(t.tail, tail/1e6)
	return r.server.Ready(ctx)
}

// sizeOf is the size of the files under a directory in MB.
func sizeOf(dir string) (mb float64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			mb += float64(info.Size()) / 1e6
		}
		return err
	})
	return mb, err
}

func (r *restarts) figures() []Figure {
	states := fmt.Sprintf("%d States (%d tabs x %d clients), %.0f MB on disk", r.tabs*restartClients, r.tabs, restartClients, r.stored)
	row := func(name string, t trials, remark string) []Figure {
		return []Figure{
			atMost("first /tabs?name=, "+name, t.seconds, "s", 10, name+": "+states+"; from the start of the process; "+remark),
			plain("resident then, "+name, t.rss, "MB", ""),
			plain("used by then, "+name, t.cpu, "s CPU", ""),
			plain("read by then, "+name, t.read, "MB", ""),
		}
	}
	busy := fmt.Sprintf("log not yet compacted: %s; killed while %s were taken, resident peak %s",
		spread(r.load.tail, "MB"), spread(r.load.rate, "events/s"), spread(r.load.peak, "MB"))
	return append(row("at rest", r.rest, "log not yet compacted: "+spread(r.rest.tail, "MB")), row("under load", r.load, busy)...)
}
