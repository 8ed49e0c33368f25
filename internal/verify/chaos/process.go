package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tabaproject/taba/internal/child"
)

// startup is how long a process may take to become ready.
const startup = 30 * time.Second

// process is a server or an agent. It keeps its name, address and directory
// over restarts. One goroutine at a time may use it: the one that holds mu.
type process struct {
	mu     sync.Mutex
	name   string
	binary string
	args   []string
	url    string
	log    *os.File
	cmd    *exec.Cmd
	ended  chan struct{} // closed when cmd has ended
	err    error         // how cmd ended; read it after ended is closed
}

func newProcess(name, binary, dir string, args ...string) (*process, error) {
	addr, err := child.FreeAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	return &process{
		name: name, binary: binary, log: log, url: "http://" + addr,
		args: append([]string{"taba"}, append(args, "--listen", addr)...),
	}, nil
}

// start starts the process and waits until it is ready.
func (p *process) start(ctx context.Context) error {
	p.cmd = &exec.Cmd{Path: p.binary, Args: p.args, Stdout: p.log, Stderr: p.log}
	child.Prepare(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		p.err = cmd.Wait()
	}(p.cmd, p.ended)
	return p.ready(ctx)
}

func (p *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startup)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if resp, err := client.Get(p.url + "/readyz"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended by itself: %w", p.name, orClean(p.err))
		case <-ctx.Done():
			return fmt.Errorf("%s did not become ready: %w", p.name, ctx.Err())
		case <-tick.C:
		}
	}
}

var errClean = errors.New("exit status 0")

func orClean(err error) error {
	if err == nil {
		return errClean
	}
	return err
}

// alive fails if the process has ended, which nobody asked it to.
func (p *process) alive() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s ended by itself: %w", p.name, orClean(p.err))
	default:
		return nil
	}
}

// kill ends the process as kill -9 does: nothing is flushed.
func (p *process) kill() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
}

func (p *process) signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }
