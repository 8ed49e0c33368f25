package redisstore_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/redisrun"
	"github.com/tabaproject/taba/internal/store/redisstore"
	"github.com/tabaproject/taba/internal/store/storetest"
)

// guarded is masters with replicas, watched by three Sentinels.
type guarded struct {
	t         testing.TB
	net       *network
	masters   map[string]*server // at first
	replicas  map[string][]*server
	sentinels []*server
}

// guard starts a master with replicas for each name, and the Sentinels.
func guard(n *network, replicas int, names ...string) *guarded {
	t := n.t
	t.Helper()
	g := &guarded{t: t, net: n, masters: map[string]*server{}, replicas: map[string][]*server{}}
	for _, name := range names {
		g.masters[name] = g.net.redis()
		for range replicas {
			r := g.net.redis()
			r.follow(g.masters[name])
			g.replicas[name] = append(g.replicas[name], r)
		}
	}
	for range 3 {
		g.sentinels = append(g.sentinels, g.net.sentinel(g.masters))
	}
	t.Cleanup(func() {
		if t.Failed() {
			for i, s := range g.sentinels {
				t.Logf("Sentinel %d: %s", i, s.Said())
			}
		}
	})
	for _, name := range names {
		g.settled(name)
	}
	return g
}

// sentinel starts a Sentinel on a host of its own.
func (n *network) sentinel(masters map[string]*server) *server {
	n.t.Helper()
	ip := n.host()
	s := sentinel(n.t, ip, masters, 2*time.Second, "bind-source-addr "+ip)
	s.found(n.link(s))
	_, port, _ := net.SplitHostPort(s.addr)
	s.Args = append(s.Args, "--sentinel", "announce-ip", s.IP, "--sentinel", "announce-port", port)
	s.start()
	s.Hasten()
	return s
}

// servers are all of a name.
func (g *guarded) servers(name string) []*server {
	return append([]*server{g.masters[name]}, g.replicas[name]...)
}

// master returns the server that Sentinels say is the master, nil if they do
// not agree.
func (g *guarded) master(name string, sentinels ...*server) (m *server) {
	if len(sentinels) == 0 {
		sentinels = g.sentinels
	}
	now := redisrun.Master(running(sentinels), name, running(g.servers(name)))
	for _, s := range g.servers(name) {
		if s.Server == now {
			m = s
		}
	}
	return m
}

// running are the processes of servers.
func running(servers []*server) (all []*redisrun.Server) {
	for _, s := range servers {
		all = append(all, s.Server)
	}
	return all
}

// agreed waits until Sentinels agree on a master: on a busy machine they may see
// one as down that is not.
func (g *guarded) agreed(name string) (m *server) {
	g.t.Helper()
	g.sentinels[0].eventually("Sentinels agree", func() bool { m = g.master(name); return m != nil })
	return m
}

// others are the servers of a name that are not the master.
func (g *guarded) others(name string, m *server) []*server {
	return slices.DeleteFunc(g.servers(name), func(s *server) bool { return s == m })
}

// settled waits until every Sentinel sees the same master, the same replicas and
// each other, all in good order, and the replicas follow: what must be so before
// anything is broken.
func (g *guarded) settled(name string) {
	g.t.Helper()
	g.sentinels[0].eventually("all is in order at "+name, func() bool {
		return redisrun.InOrder(running(g.sentinels), name, running(g.servers(name)))
	})
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
	g := guard(newNetwork(t, false), 1, "one", "two")
	for _, name := range []string{"one", "two"} {
		for _, s := range g.servers(name) {
			s.relax()
		}
	}
	contract(t, func(c storetest.Config) redisstore.Options {
		last := c.VBuckets - 1
		if last == 0 {
			return g.options(redisstore.Master{Name: "two", Last: -1})
		}
		return g.options(redisstore.Master{Name: "one", First: 0, Last: last - 1}, redisstore.Master{Name: "two", First: last, Last: last})
	})
}

// cluster is the nodes of a Cluster, some of them replicas.
type cluster struct {
	t     testing.TB
	nodes []*server
}

// clustered starts a Cluster of masters that share the slots, the first of which
// have as many replicas as is said.
func clustered(t testing.TB, masters int, replicas ...int) *cluster {
	t.Helper()
	c := &cluster{t: t}
	for i := range masters {
		n := c.node()
		// Epochs that are given, and need not be fought out while masters fail.
		n.do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		n.do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*16384/masters), strconv.Itoa((i+1)*16384/masters-1))
		c.add(n)
	}
	for i, of := range replicas {
		id := c.nodes[i].do("CLUSTER", "MYID")
		for range of {
			r := c.node()
			c.add(r)
			r.eventually("it knows its master", func() bool { return strings.Contains(r.do("CLUSTER", "NODES"), id) })
			r.eventually("it becomes a replica", func() bool { return r.Try("CLUSTER", "REPLICATE", id) == "OK" })
		}
	}
	t.Cleanup(func() {
		for _, n := range c.nodes {
			if t.Failed() && n.Running() {
				t.Logf("node %s:\n%s\n%s", n.addr, n.Try("CLUSTER", "NODES"), n.Try("INFO", "replication"))
			}
		}
	})
	c.settled(masters)
	return c
}

