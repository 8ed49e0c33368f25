package redisstore_test

import (
	"flag"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/store/redisstore"
)

var failovers = flag.Int("failovers", 2, "how often TestFailover lets a replica take over")

// master asks a Sentinel which server is the master.
func (g *guarded) master(name string) *server {
	addr := g.sentinels[0].do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
	for _, s := range append(g.replicas[name], g.masters[name]) {
		if strings.HasSuffix(addr, s.port) {
			return s
		}
	}
	return nil
}

// settled waits until both other servers follow the master.
func (g *guarded) settled(name string) {
	g.sentinels[0].t.Helper()
	g.sentinels[0].eventually("all replicas follow", func() bool {
		m := g.master(name)
		return m != nil && strings.Count(m.try("INFO", "replication"), "state=online") == len(g.replicas[name])
	})
}

// TestFailover: a master is killed, or hangs, under load; a Sentinel lets a
// replica take over; what was acknowledged is there, once.
func TestFailover(t *testing.T) {
	t.Parallel()
	g := guard(t, 2, "one")
	o := g.options(redisstore.Master{Name: "one", First: 0, Last: 3})
	o.Timeout = 2 * time.Second
	a, b := open(t, o), open(t, o)
	l := burden(t, 4, a, b)
	var worst time.Duration
	for i := range *failovers {
		l.goesOn()
		old := g.master("one")
		hangs := i%2 == 1
		if hangs {
			old.signal(syscall.SIGSTOP)
		} else {
			old.kill()
		}
		g.sentinels[0].eventually("another takes over", func() bool {
			m := g.master("one")
			return m != nil && m != old
		})
		announced := time.Now()
		l.goesOn()
		worst = max(worst, time.Since(announced))
		if hangs {
			old.signal(syscall.SIGCONT)
		} else {
			old.start()
		}
		g.settled("one")
	}
	l.goesOn()
	l.finish()
	t.Logf("%d failovers, at worst %v from the announcement to an acknowledgement", *failovers, worst)
}

// TestClusterFailover: the node that has a vbucket is killed under load, and one
// of its replicas takes over.
func TestClusterFailover(t *testing.T) {
	t.Parallel()
	nodes := clustered(t, 3)
	o := redisstore.Options{Kind: redisstore.Cluster, VBuckets: 4, Timeout: 2 * time.Second}
	for _, n := range nodes {
		o.Addrs = append(o.Addrs, n.addr)
	}
	owner := nodes[0]
	for _, n := range nodes {
		if !strings.Contains(n.try("GET", "taba:{0}:s"), "MOVED") {
			owner = n
		}
	}
	id := owner.do("CLUSTER", "MYID")
	for range 2 {
		r := node(t)
		r.meet(owner)
		r.eventually("it knows its master", func() bool { return strings.Contains(r.do("CLUSTER", "NODES"), id) })
		r.eventually("it follows", func() bool { return r.try("CLUSTER", "REPLICATE", id) == "OK" })
	}
	owner.eventually("replicas follow", func() bool {
		return strings.Count(owner.do("INFO", "replication"), "state=online") == 2
	})
	l := burden(t, 4, open(t, o), open(t, o))
	l.goesOn()
	owner.kill()
	within(time.Second, func() bool { return l.failed.Load() > 0 })
	l.goesOn()
	owner.start()
	l.goesOn()
	l.finish()
}
