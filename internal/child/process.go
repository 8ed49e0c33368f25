package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// startup is how long a process may take to answer.
const startup = 2 * time.Minute

// Process is a private process that may be ended and started again: it keeps its
// name, its arguments and its log. One goroutine at a time may use it.
type Process struct {
	Name string
	Path string
	Args []string // without the program's own name
	Dir  string   // it works in; empty: where its parent does
	As   string   // what it is told that it is called; empty: Path

	log   *os.File
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
	err   error         // how cmd ended; read it after ended is closed
}

// New returns a process that is not started. What it says is kept in dir, in the
// file NAME.log.
func New(name, path, dir string, args ...string) (*Process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	return &Process{Name: name, Path: path, Args: args, log: log}, nil
}

// Start starts the process, and does not wait until it is of use.
func (p *Process) Start() error {
	as := p.As
	if as == "" {
		as = p.Path
	}
	p.cmd = &exec.Cmd{Path: p.Path, Args: append([]string{as}, p.Args...), Dir: p.Dir, Stdout: p.log, Stderr: p.log}
	Prepare(p.cmd)
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	p.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		p.err = cmd.Wait()
	}(p.cmd, p.ended)
	return nil
}

// Until waits until is says yes, and fails if the process ends before.
func (p *Process) Until(ctx context.Context, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startup)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-p.ended:
			return p.Alive()
		case <-ctx.Done():
			return fmt.Errorf("%s did not become ready: %w\n%s", p.Name, ctx.Err(), p.Said())
		case <-tick.C:
		}
	}
	return nil
}

// Serves waits until the URL is answered with 200, and fails if the process ends
// before.
func (p *Process) Serves(ctx context.Context, url string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	return p.Until(ctx, func() bool {
		resp, err := client.Get(url)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

var errClean = errors.New("exit status 0")

// Alive fails if the process has ended, which nobody asked it to.
func (p *Process) Alive() error {
	if p.Running() {
		return nil
	}
	if p.ended == nil {
		return fmt.Errorf("%s is not started", p.Name)
	}
	err := p.err
	if err == nil {
		err = errClean
	}
	return fmt.Errorf("%s ended by itself: %w\n%s", p.Name, err, p.Said())
}

// Running reports whether the process was started and has not ended.
func (p *Process) Running() bool {
	if p.ended == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Pid is the number of the process that was started last; 0: none was.
func (p *Process) Pid() int {
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Kill ends the process as kill -9 does: nothing is flushed.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// Signal sends the process a signal.
func (p *Process) Signal(s syscall.Signal) error {
	if p.cmd == nil {
		return fmt.Errorf("%s is not started", p.Name)
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("%v to %s: %w", s, p.Name, err)
	}
	return nil
}

// Said is the end of what the process has said.
func (p *Process) Said() string {
	const most = 4 << 10
	text, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-most):]))
}

// Close kills the process and closes its log.
func (p *Process) Close() error {
	p.Kill()
	return p.log.Close()
}
