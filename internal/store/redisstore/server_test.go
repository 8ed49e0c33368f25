package redisstore_test

import (
	"bytes"
	"context"
	"flag"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/child"
	"github.com/tabaproject/taba/internal/redisrun"
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
	*redisrun.Server
	t    testing.TB
	addr string // where others find it: behind a link if it has one
}

// output keeps what was logged.
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

// freePort returns a port that nobody else gets.
func freePort(t testing.TB) string {
	t.Helper()
	port, err := child.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

const loopback = redisrun.Loopback

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
	return own(t)(redisrun.New("redis", t.TempDir(), ip, freePort(t), args...))
}

// sentinel is a Sentinel for masters by name that is not started yet.
func sentinel(t testing.TB, ip string, masters map[string]*server, downAfter time.Duration, conf ...string) *server {
	t.Helper()
	at := map[string]string{}
	for name, m := range masters {
		at[name] = m.addr
	}
	return own(t)(redisrun.NewSentinel("sentinel", t.TempDir(), ip, freePort(t), at, downAfter, conf...))
}

// own has a server end with its test.
func own(t testing.TB) func(*redisrun.Server, error) *server {
	return func(r *redisrun.Server, err error) *server {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		return &server{Server: r, t: t, addr: r.Addr}
	}
}

// found says where others find a server.
func (s *server) found(addr string) { s.addr, s.Addr = addr, addr }

// start runs the server until it answers.
func (s *server) start() {
	s.t.Helper()
	if s.Running() {
		return
	}
	if err := s.Start(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

// relax lets a server sync once a second, as it does by default.
func (s *server) relax() { s.do("CONFIG", "SET", "appendfsync", "everysec") }

func (s *server) loaded() bool { return !strings.Contains(s.Try("INFO", "persistence"), "\nloading:1") }

// loadSlowly kills a server and lets it take seconds to read what it had. It
// answers once in a thousand keys, so these are many and each takes little.
func (s *server) loadSlowly() {
	s.t.Helper()
	s.do("EVAL", "for i = 1, 60000 do redis.call('SET', 'ballast:' .. i, i) end", "0")
	s.Kill()
	before := s.Args
	s.Args = append(append([]string{}, before...), "--key-load-delay", "20")
	if err := s.Process.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.Args = before
}

func (s *server) signal(sig syscall.Signal) { _ = s.Signal(sig) }

func (s *server) do(words ...string) string {
	s.t.Helper()
	text, err := s.Ask(words...)
	if err != nil || strings.HasPrefix(text, "ERR") {
		s.t.Fatalf("%v: %s %v", words, text, err)
	}
	return text
}

// eventually waits for a condition.
func (s *server) eventually(what string, is func() bool) {
	s.t.Helper()
	if !within(*patience, is) {
		s.t.Fatalf("%s: not in time\n%s", what, s.Said())
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
		s.eventually(r.addr+" follows "+s.addr, func() bool { return s.HasFollower(r.Server) })
	}
}
