package redisrun

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tabaproject/taba/internal/child"
)

// Loopback is where servers listen that need no address of their own.
const Loopback = "127.0.0.1"

// Server is a server of Redis or Valkey, or a Sentinel.
type Server struct {
	*child.Process
	IP   string
	Port string // on which it listens
	Addr string // where others find it
	Dir  string
}

// program is what servers and Sentinels are started from: Redis, else Valkey. The
// programs of Sentinels are the same under another name, and may be missing.
func program() (name, path string, err error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return name, path, nil
		}
	}
	return "", "", errors.New("neither redis-server nor valkey-server is found; on Debian and Ubuntu: apt-get install redis-server, or valkey-server")
}

// Installed fails if what Server runs is missing, and says what to install.
func Installed() error {
	_, _, err := program()
	return err
}

// New returns a server with an append-only file in dir that is not started.
func New(name, dir, ip, port string, args ...string) (*Server, error) {
	return prepare(name, dir, ip, port, append([]string{
		"--port", port, "--bind", ip, "--dir", dir, "--save", "", "--appendonly", "yes", "--protected-mode", "no",
		"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
	}, args...))
}

// NewSentinel returns a Sentinel for masters, by name and address, that is not
// started. conf are more lines of its configuration.
func NewSentinel(name, dir, ip, port string, masters map[string]string, downAfter time.Duration, conf ...string) (*Server, error) {
	conf = append(conf, "protected-mode no", "port "+port, "bind "+ip, "dir "+dir)
	for name, addr := range masters {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		conf = append(conf, fmt.Sprintf("sentinel monitor %s %s %s 2", name, host, port),
			fmt.Sprintf("sentinel down-after-milliseconds %s %d", name, downAfter.Milliseconds()),
			fmt.Sprintf("sentinel failover-timeout %s 2000", name))
	}
	file := filepath.Join(dir, "sentinel.conf")
	if err := os.WriteFile(file, []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	return prepare(name, dir, ip, port, []string{file, "--sentinel"})
}

func prepare(name, dir, ip, port string, args []string) (*Server, error) {
	as, path, err := program()
	if err != nil {
		return nil, err
	}
	p, err := child.New(name, path, dir, args...)
	if err != nil {
		return nil, err
	}
	p.As, p.Dir = as, dir
	return &Server{Process: p, IP: ip, Port: port, Addr: net.JoinHostPort(ip, port), Dir: dir}, nil
}

// Start runs the server until it answers and has read its files. One that cannot
// have its port yet, as a connection has it, is started again.
func (s *Server) Start(ctx context.Context) error {
	for {
		if err := s.Process.Start(); err != nil {
			return err
		}
		err := s.Until(ctx, s.Answers)
		if err == nil || s.Running() || ctx.Err() != nil || !strings.Contains(err.Error(), "in use") {
			return err
		}
		pause := time.NewTimer(100 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}

// Answers reports whether it is this very process that answers, with all it has.
func (s *Server) Answers() bool {
	return strings.Contains(s.Try("INFO", "server"), "process_id:"+strconv.Itoa(s.Pid())+"\r\n") &&
		!strings.Contains(s.Try("INFO", "persistence"), "\nloading:1")
}

// Kept reports whether what a server answers is in the file that it reads at its
// start. After it has copied everything from a master it is not, until a new file
// is complete: killed before, it comes back with what it had before the copy.
func (s *Server) Kept() bool {
	info := s.Try("INFO", "persistence")
	return strings.Contains(info, "aof_rewrite_in_progress:0\r") && strings.Contains(info, "aof_rewrite_scheduled:0\r")
}

// CountsSynced reports whether a server can tell who has synced: then nobody who
// waits for that needs to wait until a replica has Kept what it answers.
func (s *Server) CountsSynced() bool {
	return strings.Contains(s.Try("COMMAND", "INFO", "WAITAOF"), "waitaof")
}

// Hasten lets a Sentinel look at its servers more often than every ten seconds,
// so that a failover takes no longer than it has to. It does nothing to how it
// decides. A Sentinel that cannot be told so is as it is.
func (s *Server) Hasten() {
	s.Try("SENTINEL", "DEBUG", "info-period", "300", "ping-period", "200", "ask-period", "300", "publish-period", "300",
		"tilt-trigger", "20000", "tilt-period", "2000")
}

// HasFollower reports whether another follows, by the master's own word.
func (s *Server) HasFollower(r *Server) bool {
	host, port, _ := net.SplitHostPort(r.Addr)
	return strings.Contains(s.Try("INFO", "replication"), fmt.Sprintf("ip=%s,port=%s,state=online", host, port))
}
