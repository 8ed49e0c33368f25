package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tabaproject/taba/internal/verify"
)

// A full disk is made without privileges by RLIMIT_FSIZE: beyond it no file
// grows, and a write that reaches it is cut short as on a full disk. The signal
// that comes with it would end the process, so a process to be treated like
// this is started by a wrapper that blocks it: the mask of signals survives
// exec, and the Go runtime leaves it as it found it.

// wrapped is the variable that makes this test binary a wrapper of the program
// it names.
const wrapped = "TABA_E2E_WRAPPED"

// wrap becomes the program at path, with SIGXFSZ blocked.
func wrap(path string) {
	runtime.LockOSThread()
	var set unix.Sigset_t
	const n = int(unix.SIGXFSZ) - 1
	set.Val[n/64] |= 1 << (n % 64)
	err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil)
	if err == nil {
		err = syscall.Exec(path, append([]string{path}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, "wrap:", err)
	os.Exit(1)
}

// wrapper is exec.Command by way of a wrapper.
func wrapper(path string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), wrapped+"="+path)
	return cmd
}

// fillDisk keeps the process's files from growing.
func (p *process) fillDisk() { p.limitFiles(0) }

// freeDisk ends that.
func (p *process) freeDisk() { p.limitFiles(unix.RLIM_INFINITY) }

func (p *process) limitFiles(size uint64) {
	p.t.Helper()
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil); err != nil {
		p.t.Fatal(err)
	}
}

// refuses waits until the process is not ready and answers posts with 503.
func (p *process) refuses() {
	p.t.Helper()
	eventually(p.t, "503 and not ready", func() bool {
		posted, _ := p.do(http.MethodPost, "/post", "", nil, totals("full", 1))
		ready, _ := p.get("/readyz", "")
		return posted == http.StatusServiceUnavailable && ready == http.StatusServiceUnavailable
	})
}

func (p *process) isReady() bool {
	status, _ := p.get("/readyz", "")
	return status == http.StatusOK
}

// TestAgentWithFullDisk fills an agent's disk again and again under load. The
// agent goes on by itself when there is room, and nothing is lost.
func TestAgentWithFullDisk(t *testing.T) {
	dir := scratch(t)
	server := launchServer(t, dir)
	agent := launchAs(t, wrapper, "agent", "--spool", dir+"/spool", "--servers", server.url)
	s := newSession(t, verify.Options{Server: server.url, Agents: []string{agent.url}})
	underLoad(t, s, func() {
		for range 3 {
			agent.fillDisk()
			agent.refuses()
			agent.freeDisk()
			eventually(t, "ready again", agent.isReady)
			goesOn(t, s)
		}
	})
	before := mustVerify(t, s)
	agent.restart()
	if after := mustVerify(t, s); after != before {
		t.Errorf("answers changed by kill -9: %+v before, %+v after", before, after)
	}
}

// TestServerWithFullDisk fills a server's disk under load. The agent before it
// goes on acknowledging; the server takes events again when it is started with
// room, and nothing is lost.
func TestServerWithFullDisk(t *testing.T) {
	dir := scratch(t)
	server := launchAs(t, wrapper, "server", "--data", dir+"/data")
	agent := launchAgent(t, dir, server)
	s := newSession(t, verify.Options{Server: server.url, Agents: []string{agent.url}, Direct: true})
	underLoad(t, s, func() {
		for range 3 {
			server.fillDisk()
			server.refuses()
			goesOn(t, s)
			server.restart()
			goesOn(t, s)
		}
	})
	mustVerify(t, s)
	mustAudit(t, server)
}

// underLoad does f while the session sends.
func underLoad(t *testing.T, s *verify.Session, f func()) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	sent := make(chan error, 1)
	go func() { sent <- s.Send(ctx, 0) }()
	goesOn(t, s)
	f()
	stop()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// goesOn waits until some more events are acknowledged.
func goesOn(t *testing.T, s *verify.Session) {
	t.Helper()
	reached := s.Progress().Acknowledged + 200
	eventually(t, "more is acknowledged", func() bool { return s.Progress().Acknowledged >= reached })
}
