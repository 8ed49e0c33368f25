package redisstore_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/redisstore"
)

var (
	failovers = flag.Int("failovers", 20, "how often TestFailover lets a replica take over, in all")
	loseOnce  = flag.Int("lossyfailovers", 6, "the same for TestLossyFailover")
	elections = flag.Int("elections", 3, "how often TestClusterFailover lets a replica take over")
)

// mishap is a way to lose a master. back ends it.
type mishap struct {
	name string
	lose func(g *guarded, master *server)
	back func(g *guarded, master *server)
}

var turns atomic.Int64

// nextMishap returns each in turn.
func nextMishap() mishap { return mishaps[int(turns.Add(1)-1)%len(mishaps)] }

var mishaps = []mishap{
	{"kill", func(_ *guarded, m *server) { m.Kill() }, func(_ *guarded, m *server) { m.start() }},
	{"hang", func(_ *guarded, m *server) { m.signal(syscall.SIGSTOP) }, func(_ *guarded, m *server) { m.signal(syscall.SIGCONT) }},
	// The master is left with one Sentinel, and with stores that know no other.
	{"partition", func(g *guarded, m *server) { g.net.cut(m, g.sentinels[0]) }, func(g *guarded, _ *server) { g.net.heal() }},
}

// takenOver loses the master and returns it when Sentinels have announced
// another one, and when they did.
func (g *guarded) takenOver(name string, m mishap) (old *server, announced time.Time) {
	g.t.Helper()
	old = g.agreed(name)
	m.lose(g, old)
	sees := g.sentinels[1:]
	sees[0].eventually("another takes over after "+m.name, func() bool {
		now := g.master(name, sees...)
		return now != nil && now != old
	})
	return old, time.Now()
}

// ordeal is a deployment that fails over again and again, and two stores on it:
// one knows the Sentinel that is cut off with a master, one the others.
func ordeal(t *testing.T, wait redisstore.Wait) (*guarded, []store.Store) {
	t.Helper()
	g := guard(newNetwork(t, true), 2, "one")
	o := g.options(redisstore.Master{Name: "one", First: 0, Last: 1})
	o.Timeout, o.Wait = 2*time.Second, wait
	a, b := o, o
	a.Addrs, b.Addrs = o.Addrs[:1], o.Addrs[1:]
	return g, []store.Store{open(t, a), open(t, b)}
}

// rounds runs failovers spread over a few deployments that are mistreated at the
// same time: they wait most of it.
func rounds(t *testing.T, n int, one func(t *testing.T, n int)) {
	const most = 10 // for each deployment: the log grows
	each := min((n+3)/4, most)
	for i := 0; n > 0; i++ {
		here := min(n, each)
		n -= here
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			one(t, here)
		})
	}
}

// durations of something that happened again and again.
type durations struct {
	mu   sync.Mutex
	list []time.Duration
}

func (d *durations) add(x time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, x)
}

func (d *durations) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.Sort(d.list)
	if len(d.list) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d, median %v, at worst %v", len(d.list), d.list[len(d.list)/2], d.list[len(d.list)-1])
}

// TestFailover: a master is killed, hangs or is cut off under load, and a
// replica takes over. What was acknowledged is there, once, and no answer has
// less than one before. As every replica is waited for, nothing is acknowledged
// until the old master follows.
func TestFailover(t *testing.T) {
	t.Parallel()
	var acks durations
	t.Run("all", func(t *testing.T) {
		rounds(t, *failovers, func(t *testing.T, n int) {
			g, stores := ordeal(t, redisstore.WaitAll)
			l := burden(t, 4, stores...)
			for range n {
				l.goesOn()
				m := nextMishap()
				old, _ := g.takenOver("one", m)
				l.refused()
				m.back(g, old)
				g.settled("one")
				acks.add(l.goesOn())
			}
			l.finish()
		})
	})
	t.Logf("from the old master's return to an acknowledgement: %v", &acks)
}

// TestLossyFailover: where no replica or not every one is waited for, failovers
// may lose what was acknowledged; senders that ask find out and send it again.
// Soon after all is well again nothing is missing. The new master acknowledges
// without the old one.
func TestLossyFailover(t *testing.T) {
	t.Parallel()
	const equal = time.Minute
	var acks, healing durations
	t.Run("all", func(t *testing.T) {
		rounds(t, *loseOnce, func(t *testing.T, n int) {
			for _, wait := range []redisstore.Wait{redisstore.WaitNone, 1} {
				g, stores := ordeal(t, wait)
				for range n {
					l := lossyBurden(t, 4, stores...)
					l.goesOn()
					m := nextMishap()
					old, announced := g.takenOver("one", m)
					l.goesOn()
					acks.add(time.Since(announced))
					m.back(g, old)
					g.settled("one")
					healed := time.Now()
					l.finish()
					healing.add(time.Since(healed))
				}
			}
		})
	})
	t.Logf("from the announcement to an acknowledgement: %v", &acks)
	t.Logf("from healing until nothing is missing: %v", &healing)
	if n := len(healing.list); n > 0 && healing.list[n-1] > equal {
		t.Errorf("something is missing for longer than %v", equal)
	}
}