// node starts a node that knows no other. Replicas stay with their masters: else
// those of a master that is about to fail may leave it for one that has none.
func (c *cluster) node() *server {
	c.t.Helper()
	return redis(c.t, append([]string{"--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", freePort(c.t),
		"--cluster-require-full-coverage", "no", "--cluster-allow-replica-migration", "no"}, durable...)...)
}

// add has a node meet the first one.
func (c *cluster) add(n *server) {
	c.t.Helper()
	if len(c.nodes) > 0 {
		first := c.nodes[0]
		n.do("CLUSTER", "MEET", first.IP, first.Port, first.bus())
	}
	c.nodes = append(c.nodes, n)
}

// bus is a node's port for other nodes.
func (s *server) bus() string { return s.Args[slices.Index(s.Args, "--cluster-port")+1] }

// settled waits until every node knows all others, which have slots and which
// follow whom, under the same epochs, and none is thought to have failed. A
// node that does not know the others when its master dies can never take over.
func (c *cluster) settled(masters int) {
	c.t.Helper()
	c.nodes[0].eventually("the Cluster is whole", func() bool {
		var views []string
		for _, n := range c.nodes {
			views = append(views, n.Try("CLUSTER", "NODES"))
		}
		want := outlook(views[0])
		if len(want) != len(c.nodes) || strings.Count(strings.TrimSpace(views[0]), "\n") != len(c.nodes)-1 || strings.Count(strings.Join(want, "\n"), " master ") != masters {
			return false
		}
		for _, v := range views {
			if !slices.Equal(outlook(v), want) {
				return false
			}
		}
		for _, n := range c.nodes {
			if !strings.Contains(n.Try("CLUSTER", "INFO"), "cluster_state:ok") || !n.CountsSynced() && !n.Kept() {
				return false
			}
			info := n.Try("INFO", "replication")
			if strings.Contains(info, "role:slave") && !strings.Contains(info, "master_link_status:up") {
				return false
			}
			if strings.Contains(info, "role:master") && strings.Count(info, "state=online") != strings.Count(strings.Join(want, "\n"), " slave "+n.Try("CLUSTER", "MYID")+" ") {
				return false
			}
		}
		return true
	})
}

// mendShards writes down of each replica the shard of its master, as an operator
// has to: a node that knows shards may have written another one when it was killed,
// and then does not start (valkey-io/valkey#774).
func (s *server) mendShards() {
	s.t.Helper()
	file := filepath.Join(s.Dir, "nodes.conf")
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	shards := map[string]string{} // by id
	for _, line := range lines {
		if f := strings.Fields(line); len(f) >= 8 {
			shards[f[0]] = shardOf(f[1])
		}
	}
	for i, line := range lines {
		if f := strings.Fields(line); len(f) >= 8 && shards[f[0]] != "" && shards[f[3]] != "" {
			lines[i] = strings.Replace(line, shardOf(f[1]), shards[f[3]], 1)
		}
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// shardOf is the shard in the second field of a line; "" if it has none.
func shardOf(field string) string {
	_, shard, _ := strings.Cut(field, "shard-id=")
	shard, _, _ = strings.Cut(shard, ",")
	return shard
}

// outlook is what a node thinks of each: id, role, master, epoch, slots. A node
// that is not in order is left out.
func outlook(view string) (lines []string) {
	for line := range strings.Lines(view) {
		f := strings.Fields(line)
		if len(f) < 8 || f[7] != "connected" {
			continue
		}
		role := strings.TrimPrefix(f[2], "myself,")
		if role == "master" && len(f) > 8 || role == "slave" {
			lines = append(lines, strings.Join([]string{f[0], role, f[3], f[6], strings.Join(f[8:], " ")}, " "))
		}
	}
	slices.Sort(lines)
	return lines
}

// owner returns the node that has a slot, by the word of a node; nil if none has.
func (c *cluster) owner(witness *server, slot int) *server {
	for line := range strings.Lines(witness.Try("CLUSTER", "NODES")) {
		f := strings.Fields(line)
		if len(f) < 9 || strings.Contains(f[2], "fail") {
			continue
		}
		for _, slots := range f[8:] {
			first, last, ranged := strings.Cut(slots, "-")
			if !ranged {
				last = first
			}
			a, err1 := strconv.Atoi(first)
			b, err2 := strconv.Atoi(last)
			if err1 == nil && err2 == nil && a <= slot && slot <= b {
				addr, _, _ := strings.Cut(f[1], "@")
				i := slices.IndexFunc(c.nodes, func(n *server) bool { return n.addr == addr })
				return c.nodes[i]
			}
		}
	}
	return nil
}

// mustOwner waits until a node knows who has a slot.
func (c *cluster) mustOwner(witness *server, slot int) (n *server) {
	c.t.Helper()
	witness.eventually("it knows who has the slot", func() bool { n = c.owner(witness, slot); return n != nil })
	return n
}

func (c *cluster) options() redisstore.Options {
	o := redisstore.Options{Kind: redisstore.Cluster}
	for _, n := range c.nodes {
		o.Addrs = append(o.Addrs, n.addr)
	}
	return o
}

func TestClusterContract(t *testing.T) {
	t.Parallel()
	c := clustered(t, 3)
	for _, n := range c.nodes {
		n.relax()
	}
	contract(t, func(storetest.Config) redisstore.Options { return c.options() })
}
