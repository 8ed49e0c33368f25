package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/child"
	"github.com/tabaproject/taba/internal/redisrun"
)

// redis is a redis-server, or a Sentinel, that runs.
type redis struct {
	*redisrun.Server
	addr string
}

// startRedis starts a server that keeps what it answered.
func startRedis(t *testing.T, args ...string) *redis {
	t.Helper()
	return runRedis(t)(redisrun.New("redis", t.TempDir(), redisrun.Loopback, freePort(t), args...))
}

// startSentinel starts a Sentinel that knows masters and never lets another
// take over, as it is alone.
func startSentinel(t *testing.T, masters map[string]*redis) *redis {
	t.Helper()
	at := map[string]string{}
	for name, m := range masters {
		at[name] = m.addr
	}
	return runRedis(t)(redisrun.NewSentinel("sentinel", t.TempDir(), redisrun.Loopback, freePort(t), at, time.Minute))
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := child.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// runRedis runs a server until the test is over.
func runRedis(t *testing.T) func(*redisrun.Server, error) *redis {
	return func(s *redisrun.Server, err error) *redis {
		t.Helper()
		if err == nil {
			t.Cleanup(func() { _ = s.Close() }) // it is killed
			err = s.Start(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		return &redis{Server: s, addr: s.Addr}
	}
}

func (r *redis) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := r.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// again starts a server that was killed, with what it had.
func (r *redis) again(t *testing.T) {
	t.Helper()
	r.Kill()
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
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
