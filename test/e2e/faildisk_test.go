package e2e

import (
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"testing"
)

// TestFailingDisks has the disks of an agent and of a server fail in every way
// in turn, under load. All the while nothing may be acknowledged that is not on
// the disk: what was not synced is lost with the process. In the end every
// acknowledged event is counted once.
func TestFailingDisks(t *testing.T) {
	t.Parallel()
	done := wanted(t, "faults of disks", "TABA_CHAOS_DISKS", 200)
	t.Run("agent", func(t *testing.T) {
		t.Parallel()
		dir := scratch(t)
		server := launchServer(t, dir)
		agent, disk := launchOnDisk(t, "agent", "--spool", filepath.Join(dir, "spool"), "--servers", server.url)
		p := &patient{process: agent, disk: disk, c: &cluster{t: t, server: server, agents: []*process{agent}}}
		p.c.rounds(done, p.agentCycle)
		t.Logf("%d operations failed", p.struck)
	})
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		dir := scratch(t)
		server, disk := launchOnDisk(t, "server", "--data", filepath.Join(dir, "data"))
		agent := launchAgent(t, dir, server)
		p := &patient{process: server, disk: disk, c: &cluster{t: t, server: server, agents: []*process{agent}}}
		p.c.rounds(done, p.serverCycle)
		t.Logf("%d operations failed", p.struck)
	})
}

// patient is a process whose disk fails, in a cluster.
type patient struct {
	*process
	disk   *diskOf
	c      *cluster
	struck int // operations that failed
}

// agentCycle has one fault of an agent's disk. Only one that lasts is seen from
// outside, and when it ends the agent goes on by itself.
func (p *patient) agentCycle(i int) {
	p.t.Helper()
	fault := diskFaults[i%len(diskFaults)]
	switch i / len(diskFaults) % 4 {
	case 0:
		if p.strike(Order{Fault: fault, Times: 1}); !p.isReady() {
			p.t.Errorf("not ready after one time: %s", fault)
		}
	case 1:
		p.strike(Order{Fault: fault})
		p.heal()
		eventually(p.t, "ready again after: "+string(fault), p.isReady)
	case 2:
		p.strike(Order{Fault: fault})
		p.restart()
	case 3:
		p.startWith(fault)
	}
	goesOn(p.t, p.c.session)
}

// serverCycle has one fault of a server's disk. After that it takes nothing
// until it is started again, and the agent goes on acknowledging.
func (p *patient) serverCycle(i int) {
	p.t.Helper()
	fault := diskFaults[i%len(diskFaults)]
	switch i / len(diskFaults) % 3 {
	case 0:
		p.strike(Order{Fault: fault, Times: 1})
		p.heal()
		goesOn(p.t, p.c.session)
		p.restart()
	case 1:
		p.strike(Order{Fault: fault})
		p.restart()
	case 2:
		p.startWith(fault)
	}
	goesOn(p.t, p.c.session)
}

// strike gives the order and waits until it has been carried out and is seen
// from outside, if it can be.
func (p *patient) strike(o Order) {
	p.t.Helper()
	p.disk.set(o)
	eventually(p.t, string(o.Fault), func() bool { return p.disk.struck() > 0 })
	if o.Fault != syncSlow && (o.Times == 0 || p.args[0] == "server") {
		p.refuses()
	}
	p.struck += p.disk.struck()
}

// heal ends the fault.
func (p *patient) heal() { p.disk.set(Order{}) }

// startWith kills the process and has the disk fail somewhere in its next start
// or soon after. Whatever comes of that, the start after it must be good.
func (p *patient) startWith(fault diskFault) {
	p.t.Helper()
	p.disk.next.First = Order{Fault: fault, Skip: rand.IntN(8)}
	p.kill()
	p.spawn()
	p.disk.next.First = Order{}
	eventually(p.t, "an end, or an answer", func() bool {
		status, _ := p.get("/readyz", "")
		return p.hasEnded() || status != 0
	})
	if !p.hasEnded() {
		p.struck += p.disk.struck()
	}
	p.restart()
}

// refuses waits until the process is not ready and answers posts with 503.
func (p *process) refuses() {
	p.t.Helper()
	eventually(p.t, "503 and not ready", func() bool {
		posted, _ := p.do(http.MethodPost, "/post", "", nil, totals("refused", 1))
		ready, _ := p.get("/readyz", "")
		return posted == http.StatusServiceUnavailable && ready == http.StatusServiceUnavailable
	})
}
