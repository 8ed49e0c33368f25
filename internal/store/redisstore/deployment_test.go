package redisstore_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/store/redisstore"
	"github.com/tabaproject/taba/internal/store/storetest"
)

// guarded is masters with replicas, watched by three Sentinels.
type guarded struct {
	masters   map[string]*server
	replicas  map[string][]*server
	sentinels []*server
}

// guard starts a master with replicas for each name, and the Sentinels.
func guard(t testing.TB, replicas int, names ...string) *guarded {
	t.Helper()
	g := &guarded{masters: map[string]*server{}, replicas: map[string][]*server{}}
	for _, name := range names {
		g.masters[name] = redis(t)
		for range replicas {
			r := redis(t)
			r.follow(g.masters[name])
			g.replicas[name] = append(g.replicas[name], r)
		}
	}
	for range 3 {
		g.sentinels = append(g.sentinels, sentinel(t, g.masters, 2*time.Second))
	}
	for _, s := range g.sentinels {
		for _, name := range names {
			s.eventually("Sentinels know each other and the replicas", func() bool {
				m := fields(s.do("SENTINEL", "MASTER", name))
				return m["num-other-sentinels"] == "2" && m["num-slaves"] == strconv.Itoa(replicas)
			})
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			for i, s := range g.sentinels {
				t.Logf("Sentinel %d: %s", i, s.out)
			}
		}
	})
	return g
}

// fields reads the names and values that alternate in the lines of an answer.
func fields(text string) map[string]string {
	m := map[string]string{}
	lines := strings.Split(text, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		m[lines[i]] = lines[i+1]
	}
	return m
}

func (g *guarded) options(masters ...redisstore.Master) redisstore.Options {
	o := redisstore.Options{Kind: redisstore.Sentinel, Masters: masters}
	for _, s := range g.sentinels {
		o.Addrs = append(o.Addrs, s.addr)
	}
	return o
}

func TestSentinelContract(t *testing.T) {
	t.Parallel()
	g := guard(t, 1, "one", "two")
	contract(t, func(c storetest.Config) redisstore.Options {
		last := c.VBuckets - 1
		if last == 0 {
			return g.options(redisstore.Master{Name: "two", Last: -1})
		}
		return g.options(redisstore.Master{Name: "one", First: 0, Last: last - 1}, redisstore.Master{Name: "two", First: last, Last: last})
	})
}

// clustered starts a Cluster of masters that share the slots.
func clustered(t testing.TB, masters int) []*server {
	t.Helper()
	var nodes []*server
	for range masters {
		nodes = append(nodes, node(t))
	}
	for i, n := range nodes {
		first, last := i*16384/masters, (i+1)*16384/masters-1
		n.do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last))
		if i > 0 {
			n.meet(nodes[0])
		}
	}
	for _, n := range nodes {
		n.eventually("the Cluster is whole", func() bool {
			info := n.do("CLUSTER", "INFO")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(masters))
		})
	}
	return nodes
}

func node(t testing.TB) *server {
	t.Helper()
	n := redis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", freePort(t), "--cluster-require-full-coverage", "no")
	return n
}

func (s *server) meet(other *server) {
	s.t.Helper()
	s.do("CLUSTER", "MEET", "127.0.0.1", other.port, other.busPort())
}

func (s *server) busPort() string {
	for i, a := range s.args {
		if a == "--cluster-port" {
			return s.args[i+1]
		}
	}
	s.t.Fatal("not a node of a Cluster")
	return ""
}

func TestClusterContract(t *testing.T) {
	t.Parallel()
	nodes := clustered(t, 3)
	contract(t, func(storetest.Config) redisstore.Options {
		return redisstore.Options{Kind: redisstore.Cluster, Addrs: []string{nodes[0].addr}}
	})
}
