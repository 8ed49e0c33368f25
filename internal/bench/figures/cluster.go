package figures

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/bench"
	"github.com/tabaproject/taba/internal/redisrun"
	"github.com/tabaproject/taba/internal/wait"
)

// shared is some servers on one Redis.
type shared struct {
	redis   *redisrun.Server
	servers []*bench.Process
}

// share starts a Redis and n servers on it, which know each other.
func (s *setup) share(ctx context.Context, n int) (*shared, error) {
	dir, err := os.MkdirTemp(s.dir, "shared-")
	if err != nil {
		return nil, err
	}
	redis, err := redisrun.One(ctx, dir, "redis")
	if err != nil {
		return nil, err
	}
	c := &shared{redis: redis}
	for range n {
		if err := s.join(ctx, c); err != nil {
			c.stop()
			return nil, err
		}
	}
	return c, nil
}

// join starts one more server and waits until all know it.
func (s *setup) join(ctx context.Context, c *shared) error {
	p, err := s.start(ctx, "server", "--store", "redis://"+c.redis.Addr, "--name", fmt.Sprint("server", len(c.servers)))
	if err != nil {
		return err
	}
	c.servers = append(c.servers, p)
	return c.until(ctx, func() bool {
		for _, p := range c.servers {
			if p.Metric(ctx, "taba_servers") != float64(len(c.servers)) {
				return false
			}
		}
		return true
	})
}

// until waits for a condition.
func (c *shared) until(ctx context.Context, is func() bool) error {
	const patience, often = time.Minute, 50 * time.Millisecond
	for end := time.Now().Add(patience); !is(); {
		if err := wait.For(ctx, often); err != nil {
			return err
		}
		if time.Now().After(end) {
			return errors.New("the servers did not come as far as they should in a minute")
		}
	}
	return nil
}

func (c *shared) stop() {
	for _, p := range c.servers {
		p.Stop()
	}
	_ = c.redis.Close() // it is killed
}

// Of what is offered to each server.
const (
	sharedRate  = 250_000 // events a second
	sharedGoal  = 1.15    // times the CPU of one server
	sharedOffer = "v2, 2 streams to each server, 1,000 tabs × 10 clients, 100 events a bundle, %v a round, in turn"
)

// servers measures what an event costs servers, and Redis, as there are more of
// them.
func servers(ctx context.Context, s *setup) (figures []Figure, err error) {
	counts := []int{1, 2, 4}
	cpu, redis := make([][]float64, len(counts)), make([][]float64, len(counts))
	for i := range s.Rounds {
		for j, n := range counts {
			s.round(fmt.Sprintf("%d servers", n), i)
			of, store, err := s.sharedLoad(ctx, n)
			if err != nil {
				return nil, err
			}
			cpu[j], redis[j] = append(cpu[j], of), append(redis[j], store)
		}
	}
	for j, n := range counts {
		name := fmt.Sprintf("%d server(s), %s events/s each", n, bench.Number(sharedRate).Whole())
		figures = append(figures, plain(name, cpu[j], "CPU ns/event", ""), plain(name+", Redis", redis[j], "CPU ns/event", ""))
		if j > 0 {
			figures = append(figures, atMost(fmt.Sprintf("%d servers against one", n), over(cpu[j], cpu[0]), "× CPU", sharedGoal, ""))
		}
	}
	figures[0].Remark = fmt.Sprintf(sharedOffer, s.For)
	return figures, nil
}

