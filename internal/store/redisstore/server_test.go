package redisstore_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is what a test that fails takes, not one that passes: machines may be
// busy.
var patience = flag.Duration("patience", 3*time.Minute, "how long a condition may take to come about")

// TestMain lets more tests run at a time than there are processors: they wait
// for servers most of the time.
func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		_ = flag.Set("test.parallel", "10") // it is a number
	}
	os.Exit(m.Run())
}

// server is a redis-server, or a Sentinel, that runs.
type server struct {
	t    testing.TB
	ip   string
	port string // on which it listens
	addr string // where others find it: behind a link if it has one
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

// ports that were given out, which nobody else in this process gets.
var ports struct {
	mu  sync.Mutex
	out map[int]bool
}

// freePort returns a port below those that the system gives to connections:
// one of these could take it while a server is down.
func freePort(t testing.TB) string {
	t.Helper()
	ports.mu.Lock()
	defer ports.mu.Unlock()
	if ports.out == nil {
		ports.out = map[int]bool{}
	}
	for range 1000 {
		n := 12000 + rand.IntN(20000)
		if ports.out[n] {
			continue
		}
		l, err := net.Listen("tcp", ":"+strconv.Itoa(n))
		if err != nil {
			continue
		}
		ports.out[n] = true
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return strconv.Itoa(n)
	}
	t.Fatal("no port is free")
	return ""
}

const loopback = "127.0.0.1"

// redis starts a server with an append-only file.
func redis(t testing.TB, args ...string) *server {
	t.Helper()
	s := prepared(t, loopback, args...)
	s.start()
	return s
}

// durable is for servers that are killed and must come back with all they
// answered: one that does not sync first may write late, too.
var durable = []string{"--appendfsync", "always"}

// prepared is a server that is not started yet.
func prepared(t testing.TB, ip string, args ...string) *server {
	t.Helper()
	s := &server{t: t, ip: ip, port: freePort(t), dir: t.TempDir(), exe: "redis-server"}
	s.args = append([]string{
		"--port", s.port, "--bind", ip, "--dir", s.dir, "--save", "", "--appendonly", "yes", "--protected-mode", "no",
		"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
	}, args...)
	s.addr = net.JoinHostPort(ip, s.port)
	return s
}

// sentinel is a Sentinel for masters by name that is not started yet.
func sentinel(t testing.TB, ip string, masters map[string]*server, downAfter time.Duration, conf ...string) *server {
	t.Helper()
	s := &server{t: t, ip: ip, port: freePort(t), dir: t.TempDir(), exe: "redis-sentinel"}
	conf = append(conf, "protected-mode no", "port "+s.port, "bind "+ip, "dir "+s.dir)
	for name, m := range masters {
		host, port, _ := net.SplitHostPort(m.addr)
		conf = append(conf, fmt.Sprintf("sentinel monitor %s %s %s 2", name, host, port),
			fmt.Sprintf("sentinel down-after-milliseconds %s %d", name, downAfter.Milliseconds()),
			fmt.Sprintf("sentinel failover-timeout %s 2000", name))
	}
	file := filepath.Join(s.dir, "sentinel.conf")
	if err := os.WriteFile(file, []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{file}
	s.addr = net.JoinHostPort(ip, s.port)
	return s
}

// kept reports whether what a server answers is in the file that it reads at its
// start. After it has copied everything from a master it is not, until a new file
// is complete: killed before, it comes back with what it had before the copy.
func (s *server) kept() bool {
	info := s.try("INFO", "persistence")
	return strings.Contains(info, "aof_rewrite_in_progress:0\r") && strings.Contains(info, "aof_rewrite_scheduled:0\r")
}

// hasten lets a Sentinel look at its servers more often than every ten seconds,
// so that a failover takes no longer than it has to. It does nothing to how it
// decides. A Sentinel that cannot be told so is as it is.
func (s *server) hasten() {
	s.try("SENTINEL", "DEBUG", "info-period", "300", "ping-period", "200", "ask-period", "300", "publish-period", "300",
		"tilt-trigger", "20000", "tilt-period", "2000")
}

// start runs the server until it answers. One that cannot have its port yet,
// as a connection has it, is started again.
func (s *server) start() {
	s.t.Helper()
	s.eventually("it answers", func() bool {
		if !s.running() {
			s.launch()
		}
		return strings.Contains(s.try("INFO", "server"), "process_id:"+strconv.Itoa(s.cmd.Process.Pid)+"\r\n") && s.loaded()
	})
}

// relax lets a server sync once a second, as it does by default.
func (s *server) relax() { s.do("CONFIG", "SET", "appendfsync", "everysec") }

func (s *server) loaded() bool { return !strings.Contains(s.try("INFO", "persistence"), "\nloading:1") }

func (s *server) running() bool {
	if s.done == nil {
		return false
	}
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// loadSlowly kills a server and lets it take seconds to read what it had.
func (s *server) loadSlowly() {
	s.t.Helper()
	s.do("EVAL", "for i = 1, 20000 do redis.call('SET', 'ballast:' .. i, i) end", "0")
	s.kill()
	before := s.args
	s.args = append(append([]string{}, before...), "--key-load-delay", "200")
	s.launch()
	s.args = before
}

func (s *server) launch() {
	s.t.Helper()
	s.out = &output{}
	s.cmd = exec.Command(s.exe, s.args...)
	s.cmd.Dir = s.dir
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("%v: install redis-server and redis-sentinel, on Debian with: apt-get install redis-server redis-sentinel", err)
	}
	done, cmd := make(chan struct{}), s.cmd
	s.done = done
	go func() {
		_ = cmd.Wait() // however it ends
		close(done)
	}()
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
	})
}

