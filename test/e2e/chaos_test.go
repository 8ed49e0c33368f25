package e2e

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// Each of these tests has two clusters at once, which is also what keeps two
// processors busy.

// TestKills kills servers and agents under load, one or several at once, some
// of them again while they start.
func TestKills(t *testing.T) {
	t.Parallel()
	done := wanted(t, "kill -9", "TABA_CHAOS_KILLS", 60)
	for range 2 {
		t.Run("cluster", func(t *testing.T) {
			t.Parallel()
			c := launchCluster(t, false)
			c.rounds(done, func(int) { done.add(c.kill() - 1) })
		})
	}
}

// kill kills some processes, waits until everything works again and returns how
// many it killed.
func (c *cluster) kill() (kills int) {
	c.t.Helper()
	victims := c.all()
	rand.Shuffle(len(victims), func(i, j int) { victims[i], victims[j] = victims[j], victims[i] })
	victims = victims[:[]int{1, 1, 1, 2, len(victims)}[rand.IntN(5)]]
	for _, p := range victims {
		p.kill()
		kills++
	}
	for _, p := range victims {
		if p.spawn(); rand.IntN(4) == 0 {
			<-time.After(rand.N(startup))
			p.kill()
			kills++
			p.spawn()
		}
	}
	for _, p := range victims {
		p.ready()
	}
	goesOn(c.t, c.session)
	return kills
}

// startup is about how long a process takes to become ready.
const startup = 100 * time.Millisecond

// TestChaos has the network between agents and servers fail in every way in
// turn, while processes are killed and stopped.
func TestChaos(t *testing.T) {
	t.Parallel()
	done := wanted(t, "fault windows of the network", "TABA_CHAOS_WINDOWS", 50)
	var kills, stops atomic.Int64
	t.Cleanup(func() { t.Logf("with %d kill -9 and %d SIGSTOP", kills.Load(), stops.Load()) })
	for range 2 {
		t.Run("cluster", func(t *testing.T) {
			t.Parallel()
			c := launchCluster(t, true)
			c.rounds(done, func(i int) {
				victim := c.all()[i%3]
				switch i % 4 {
				case 0:
					kills.Add(1)
					c.window(i, victim.restart)
				case 2:
					stops.Add(1)
					c.window(i, func() {
						victim.freeze()
						goesOn(t, c.session)
						victim.thaw()
					})
				default:
					c.window(i, func() {})
				}
			})
		})
	}
}

// window has one fault of the network, and besides it what f does. It lasts
// until the fault has struck and the agents went on acknowledging; then the
// agent must find its way back to the server.
func (c *cluster) window(i int, f func()) {
	c.t.Helper()
	fault := networkFaults[i%len(networkFaults)]
	p := c.proxies[i/len(networkFaults)%len(c.proxies)]
	p.set(fault)
	eventually(c.t, string(fault)+" strikes", p.struck)
	f()
	goesOn(c.t, c.session)
	p.set(pass)
	eventually(c.t, "after "+string(fault)+" replies come again", p.struck)
}