// sharedLoad offers the same to each of n servers and returns what an event cost
// all of them, and Redis, in ns.
func (s *setup) sharedLoad(ctx context.Context, n int) (cpu, redis float64, err error) {
	own, remove, err := s.scratch()
	if err != nil {
		return 0, 0, err
	}
	defer remove()
	c, err := own.share(ctx, n)
	if err != nil {
		return 0, 0, err
	}
	defer c.stop()
	reports, errs := make([]*bench.Report, n), make([]error, n)
	var wg sync.WaitGroup
	before, begun := bench.CPUOf(c.redis.Pid()), time.Now()
	for i, p := range c.servers {
		wg.Go(func() {
			reports[i], errs[i] = bench.Run(ctx, bench.Options{
				Load: bench.Load{Protocol: bench.V2, Tabs: 1000, Clients: 10, Bundle: 100, Connections: 2, Rate: sharedRate},
				Dir:  own.dir, Server: p.URL,
			}, s.For, nil)
		})
	}
	wg.Wait()
	spent, took := bench.CPUOf(c.redis.Pid())-before, time.Since(begun)
	if err := errors.Join(errs...); err != nil {
		return 0, 0, err
	}
	var seconds, events, rate float64
	for _, r := range reports {
		seconds += float64(r.Side("server").Cores) * float64(r.Seconds)
		events += float64(r.Taken)
		rate += float64(r.PerSecond)
	}
	return seconds * 1e9 / events, float64(spent) / (rate * took.Seconds()), nil
}

const (
	coldTabs    = 20
	coldClients = 1000
)

// cold measures how soon a server answers for a tab that it was never asked
// for, and then again.
func cold(ctx context.Context, s *setup) ([]Figure, error) {
	var first, again, started []float64
	for i := range s.Rounds {
		s.round(fmt.Sprintf("%d tabs × %d clients", coldTabs, coldClients), i)
		a, b, c, err := s.coldRound(ctx)
		if err != nil {
			return nil, err
		}
		first, again, started = append(first, a), append(again, b), append(started, c)
	}
	return []Figure{
		atMost("first, the server never saw the tab", first, "ms", 5, fmt.Sprintf(
			"CounterGroups over %d clients, posted to one server, compacted, asked of another; wall time of the median of %d tabs, over a kept connection", coldClients, coldTabs-1)),
		atMost("again", again, "ms", 1, ""),
		plain("first question to a server that has just started", started, "ms", ""),
	}, nil
}

func (s *setup) coldRound(ctx context.Context) (first, again, started float64, err error) {
	own, remove, err := s.scratch()
	if err != nil {
		return 0, 0, 0, err
	}
	defer remove()
	c, err := own.share(ctx, 1)
	if err != nil {
		return 0, 0, 0, err
	}
	defer c.stop()
	for client := range coldClients {
		var body strings.Builder
		fmt.Fprintf(&body, "1\n\n%s\n\n", clientName(client))
		for tab := range coldTabs {
			fmt.Fprintf(&body, "cold_%d\n[\"CounterGroup\", %d, \"1.5\"]\n\n", tab, time.Now().Unix())
		}
		if err := c.servers[0].Post(ctx, []byte(body.String()+"\n")); err != nil {
			return 0, 0, 0, err
		}
	}
	if _, err := c.servers[0].Get(ctx, "/recompute"); err != nil {
		return 0, 0, 0, err
	}
	if err := c.until(ctx, func() bool { return c.servers[0].Metric(ctx, "taba_log_bytes") == 0 }); err != nil {
		return 0, 0, 0, err
	}
	if err := own.join(ctx, c); err != nil {
		return 0, 0, 0, err
	}
	ask := func(tab int) (ms float64, err error) {
		start := time.Now()
		body, err := c.servers[1].Get(ctx, fmt.Sprintf("/tabs?name=cold_%d", tab))
		if err == nil && !strings.Contains(string(body), fmt.Sprintf(`"pct": {"count": %d,`, coldClients)) {
			err = fmt.Errorf("the answer is %s", body)
		}
		return float64(time.Since(start).Microseconds()) / 1e3, err
	}
	if started, err = ask(0); err != nil {
		return 0, 0, 0, err
	}
	if _, err := c.servers[1].Get(ctx, "/names"); err != nil { // it knows what there is
		return 0, 0, 0, err
	}
	var firsts, agains []float64
	for tab := 1; tab < coldTabs; tab++ {
		for _, to := range []*[]float64{&firsts, &agains} {
			ms, err := ask(tab)
			if err != nil {
				return 0, 0, 0, err
			}
			*to = append(*to, ms)
		}
	}
	return median(firsts), median(agains), started, nil
}
