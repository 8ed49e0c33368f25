package figures

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tabaproject/taba/internal/bench"
	"github.com/tabaproject/taba/internal/redisrun"
	"github.com/tabaproject/taba/internal/wait"
)

// A cluster as an operator would begin with, all of it on this machine.
const (
	clusterServers = 3
	clusterAgents  = 2
	clusterShards  = 2
	clusterGoal    = 10 // million events a second
)

// parties are the processes of a cluster by what they are.
type parties struct {
	servers, agents []*bench.Process
	redis           *redisrun.Deployment
}

// agentsCluster measures what goes through agents to servers on Redis, and what
// each kind of process pays for it.
func agentsCluster(ctx context.Context, s *setup) ([]Figure, error) {
	if err := redisrun.Installed(); err != nil {
		return nil, err
	}
	var figures []Figure
	for _, replicas := range []int{0, 1} {
		var c clusterCosts
		name := fmt.Sprintf("%d replicas", replicas)
		for round := range s.Rounds {
			s.round(name, round)
			if err := s.clusterRound(ctx, replicas, &c); err != nil {
				return nil, err
			}
		}
		figures = append(figures, c.figures(name)...)
	}
	return figures, nil
}

// clusterCosts are what rounds came to.
type clusterCosts struct {
	counted, acknowledged, sender, agent, server, redis, commits, perCommit []float64
}

func (s *setup) clusterRound(ctx context.Context, replicas int, c *clusterCosts) error {
	dir, err := os.MkdirTemp(s.dir, "round-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := s.startParties(ctx, dir, replicas)
	defer p.stop()
	if err != nil {
		return err
	}
	w := &passing{parties: p}
	before := p.used()
	r, err := s.run(ctx, bench.Load{Protocol: bench.V2, Tabs: 1000, Clients: 100, Bundle: 100, Connections: clusterAgents}, bench.Options{
		Server: p.servers[0].URL, Agent: p.agents[0].URL, Agents: []string{p.agents[0].URL, p.agents[1].URL}, Beside: w.watch,
	})
	if err != nil {
		return err
	}
	after := p.used()
	events := p.servers[0].Metric(ctx, "taba_events_appended_total")
	perEvent := func(kind string) float64 { return float64(after[kind]-before[kind]) / events }
	commits := 0.0
	for _, server := range p.servers {
		commits += server.Metric(ctx, "taba_commits_total")
	}
	c.counted = append(c.counted, w.rate/1e6)
	c.acknowledged = append(c.acknowledged, float64(r.PerSecond)/1e6)
	c.sender = append(c.sender, float64(r.Side("sender").CPU))
	c.agent, c.server, c.redis = append(c.agent, perEvent("agent")), append(c.server, perEvent("server")), append(c.redis, perEvent("redis"))
	c.commits = append(c.commits, commits)
	c.perCommit = append(c.perCommit, float64((after["redis"]-before["redis"]).Microseconds())/max(commits, 1))
	return nil
}

func (s *setup) startParties(ctx context.Context, dir string, replicas int) (p *parties, err error) {
	p = &parties{}
	const slack = 5 * time.Second // nobody is to be taken for dead: the machine is full
	p.redis, err = redisrun.Run(ctx, dir, redisrun.Options{Shards: clusterShards, Replicas: replicas, VBuckets: 16, Down: slack})
	if err != nil {
		return p, err
	}
	var urls []string
	for range clusterServers {
		server, err := s.start(ctx, "server", "--store", p.redis.URL("timeout=30s"))
		if err != nil {
			return p, err
		}
		p.servers, urls = append(p.servers, server), append(urls, server.URL)
	}
	for i := range clusterAgents {
		agent, err := s.start(ctx, "agent", "--servers", strings.Join(urls, ","), "--spool", filepath.Join(dir, fmt.Sprint("spool", i)))
		if err != nil {
			return p, err
		}
		p.agents = append(p.agents, agent)
	}
	return p, nil
}

func (p *parties) stop() {
	for _, x := range append(p.agents, p.servers...) {
		x.Kill()
	}
	if p.redis != nil {
		_ = p.redis.Close() // they are killed
	}
}

// used is the processor time of each kind.
func (p *parties) used() map[string]time.Duration {
	u := map[string]time.Duration{}
	for _, x := range p.servers {
		u["server"] += x.CPU()
	}
	for _, x := range p.agents {
		u["agent"] += x.CPU()
	}
	for _, x := range p.redis.All() {
		u["redis"] += bench.CPUOf(x.Pid())
	}
	return u
}

// passing measures how many events a second are counted while load is offered.
type passing struct {
	*parties
	rate float64
}

func (w *passing) watch(ctx context.Context, server *bench.Process) error {
	const look = 200 * time.Millisecond
	const warm = time.Second
	if wait.For(ctx, warm) != nil {
		return nil
	}
	first, from := server.Metric(ctx, "taba_events_appended_total"), time.Now()
	for wait.For(ctx, look) == nil {
		if n := server.Metric(ctx, "taba_events_appended_total"); n > first {
			w.rate = (n - first) / time.Since(from).Seconds()
		}
	}
	return nil
}

func (c *clusterCosts) figures(name string) []Figure {
	return []Figure{
		atLeast(name+", counted", c.counted, "M events/s", clusterGoal, fmt.Sprintf("1,000 tabs × 100 clients, 100 events a bundle, %d agents, %d servers, %d shards, all on this machine, sender included; every spool and every Redis syncs before it answers; while load is offered; all are counted in the end", clusterAgents, clusterServers, clusterShards)),
		plain(name+", acknowledged by agents", c.acknowledged, "M events/s", ""),
		plain(name+", sender", c.sender, "CPU ns/event", ""),
		plain(name+", agents", c.agent, "CPU ns/event", "of the whole run"),
		plain(name+", servers", c.server, "CPU ns/event", ""),
		plain(name+", Redis and Sentinels", c.redis, "CPU ns/event", ""),
		plain(name+", commits of servers", c.commits, "", ""),
		plain(name+", Redis and Sentinels", c.perCommit, "CPU µs/commit", ""),
	}
}
