package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/child"
	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/redisrun"
)

// What a cluster consists of.
const (
	servers  = 3
	agents   = 2
	shards   = 2
	replicas = 1 // of each shard
	vbuckets = 8
	down     = time.Second // until a Sentinel takes a Redis for dead
)

// member is a server or an agent.
type member struct {
	*child.Process
	url string
}

// cluster is the processes of a demonstration.
type cluster struct {
	dir             string
	redis           *redisrun.Deployment
	servers, agents []*member
}

// RunCluster runs the demonstration with real processes, Redis and Sentinels among
// them, and kills one of them every few seconds, until ctx ends or its time is up.
func RunCluster(ctx context.Context, o Options) (err error) {
	if err := redisrun.Installed(); err != nil {
		return fmt.Errorf("a cluster keeps its data in Redis, which Sentinels watch: %w", err)
	}
	dir, err := os.MkdirTemp("", "taba-demo-")
	if err != nil {
		return fmt.Errorf("make a temporary directory: %w", err)
	}
	c := &cluster{dir: dir}
	defer func() { err = errors.Join(err, c.close()) }()
	_, _ = fmt.Fprintf(o.Out.W, "starting %d shards of Redis with %d replica each, 3 Sentinels, %d servers and %d agents …\n", shards, replicas, servers, agents)
	if err := c.start(ctx, o.Binary); err != nil {
		if ctx.Err() != nil {
			return nil // it was interrupted
		}
		return err
	}
	return o.show(ctx, c.scene(o))
}

func (c *cluster) start(ctx context.Context, binary string) (err error) {
	c.redis, err = redisrun.Run(ctx, c.dir, redisrun.Options{Shards: shards, Replicas: replicas, VBuckets: vbuckets, Down: down})
	if err != nil {
		return err
	}
	store := c.redis.URL("timeout=1s")
	var urls string
	for i := range servers {
		m, err := c.member(ctx, fmt.Sprintf("server %d", i+1), binary, "server", "--store", store)
		if err != nil {
			return err
		}
		c.servers = append(c.servers, m)
		if i > 0 {
			urls += ","
		}
		urls += m.url
	}
	for i := range agents {
		name := fmt.Sprintf("agent %d", i+1)
		m, err := c.member(ctx, name, binary, "agent", "--servers", urls, "--spool", filepath.Join(c.dir, name))
		if err != nil {
			return err
		}
		c.agents = append(c.agents, m)
	}
	return nil
}

// member starts a process and waits until it is ready.
func (c *cluster) member(ctx context.Context, name, binary string, args ...string) (*member, error) {
	addr, err := child.FreeAddress()
	if err != nil {
		return nil, err
	}
	p, err := child.New(name, binary, c.dir, append(args, "--listen", addr)...)
	if err != nil {
		return nil, err
	}
	p.As = "taba"
	m := &member{Process: p, url: "http://" + addr}
	if err := m.start(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return m, nil
}

func (m *member) start(ctx context.Context) error {
	if err := m.Start(); err != nil {
		return err
	}
	return m.Serves(ctx, m.url+"/readyz")
}

// scene has the fleet post to the agents in turn, and asks whichever server
// answers.
func (c *cluster) scene(o Options) *scene {
	asks := newTransport()
	asks.ResponseHeaderTimeout = time.Second
	posts := newTransport()
	var all []string
	s := &scene{
		head: header{
			server: c.servers[0].url, agent: c.agents[0].url, until: o.For,
			what: fmt.Sprintf("a fleet of bidders posts to %d agents, these forward to %d servers, which keep\n"+
				"everything in %d shards of Redis. Each time that all is well something else is killed.", agents, servers, shards),
		},
		post:   inTurn(posts, c.agents),
		act:    c.torment,
		settle: time.Minute,
		close:  func() { asks.CloseIdleConnections(); posts.CloseIdleConnections() },
	}
	for _, m := range c.servers {
		all = append(all, m.url)
		s.each = append(s.each, &cli.Client{URL: m.url, HTTP: httpClient(asks)})
	}
	http := httpClient(asks)
	http.Transport = newAnyOf(asks, all)
	s.server = &cli.Client{URL: c.servers[0].url, HTTP: http}
	return s
}

// close kills all processes and removes what they left.
func (c *cluster) close() error {
	var work sync.WaitGroup
	for _, m := range append(c.servers, c.agents...) {
		work.Go(func() { _ = m.Close() })
	}
	if c.redis != nil {
		work.Go(func() { _ = c.redis.Close() })
	}
	work.Wait()
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("remove the temporary directory: %w", err)
	}
	return nil
}