// TestReturningReplica: the only replica is killed while commits go on, returns
// and takes over at once, before it can have caught up. It has all that was
// acknowledged, as nothing was while it was away. Where servers count who has
// synced this holds for one as well that was killed before its first file was
// complete, which takes long here; elsewhere it is waited for.
func TestReturningReplica(t *testing.T) {
	t.Parallel()
	g := guard(newNetwork(t, false), 1, "one")
	o := g.options(redisstore.Master{Name: "one", First: 0, Last: 1})
	o.Timeout = time.Second
	s := open(t, o)
	for range 2 {
		l := burden(t, 2, s)
		l.goesOn()
		master := g.agreed("one")
		replica := g.others("one", master)[0]
		replica.Kill()
		l.refused()
		acked := l.acked.Load()
		l.refused()
		l.refused()
		if now := l.acked.Load(); now != acked {
			t.Errorf("%d parts were acknowledged that the replica does not have", now-acked)
		}
		comesToSay(t, s, "0 of 1 replicas follow, without "+replica.addr)
		if master.CountsSynced() {
			master.do("CONFIG", "SET", "rdb-key-save-delay", "50000")
		}
		// It comes back to a master that hangs, so that it knows no more than
		// it did.
		master.signal(syscall.SIGSTOP)
		replica.start()
		g.sentinels[0].eventually("the replica takes over", func() bool { return g.master("one") == replica })
		l.refused()
		master.signal(syscall.SIGCONT)
		g.settled("one")
		l.goesOn()
		l.finish()
	}
}

// TestForgottenReplica: an operator who gives a replica up has Sentinels forget
// it. A number of replicas to wait for does the same beforehand.
func TestForgottenReplica(t *testing.T) {
	t.Parallel()
	g := guard(newNetwork(t, false), 2, "one")
	o := g.options(redisstore.Master{Name: "one", First: 0, Last: 1})
	o.Timeout = time.Second
	l := burden(t, 1, open(t, o))
	l.goesOn()
	gone := g.replicas["one"][1]
	gone.Kill()
	l.refused()
	o.Wait = 1
	other := lossyBurden(t, 1, open(t, o))
	other.goesOn()
	other.finish()
	for _, s := range g.sentinels {
		s.do("SENTINEL", "RESET", "one")
	}
	l.goesOn()
	l.finish()
}

// TestClusterFailover: the node that has a vbucket is killed, or hangs, under
// load, and one of its replicas takes over.
func TestClusterFailover(t *testing.T) {
	t.Parallel()
	const masters = 3
	c := clustered(t, masters, 2, 1, 1)
	o := c.options()
	o.VBuckets, o.Timeout = 4, 2*time.Second
	strict := burden(t, 2, open(t, o), open(t, o))
	o.Prefix, o.Wait = fresh(), 1
	lossy := lossyBurden(t, 2, open(t, o))
	const slot = 0 // of the first master, the one that has replicas
	witness := c.nodes[1]
	for i := range *elections {
		strict.goesOn()
		lossy.goesOn()
		old := c.mustOwner(witness, slot)
		hangs := i%2 == 1
		if hangs {
			old.signal(syscall.SIGSTOP)
		} else {
			old.Kill()
		}
		witness.eventually("another takes over", func() bool {
			now := c.owner(witness, slot)
			return now != nil && now != old
		})
		strict.refused()
		lossy.goesOn()
		if hangs {
			old.signal(syscall.SIGCONT)
		} else {
			old.mendShards()
			old.start()
		}
		c.settled(masters)
	}
	strict.goesOn()
	strict.finish()
	lossy.finish()
}

// TestMovingSlots: the slots of vbuckets move to another node, and back, under
// load.
func TestMovingSlots(t *testing.T) {
	t.Parallel()
	const masters = 2
	c := clustered(t, masters, 1, 1)
	o := c.options()
	o.VBuckets, o.Timeout = 4, 2*time.Second
	s := open(t, o)
	l := burden(t, 2, s, open(t, o))
	for range 2 {
		for vb := range o.VBuckets {
			l.goesOn()
			c.move(redisstore.Slot(vb))
		}
	}
	l.goesOn()
	l.finish()
}

// move moves a slot from the master that has it to the other one.
func (c *cluster) move(slot int) {
	c.t.Helper()
	n := fmt.Sprint(slot)
	from := c.mustOwner(c.nodes[0], slot)
	to := c.nodes[0]
	if to == from {
		to = c.nodes[1]
	}
	id := to.do("CLUSTER", "MYID")
	to.do("CLUSTER", "SETSLOT", n, "IMPORTING", from.do("CLUSTER", "MYID"))
	from.do("CLUSTER", "SETSLOT", n, "MIGRATING", id)
	from.eventually("keys have moved", func() bool {
		keys := from.do("CLUSTER", "GETKEYSINSLOT", n, "10")
		if keys == "" {
			return true
		}
		from.do(append([]string{"MIGRATE", to.IP, to.Port, "", "0", "60000", "KEYS"}, strings.Split(keys, "\n")...)...)
		return false
	})
	to.do("CLUSTER", "SETSLOT", n, "NODE", id)
	from.do("CLUSTER", "SETSLOT", n, "NODE", id)
	for _, node := range c.nodes {
		node.eventually("it knows who has the slot", func() bool { return c.owner(node, slot) == to })
	}
}
