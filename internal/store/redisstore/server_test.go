package redisstore_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server is a redis-server, or a Sentinel, that runs.
type server struct {
	t    testing.TB
	addr string
	port string
	dir  string
	exe  string
	args []string
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
}

// output keeps what a server said.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

// redis starts a server with an append-only file.
func redis(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{t: t, port: freePort(t), dir: t.TempDir(), exe: "redis-server"}
	s.args = append([]string{
		"--port", s.port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "yes",
		"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
	}, args...)
	s.addr = "127.0.0.1:" + s.port
	s.start()
	return s
}

// sentinel starts a Sentinel for masters by name.
func sentinel(t testing.TB, masters map[string]*server, downAfter time.Duration) *server {
	t.Helper()
	s := &server{t: t, port: freePort(t), dir: t.TempDir(), exe: "redis-sentinel"}
	conf := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\n", s.port, s.dir)
	for name, m := range masters {
		conf += fmt.Sprintf("sentinel monitor %s 127.0.0.1 %s 2\nsentinel down-after-milliseconds %s %d\nsentinel failover-timeout %s 2000\n",
			name, m.port, name, downAfter.Milliseconds(), name)
	}
	file := filepath.Join(s.dir, "sentinel.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{file}
	s.addr = "127.0.0.1:" + s.port
	s.start()
	return s
}

func (s *server) start() {
	s.t.Helper()
	s.out = &output{}
	s.cmd = exec.Command(s.exe, s.args...)
	s.cmd.Dir = s.dir
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("%v: install redis-server and redis-sentinel", err)
	}
	done := make(chan struct{})
	s.done = done
	cmd := s.cmd
	go func() {
		_ = cmd.Wait() // however it ends
		close(done)
	}()
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
	})
	s.eventually("it answers", func() bool { return strings.HasPrefix(s.try("PING"), "PONG") })
}

// kill is kill -9.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

func (s *server) signal(sig syscall.Signal) { _ = s.cmd.Process.Signal(sig) }

// try runs a command with redis-cli and returns what it says.
func (s *server) try(words ...string) string {
	out, _ := exec.Command("redis-cli", append([]string{"-h", "127.0.0.1", "-p", s.port, "--no-auth-warning"}, words...)...).CombinedOutput()
	return strings.TrimSpace(string(out))
}

func (s *server) do(words ...string) string {
	s.t.Helper()
	out := s.try(words...)
	if strings.Contains(out, "ERR") || strings.Contains(out, "refused") {
		s.t.Fatalf("%v: %s", words, out)
	}
	return out
}

// eventually waits for a condition.
func (s *server) eventually(what string, is func() bool) {
	s.t.Helper()
	if !within(30*time.Second, is) {
		s.t.Fatalf("%s: not in time\n%s", what, s.out)
	}
}

// within waits for a condition, and looks at it more and more seldom.
func within(most time.Duration, is func() bool) bool {
	end := time.Now().Add(most)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		if is() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
		<-time.After(pause)
	}
}

// follow makes a server a replica and waits until it follows.
func (s *server) follow(master *server) {
	s.t.Helper()
	s.do("REPLICAOF", "127.0.0.1", master.port)
	s.eventually("it follows", func() bool { return strings.Contains(s.do("INFO", "replication"), "master_link_status:up") })
}