// kill is kill -9.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

func (s *server) signal(sig syscall.Signal) { _ = s.cmd.Process.Signal(sig) }

// try asks a server and returns what it says, a line for each part of it.
func (s *server) try(words ...string) string {
	text, err := s.ask(words)
	if err != nil {
		return err.Error()
	}
	return text
}

// ask has a connection of its own, as a server may hang or be another one the
// next time.
func (s *server) ask(words []string) (string, error) {
	const most = 10 * time.Second
	c, err := net.DialTimeout("tcp", net.JoinHostPort(s.ip, s.port), most)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(most)) // it does not fail on a connection that is open
	var b bytes.Buffer
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := c.Write(b.Bytes()); err != nil {
		return "", err
	}
	lines, err := reply(bufio.NewReader(c), nil)
	return strings.Join(lines, "\n"), err
}

// reply reads an answer, arrays within arrays one after the other.
func reply(r *bufio.Reader, lines []string) ([]string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return lines, err
	}
	kind, text := line[0], strings.TrimSuffix(line[1:], "\r\n")
	n, _ := strconv.Atoi(text) // of what has a length
	switch {
	case kind == '*':
		for range n {
			if lines, err = reply(r, lines); err != nil {
				return lines, err
			}
		}
		return lines, nil
	case kind == '$' && n >= 0:
		b := make([]byte, n+2)
		_, err := io.ReadFull(r, b)
		return append(lines, string(b[:n])), err
	case kind == '$':
		text = ""
	}
	return append(lines, text), nil
}

func (s *server) do(words ...string) string {
	s.t.Helper()
	text, err := s.ask(words)
	if err != nil || strings.HasPrefix(text, "ERR") {
		s.t.Fatalf("%v: %s %v", words, text, err)
	}
	return text
}

// eventually waits for a condition.
func (s *server) eventually(what string, is func() bool) {
	s.t.Helper()
	if !within(*patience, is) {
		s.t.Fatalf("%s: not in time\n%s", what, s.out)
	}
}

// within waits for a condition, and looks at it more and more seldom.
func within(most time.Duration, is func() bool) bool {
	end := time.Now().Add(most)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		if is() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
		<-time.After(pause)
	}
}

// follow makes a server a replica and waits until it follows and its master
// knows: it may say so itself before.
func (s *server) follow(master *server) {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(master.addr)
	s.do("REPLICAOF", host, port)
	master.followedBy(s)
}

// followedBy waits until replicas follow, by the master's own word.
func (s *server) followedBy(replicas ...*server) {
	s.t.Helper()
	for _, r := range replicas {
		s.eventually(r.addr+" follows "+s.addr, func() bool { return s.hasFollower(r) })
	}
}

func (s *server) hasFollower(r *server) bool {
	host, port, _ := net.SplitHostPort(r.addr)
	return strings.Contains(s.try("INFO", "replication"), fmt.Sprintf("ip=%s,port=%s,state=online", host, port))
}
