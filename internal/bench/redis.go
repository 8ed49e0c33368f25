package bench

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tabaproject/taba/internal/child"
)

// StartRedis starts a real redis-server for servers that share a store, with
// its append-only file below dir, and waits until it listens.
func StartRedis(ctx context.Context, dir string, args ...string) (*Process, error) {
	addr, err := child.FreeAddress()
	if err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp(dir, "redis")
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "redis.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command("redis-server", append([]string{"--port", port, "--bind", host, "--dir", data, "--save", "", "--appendonly", "yes"}, args...)...)
	child.Prepare(cmd)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		_ = log.Close()
		return nil, fmt.Errorf("%w: install redis-server", err)
	}
	p := &Process{URL: "redis://" + addr, Addr: addr, cmd: cmd, log: log}
	if err := p.listens(ctx); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// listens waits until the process takes connections.
func (p *Process) listens(ctx context.Context) error {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", p.Addr)
		if err == nil {
			return c.Close()
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("redis does not listen: %w", err)
		}
	}
}
