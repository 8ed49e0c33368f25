package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"

	"github.com/tabaproject/taba/internal/app"
)

// process runs a server or agent in the process of the test and returns its URL.
func process(t *testing.T, run func(context.Context, app.Options) error) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	addr, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- run(ctx, app.Options{Version: "test", Logger: slog.New(slog.DiscardHandler), Ready: func(a string) { addr <- a }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case a := <-addr:
		return "http://" + a
	case err := <-done:
		done <- nil
		t.Fatal(err)
		return ""
	}
}

func memoryServer(t *testing.T) string {
	return process(t, func(ctx context.Context, o app.Options) error {
		cfg := app.DefaultServerConfig()
		cfg.Listen, cfg.Store = "127.0.0.1:0", "memory"
		return app.RunServer(ctx, cfg, o)
	})
}

func agentOf(t *testing.T, server string) string {
	return process(t, func(ctx context.Context, o app.Options) error {
		cfg := app.DefaultAgentConfig()
		cfg.Listen, cfg.Servers, cfg.Spool, cfg.Name = "127.0.0.1:0", []string{server}, filepath.Join(t.TempDir(), "spool"), "web-3-agent"
		return app.RunAgent(ctx, cfg, o)
	})
}

// taba is a command line, run as this test's binary.
func taba(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Args[0] = "taba"
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "GORACE=atexit_sleep_ms=0")
	return cmd
}

// send records an event.
func send(t *testing.T, args ...string) {
	t.Helper()
	if out, err := taba(t, append([]string{"send"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("send %v: %v: %s", args, err, out)
	}
}

// terminal is a pseudo-terminal with a command on it.
type terminal struct {
	t   *testing.T
	cmd *exec.Cmd
	tty *os.File

	mu     sync.Mutex
	screen *vt.Emulator    // what a person sees
	shown  strings.Builder // all there was, without what drives the terminal
	done   chan struct{}   // closed when nothing is shown any more
}

// drive is what drives a terminal: control sequences, and strings for it.
var drive = regexp.MustCompile(`\x1b\[[0-9:;<=>?]*[ -/]*[@-~]|\x1b[\]P_^][^\x07\x1b]*(\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f]`)

func onTerminal(t *testing.T, rows, columns uint16, args ...string) *terminal {
	t.Helper()
	x := &terminal{t: t, cmd: taba(t, args...), screen: vt.NewEmulator(int(columns), int(rows)), done: make(chan struct{})}
	tty, err := pty.StartWithSize(x.cmd, &pty.Winsize{Rows: rows, Cols: columns})
	if err != nil {
		t.Fatal(err)
	}
	x.tty = tty
	answers := make(chan struct{})
	go func() { // what a program asks a terminal
		defer close(answers)
		_, _ = io.Copy(tty, x.screen)
	}()
	go x.read()
	t.Cleanup(func() {
		_ = x.cmd.Process.Kill() // it may have ended
		<-x.done
		_ = x.screen.InputPipe().(io.Closer).Close() // nothing is asked any more
		<-answers
		_ = tty.Close()
	})
	return x
}

func (x *terminal) read() {
	defer close(x.done)
	buf := make([]byte, 64<<10)
	for {
		n, err := x.tty.Read(buf)
		x.mu.Lock()
		_, _ = x.screen.Write(buf[:n]) // it is not closed
		x.shown.WriteString(drive.ReplaceAllString(string(buf[:n]), ""))
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// await waits until a text is on the screen.
func (x *terminal) await(text string) {
	x.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); ; {
		x.mu.Lock()
		screen := x.screen.String()
		x.mu.Unlock()
		if strings.Contains(screen, text) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			x.t.Fatalf("%q is not on the screen, but\n%s", text, screen)
		}
	}
}

func (x *terminal) press(keys string) {
	x.t.Helper()
	if _, err := x.tty.WriteString(keys); err != nil {
		x.t.Fatal(err)
	}
}

// ends waits for the command to end with an exit code.
func (x *terminal) ends(code int) {
	x.t.Helper()
	<-x.done
	_ = x.cmd.Wait() // the code says it
	if got := x.cmd.ProcessState.ExitCode(); got != code {
		x.t.Errorf("it ends with %d, want %d; shown is\n%s", got, code, x.shown.String())
	}
}

func TestTopOnATerminal(t *testing.T) {
	server := memoryServer(t)
	for _, args := range [][]string{
		{"bids_won", "1", "--client", "web-1"}, {"bids_won", "2", "--client", "web-2"}, {"clicks;dc=us-east", "1", "--client", "web-1"},
		{"build", "4.18", "--type", "Gauge", "--client", "web-1"},
	} {
		send(t, append(args, "--server", server)...)
	}
	x := onTerminal(t, 24, 100, "top", "--server", server, "--every", "10ms")
	for _, text := range []string{"bids_won", "clicks", "build", "CounterGroup", "SECOND", "quit"} {
		x.await(text)
	}
	x.press("?")
	x.await("what the States take")
	x.press("?C")
	x.await("web-2")
	x.press("g")
	x.await("group by")
	x.press("dc\r")
	x.await("us-east")
	x.press("n/")
	x.await("filter")
	x.press("build\r")
	x.await("build by name")
	send(t, "build_time", "3", "--server", server)
	x.press("/*\x7f\x7f\x7f\x7f\x7f\x7fbuild*\r") // what was typed before is taken back
	x.await("build_time")
	x.press("/{\r")
	x.await("unexpected")
	x.press("q")
	x.ends(0)
}

func TestTailOnATerminal(t *testing.T) {
	server := memoryServer(t)
	agent := agentOf(t, server)
	x := onTerminal(t, 24, 100, "tail", "bids*", "--server", agent, "--rate", "1")
	x.await("CLIENT")
	send(t, "bids_won", "7.25", "--agent", agent, "--client", "web-1")
	x.await("7.25")
	whole := onTerminal(t, 24, 100, "tail", "bids*", "--server", server)
	whole.await("CLIENT")
	for range 20 {
		send(t, "bids_lost", "3", "--agent", agent, "--client", "web-1")
	}
	x.await("showing 1 of")
	whole.await("1 event, folded")
	x.press("\x03")
	x.ends(0)
	whole.press("\x03")
	whole.ends(0)
}

func TestExplainOnATerminal(t *testing.T) {
	server := memoryServer(t)
	send(t, "bids_won", "1", "--server", server, "--client", "web-1")
	x := onTerminal(t, 40, 80, "explain", "bids_won", "--server", server)
	x.await("web-1")
	x.ends(0)
	for line := range strings.Lines(x.shown.String()) {
		if n := len([]rune(strings.TrimRight(line, "\r\n"))); n > 80 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	x = onTerminal(t, 40, 80, "explain", "bids_won", "--server", server, "--watch", "10m")
	x.await("since it is watched")
	send(t, "bids_won", "1", "--server", server, "--client", "web-2")
	x.await("web-2")
	x.press("\x03")
	x.ends(0)
	x = onTerminal(t, 40, 80, "explain", "bidswon", "--server", server)
	x.await("did you mean")
	x.ends(1)
}
