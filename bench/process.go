package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a real taba process under measurement.
type Process struct {
	URL  string
	Addr string
	cmd  *exec.Cmd
	log  *os.File
}

// start runs `taba args… --listen ADDR` and waits until it is ready.
func start(ctx context.Context, s *setup, args ...string) (*Process, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p, err := launch(s, addr, args...)
	if err != nil {
		return nil, err
	}
	if err := p.waitReady(ctx); err != nil {
		p.Stop()
		text, _ := os.ReadFile(p.log.Name())
		return nil, fmt.Errorf("taba %s: %w\n%s", strings.Join(args, " "), err, text)
	}
	return p, nil
}

// launch runs `taba args… --listen ADDR` and does not wait.
func launch(s *setup, addr string, args ...string) (*Process, error) {
	log, err := os.OpenFile(filepath.Join(s.dir, args[0]+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(s.taba, append(args, "--listen", addr)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		_ = log.Close()
		return nil, err
	}
	return &Process{URL: "http://" + addr, Addr: addr, cmd: cmd, log: log}, nil
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (p *Process) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		if _, err := p.Get("/readyz"); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop asks the process to drain and waits for it.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
	_ = p.log.Close()
}

// Kill ends the process as kill -9 does and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	_ = p.log.Close()
}

// Get returns the body of a successful answer.
func (p *Process) Get(path string) ([]byte, error) { return answer(http.Get(p.URL + path)) }

// Post sends a v1 body.
func (p *Process) Post(body []byte) error {
	_, err := answer(http.Post(p.URL+"/post", "application/octet-stream", bytes.NewReader(body)))
	return err
}

func answer(r *http.Response, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %.200s", r.Request.Method, r.Request.URL, r.Status, body)
	}
	return body, err
}

// CPU is the user and system time the process has used.
func (p *Process) CPU() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// The second field, the name in parentheses, may hold spaces.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * (time.Second / 100) // USER_HZ
}

// Read is how many bytes the process has read by system calls.
func (p *Process) Read() float64 {
	counts, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(counts)) {
		if n, ok := strings.CutPrefix(line, "rchar:"); ok {
			v, _ := strconv.ParseFloat(strings.TrimSpace(n), 64)
			return v
		}
	}
	return 0
}

// RSS is the resident memory of the process in MB (10^6 bytes).
func (p *Process) RSS() float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.ParseFloat(strings.Fields(kb)[0], 64)
			return n * 1024 / 1e6
		}
	}
	return 0
}

// Metric reads one value of /metrics, 0 if it is not there. A name without
// labels also stands for the sum over all labels.
func (p *Process) Metric(name string) float64 {
	body, err := p.Get("/metrics")
	if err != nil {
		return 0
	}
	var sum float64
	for s := bufio.NewScanner(bytes.NewReader(body)); s.Scan(); {
		series, value, _ := strings.Cut(s.Text(), " ")
		if bare, _, _ := strings.Cut(series, "{"); series == name || bare == name {
			v, _ := strconv.ParseFloat(value, 64)
			sum += v
		}
	}
	return sum
}
