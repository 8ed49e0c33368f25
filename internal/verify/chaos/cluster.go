package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/tabaproject/taba/internal/cli"
)

// cluster is a server and its agents.
type cluster struct {
	dir    string
	server *process
	agents []*process
}

// startCluster starts a server and n agents in a directory of their own.
func startCluster(ctx context.Context, binary string, n int) (*cluster, error) {
	dir, err := os.MkdirTemp("", "taba-verify-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary directory: %w", err)
	}
	c := &cluster{dir: dir}
	if err := c.start(ctx, binary, n); err != nil {
		return nil, errors.Join(err, c.close(true))
	}
	return c, nil
}

func (c *cluster) start(ctx context.Context, binary string, n int) error {
	server, err := newProcess("server", binary, c.dir, "server", "--data", filepath.Join(c.dir, "server"))
	if err != nil {
		return err
	}
	c.server = server
	for i := range n {
		name := fmt.Sprintf("agent %d", i+1)
		agent, err := newProcess(name, binary, c.dir, "agent", "--servers", server.url, "--spool", filepath.Join(c.dir, name))
		if err != nil {
			return err
		}
		c.agents = append(c.agents, agent)
	}
	return c.each(func(p *process) error { return p.start(ctx) })
}

func (c *cluster) all() []*process { return append([]*process{c.server}, c.agents...) }

// each does f to all processes at once.
func (c *cluster) each(f func(*process) error) error {
	all := c.all()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, p := range all {
		wg.Go(func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			errs[i] = f(p)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// restart kills everything and starts it again.
func (c *cluster) restart(ctx context.Context) error {
	if err := c.each(func(p *process) error { return p.Alive() }); err != nil {
		return err
	}
	_ = c.each(func(p *process) error { p.Kill(); return nil })
	return c.each(func(p *process) error { return p.start(ctx) })
}

// audit asks the server to compare its ledger with its States.
func (c *cluster) audit(ctx context.Context) error {
	var check struct {
		OK       bool     `json:"ok"`
		Problems []string `json:"problems"`
	}
	client := &cli.Client{URL: c.server.url}
	if err := client.JSON(ctx, "/v2/check", cli.Query{}, &check); err != nil {
		return err
	}
	if !check.OK {
		return fmt.Errorf("the server's ledger does not add up: %s", strings.Join(check.Problems, "; "))
	}
	return nil
}

// close ends all processes, and removes the directory unless it is of use.
func (c *cluster) close(remove bool) error {
	for _, p := range c.all() {
		if p == nil {
			continue
		}
		p.mu.Lock()
		_ = p.Close()
		p.mu.Unlock()
	}
	if !remove {
		return nil
	}
	return os.RemoveAll(c.dir)
}
