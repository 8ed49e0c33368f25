package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tabaproject/taba/internal/child"
)

// redis is a redis-server, or a Sentinel, that runs.
type redis struct {
	addr string
	cmd  *exec.Cmd
}

// startRedis starts a server that keeps what it answered.
func startRedis(t *testing.T, args ...string) *redis {
	t.Helper()
	addr := freeAddress(t)
	host, port, _ := net.SplitHostPort(addr)
	return runRedis(t, addr, exec.Command("redis-server", append([]string{
		"--port", port, "--bind", host, "--dir", t.TempDir(), "--save", "", "--appendonly", "yes",
	}, args...)...))
}

// startSentinel starts a Sentinel that knows masters and never lets another
// take over.
func startSentinel(t *testing.T, masters map[string]*redis) *redis {
	t.Helper()
	addr := freeAddress(t)
	host, port, _ := net.SplitHostPort(addr)
	conf := []string{"port " + port, "bind " + host, "dir " + t.TempDir()}
	for name, m := range masters {
		host, port, _ := net.SplitHostPort(m.addr)
		conf = append(conf, fmt.Sprintf("sentinel monitor %s %s %s 2", name, host, port))
	}
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	if err := os.WriteFile(file, []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return runRedis(t, addr, exec.Command("redis-sentinel", file))
}

func freeAddress(t *testing.T) string {
	t.Helper()
	addr, err := child.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func runRedis(t *testing.T, addr string, cmd *exec.Cmd) *redis {
	t.Helper()
	child.Prepare(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: install redis-server and redis-sentinel, on Debian with: apt-get install redis-server redis-sentinel", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	eventually(t, cmd.Path+" listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return &redis{addr: addr, cmd: cmd}
}

func (r *redis) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// again starts a server that was killed, with what it had.
func (r *redis) again(t *testing.T) {
	t.Helper()
	*r = *runRedis(t, r.addr, exec.Command(r.cmd.Path, r.cmd.Args[1:]...))
}

// launchShared starts servers that share a store, each under a name of its own.
func launchShared(t *testing.T, store string, n int, args ...string) (servers []*process) {
	t.Helper()
	for i := range n {
		servers = append(servers, launch(t, append([]string{"server", "--store", store, "--name", fmt.Sprint("server", i)}, args...)...))
	}
	return servers
}

// everyServer waits until each server knows so many.
func everyServer(t *testing.T, servers []*process, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("all know %d servers", n), func() bool {
		for _, s := range servers {
			if _, text := s.get("/servers", "text/plain"); strings.Count(text, "\n") != n {
				return false
			}
		}
		return true
	})
}
