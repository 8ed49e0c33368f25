// Package e2e runs the real binary as users do: processes that are posted to,
// queried, killed and started again.
package e2e

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is the taba command, built once, with the race detector on unless
// TABA_E2E_RACE is off.
var binary string

func TestMain(m *testing.M) {
	if path := os.Getenv(wrapped); path != "" {
		wrap(path) // this process is the wrapper of a taba process
	}
	if orders := os.Getenv(ordered); orders != "" {
		os.Exit(serveOnDisk(orders, os.Args[1:])) // … or a taba process on a disk that fails
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "taba-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "taba")
	build := exec.Command("go", "build", raceFlag(), "-o", binary, "../../cmd/taba")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// raceFlag is whether taba is built with the race detector.
func raceFlag() string {
	if os.Getenv("TABA_E2E_RACE") == "off" {
		return "-race=false"
	}
	return "-race"
}

// patience bounds every wait for a condition; it is never waited out in a
// run that passes. A machine that is busy with other things needs more of it.
var patience = patienceOf(os.Getenv("TABA_CHAOS_PATIENCE"), 2*time.Minute)

func patienceOf(text string, usual time.Duration) time.Duration {
	if text == "" {
		return usual
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(fmt.Sprintf("TABA_CHAOS_PATIENCE: %v", err))
	}
	return d
}

// client asks and posts.
var client = &http.Client{Timeout: patience / 4}

// scratch is a directory for data and logs. With the flag -artifacts it is kept
// if the test fails.
func scratch(t *testing.T) string {
	t.Helper()
	dir := t.ArtifactDir()
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(dir)
		}
	})
	return dir
}

// process is one taba server or agent. It keeps its address and directory
// over restarts.
type process struct {
	t       *testing.T
	url     string
	args    []string
	command func(path string, args ...string) *exec.Cmd
	cmd     *exec.Cmd
	ended   chan struct{} // closed when cmd has ended
	err     error         // how cmd ended; read it after ended is closed
	log     *os.File
}

// launch starts `taba args…` and waits until it is ready.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	return launchAs(t, freeHost(), exec.Command, args...)
}

// launchAs does the same on a given host, with a command of the caller's
// making.
func launchAs(t *testing.T, host string, command func(path string, args ...string) *exec.Cmd, args ...string) *process {
	t.Helper()
	log, err := os.CreateTemp(t.ArtifactDir(), args[0]+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	addr := host + ":8300"
	p := &process{t: t, url: "http://" + addr, args: append(args, "--listen", addr), command: command, log: log}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("taba %s says:\n%s", args[0], p.lastWords())
		}
		p.kill()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("taba %s:\n%s", strings.Join(p.args, " "), text[max(0, len(text)-maxLog):])
		}
		_ = log.Close()
	})
	p.start()
	return p
}

// lastWords is what the process says of itself, if it still does.
func (p *process) lastWords() string {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get(p.url + "/status")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// maxLog is how much of a log a failed test shows.
const maxLog = 16 << 10

// freeHost is an address of loopback that is nobody else's, and stays so while
// the process that listens there is down. A free port of 127.0.0.1 may meanwhile
// be given to a connection.
func freeHost() string {
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), 1+rand.IntN(250), 1+rand.IntN(250))
}

func launchServer(t *testing.T, dir string) *process {
	t.Helper()
	return launch(t, "server", "--data", filepath.Join(dir, "data"))
}

func launchAgent(t *testing.T, dir string, servers ...*process) *process {
	t.Helper()
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.url)
	}
	return launch(t, "agent", "--spool", filepath.Join(dir, "spool"), "--servers", strings.Join(urls, ","))
}

// start starts the process and waits until it is ready.
func (p *process) start() {
	p.t.Helper()
	p.spawn()
	p.ready()
}

func (p *process) spawn() {
	p.t.Helper()
	p.cmd = p.command(binary, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	// Ctrl-C is for the tests, which end their processes, or die with them.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan struct{})
	p.ended = ended
	go func(cmd *exec.Cmd) {
		defer close(ended)
		p.err = cmd.Wait()
	}(p.cmd)
}

func (p *process) ready() {
	p.t.Helper()
	eventually(p.t, "ready: "+p.url, func() bool {
		if p.hasEnded() {
			p.t.Fatalf("taba %s ended by itself: %v", p.args[0], p.err)
		}
		return p.isReady()
	})
}

func (p *process) isReady() bool {
	status, _ := p.get("/readyz", "")
	return status == http.StatusOK
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// kill ends the process as kill -9 does: nothing is flushed.
func (p *process) kill() {
	if p.ended != nil {
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// terminate asks the process to drain and checks that it ends with exit 0.
func (p *process) terminate() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if <-p.ended; p.err != nil {
		p.t.Errorf("after SIGTERM: %v", p.err)
	}
}

func (p *process) restart() {
	p.t.Helper()
	p.kill()
	p.start()
}

// freeze stops the process where it is; thaw lets it go on.
func (p *process) freeze() { p.signal(syscall.SIGSTOP) }
func (p *process) thaw()   { p.signal(syscall.SIGCONT) }

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// do sends a request; a status of 0 means that there was no answer.
func (p *process) do(method, path, accept string, header http.Header, body []byte) (int, string) {
	req, err := http.NewRequest(method, p.url+path, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

func (p *process) get(path, accept string) (int, string) {
	return p.do(http.MethodGet, path, accept, nil, nil)
}

// want checks one answer byte for byte.
func (p *process) want(path, accept, want string) {
	p.t.Helper()
	if status, got := p.get(path, accept); status != http.StatusOK || got != want {
		p.t.Errorf("GET %s (Accept %q): %d\n got %q\nwant %q", path, accept, status, got, want)
	}
}

// mustPost posts and requires the original's success: 200 with an empty body.
func (p *process) mustPost(path string, header http.Header, body []byte) {
	p.t.Helper()
	if status, text := p.do(http.MethodPost, path, "", header, body); status != http.StatusOK || text != "" {
		p.t.Fatalf("POST %s: %d %q, want 200 and an empty body", path, status, text)
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if ok() {
			return
		}
	}
	t.Fatalf("waited %v in vain: %s", patience, what)
}

func zipped(body []byte) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(body)
	_ = w.Close()
	return b.Bytes()
}
