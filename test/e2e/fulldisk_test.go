package e2e

import (
	"fmt"
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

// TestAgentWithFullDisk fills an agent's disk again and again under load. The
// agent goes on by itself when there is room, and nothing is lost.
func TestAgentWithFullDisk(t *testing.T) {
	t.Parallel()
	dir := scratch(t)
	server := launchServer(t, dir)
	agent := launchAs(t, freeHost(), wrapper, "agent", "--spool", dir+"/spool", "--servers", server.url)
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
	if after := mustVerify(t, s); !after.Keeps(before) {
		t.Errorf("answers changed by kill -9: %+v before, %+v after", before, after)
	}
}

// TestServerWithFullDisk fills a server's disk under load. The agent before it
// goes on acknowledging; the server takes events again when it is started with
// room, and nothing is lost.
func TestServerWithFullDisk(t *testing.T) {
	t.Parallel()
	dir := scratch(t)
	server := launchAs(t, freeHost(), wrapper, "server", "--data", dir+"/data")
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
