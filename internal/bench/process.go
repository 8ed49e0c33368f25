package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tabaproject/taba/internal/child"
	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/wait"
)

// Process is a real taba process under measurement: one that was started for
// it, or one that runs anyway.
type Process struct {
	URL  string
	Addr string // host:port of URL
	ask  *cli.Client
	cmd  *exec.Cmd // nil: it is not ours
	log  *os.File
	dead bool
}

// Attach measures a process that runs already.
func Attach(url, token string) *Process {
	url = strings.TrimRight(url, "/")
	_, addr, _ := strings.Cut(url, "://")
	return &Process{URL: url, Addr: addr, ask: newClient(url, token)}
}

// Start runs `binary args… --listen ADDR`, its log in dir, and waits until it
// is ready.
func Start(ctx context.Context, binary, dir string, args ...string) (*Process, error) {
	addr, err := child.FreeAddress()
	if err != nil {
		return nil, err
	}
	p, err := Launch(binary, dir, addr, args...)
	if err != nil {
		return nil, err
	}
	if err := p.Ready(ctx); err != nil {
		p.Stop()
		text, _ := os.ReadFile(p.log.Name())
		return nil, fmt.Errorf("taba %s: %w\n%s", strings.Join(args, " "), err, text)
	}
	return p, nil
}

// Launch is Start without the waiting.
func Launch(binary, dir, addr string, args ...string) (*Process, error) {
	log, err := os.OpenFile(filepath.Join(dir, args[0]+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, append(args, "--listen", addr)...)
	child.Prepare(cmd)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		_ = log.Close()
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	url := "http://" + addr
	return &Process{URL: url, Addr: addr, ask: newClient(url, ""), cmd: cmd, log: log}, nil
}

// Ready waits until the process is ready.
func (p *Process) Ready(ctx context.Context) error {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		_, err := p.Get(ctx, "/readyz")
		if err == nil {
			return nil
		}
		if wait.For(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("not ready: %w", err)
		}
	}
}

// Stop asks the process to drain and waits for it, if it is ours.
func (p *Process) Stop() { p.end(syscall.SIGTERM) }

// Kill ends the process as kill -9 does and waits until it is gone.
func (p *Process) Kill() { p.end(syscall.SIGKILL) }

func (p *Process) end(signal syscall.Signal) {
	if p == nil || p.cmd == nil || p.dead {
		return
	}
	p.dead = true
	_ = p.cmd.Process.Signal(signal)
	const patience = 30 * time.Second
	kill := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	_ = p.cmd.Wait()
	kill.Stop()
	_ = p.log.Close()
}

// Get returns the body of a successful answer.
func (p *Process) Get(ctx context.Context, path string) ([]byte, error) {
	return p.ask.Get(ctx, path, cli.Query{}, "*/*")
}

// Post sends a v1 body.
func (p *Process) Post(ctx context.Context, body []byte) error {
	_, err := p.ask.Post(ctx, "/post", body)
	return err
}

// Counters reads what the process counts.
func (p *Process) Counters(ctx context.Context) (Counters, error) {
	text, err := p.Get(ctx, "/metrics")
	return parseCounters(text), err
}

// Metric reads one value of /metrics, summed over labels; 0 if it is not
// there.
func (p *Process) Metric(ctx context.Context, name string) float64 {
	c, _ := p.Counters(ctx)
	return c[name]
}
