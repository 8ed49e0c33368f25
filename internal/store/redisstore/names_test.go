package redisstore_test

import (
	"net"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/redisrun"
	"github.com/tabaproject/taba/internal/store/redisstore"
)

// TestHostNames: servers that go by names, as they must where addresses change,
// and Sentinels that say them.
func TestHostNames(t *testing.T) {
	t.Parallel()
	named := func(s *server) *server {
		s.found(net.JoinHostPort("localhost", s.Port))
		return s
	}
	g := &guarded{t: t, masters: map[string]*server{}, replicas: map[string][]*server{}}
	for i := range 2 {
		s := named(prepared(t, loopback, append([]string{"--replica-announce-ip", "localhost"}, durable...)...))
		s.start()
		if i == 0 {
			g.masters["one"] = s
			continue
		}
		s.follow(g.masters["one"])
		g.replicas["one"] = append(g.replicas["one"], s)
	}
	for range 3 {
		s := named(sentinel(t, loopback, g.masters, 2*time.Second, "sentinel resolve-hostnames yes", "sentinel announce-hostnames yes", "sentinel announce-ip localhost"))
		s.start()
		s.Hasten()
		g.sentinels = append(g.sentinels, s)
	}
	g.settled("one")
	s := open(t, g.options(redisstore.Master{Name: "one", Last: -1}))
	l := burden(t, 2, s)
	l.goesOn()
	old, _ := g.takenOver("one", mishaps[0])
	old.start()
	g.settled("one")
	l.goesOn()
	l.finish()
	if m := redisrun.Master(running(g.sentinels), "one", running(g.servers("one"))); m == nil || m == old.Server {
		t.Errorf("the master is %v", m)
	}
}
