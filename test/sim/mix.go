package sim

// Mix is a named mixture of faults: how often what happens. The zero value of
// a field means never.
type Mix struct {
	Name     string
	Steps    int
	Agents   int
	VBuckets int
	Pebble   bool // the store is pebblestore on a simulated disk, else Cluster
	Wait     bool // of Cluster: acknowledgements wait for the replicas
	Direct   bool // applications post to servers too
	Tabs     int  // default 4

	// Weights of what may happen in a step.
	Post, Agent, Deliver, Read, Compact, Replicate, Tick int // what is normal
	Failover                                             int // a replica takes over
	KillAgent, CutAgent                                  int // kill -9; power loss
	KillServer, CutServer                                int // the latter of Pebble's disk
	Clone, Restore                                       int // of spools
	GC, Jump, Leap                                       int // forget; store clock jumps; days pass
	Delete, Prune                                        int

	// Chances in a hundred.
	Lose, Repeat, Late int // messages; Late ones arrive when their sender has given up
	Stuck              int // the replicas do not answer
	Link               int // a server loses sight of the store in the middle of something
	Slow               int // a compaction is held up between reading and writing
	AgentDisk          int // in a thousand: a write fails
	StoreDisk          int // in a thousand

	Quarantine bool // there are faults that bring events there
}

// base is a busy cluster without faults.
func base(name string) Mix {
	return Mix{
		Name: name, Steps: 350, Agents: 2, VBuckets: 2, Wait: true, Direct: true,
		Post: 30, Agent: 45, Deliver: 30, Read: 5, Compact: 4, Replicate: 4, Tick: 8,
	}
}

func (m Mix) with(f func(*Mix)) Mix {
	f(&m)
	return m
}

// network is what an ordinary bad day does to messages and processes.
func network(m *Mix) {
	m.Lose, m.Repeat, m.Late, m.Link, m.Stuck, m.Slow = 12, 8, 50, 10, 15, 25
	m.KillAgent, m.KillServer, m.Failover = 2, 2, 2
	m.Delete, m.Prune = 1, 1
}

// Mixes are the faults that correct code must stand.
var Mixes = []Mix{
	base("calm"),
	base("network").with(network),
	base("power").with(func(m *Mix) { network(m); m.CutAgent, m.AgentDisk = 5, 8 }),
	base("stale replicas, WAIT 0").with(func(m *Mix) { network(m); m.Wait, m.Failover, m.CutAgent = false, 5, 2 }),
	base("cloned spools").with(func(m *Mix) { network(m); m.Clone, m.CutAgent, m.Quarantine = 1, 2, true }),
	base("restored spools").with(func(m *Mix) { network(m); m.Restore, m.Quarantine = 2, true }),
	base("clones and stale replicas").with(func(m *Mix) {
		network(m)
		m.Wait, m.Failover, m.Clone, m.Restore, m.Quarantine = false, 4, 1, 1, true
	}),
	base("clocks and forgetting").with(func(m *Mix) { network(m); m.GC, m.Jump, m.Leap, m.Quarantine = 5, 3, 2, true }),
	base("everything").with(func(m *Mix) {
		network(m)
		m.Agents, m.VBuckets, m.Wait = 3, 3, false
		m.CutAgent, m.AgentDisk, m.Failover, m.Clone, m.Restore = 3, 4, 3, 1, 1
		m.GC, m.Jump, m.Quarantine = 3, 2, true
	}),
	base("pebble").with(func(m *Mix) {
		network(m)
		m.Pebble, m.Steps, m.Failover, m.KillServer, m.CutServer = true, 200, 0, 1, 3
		m.CutAgent, m.Stuck = 2, 0
	}),
	base("pebble, failing disks").with(func(m *Mix) {
		network(m)
		m.Pebble, m.Steps, m.Failover, m.KillServer, m.CutServer = true, 200, 0, 1, 1
		m.CutAgent, m.Stuck, m.AgentDisk, m.StoreDisk = 1, 0, 6, 4
	}),
}
