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
	RestoreStore                                         int // Pebble's directory, from a copy
	Client                                               int // a client without a spool does something
	Move                                                 int // a vbucket goes to another shard
	Away                                                 int // the shard of a vbucket is away, for long
	Fill                                                 int // an agent's disk is full, or has room again
	GC, Jump, Leap                                       int // forget; store clock jumps; days pass
	Delete, Prune                                        int

	// Chances in a hundred.
	Lose, Repeat, Late int // messages; Late ones arrive when their sender has given up
	Stuck              int // the replicas do not answer
	Link               int // a server loses sight of the store in the middle of something
	Slow               int // a compaction is held up between reading and writing
	AgentDisk          int // in a thousand: a write fails
	StoreDisk          int // in a thousand
	LoseEnd            int // a failover loses the end of an id, if it can
	Split              int // a primary that was taken over from goes on for some servers
	Misfit             int // a Batch meets a server with another partition function

	Clients            int   // that speak v2 and have no spool
	Quota, RetainBytes int64 // of spools; 0: more than is ever needed
	Early              bool  // spools may be copied before they have an id
	Quarantine         bool  // there are faults that bring events there
	Account            bool  // nothing is deleted, and agents must know how much they lost
}

// early is 0 if spools have no id when the faults begin, else 1.
func (m *Mix) early() int {
	if m.Early {
		return 0
	}
	return 1
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

// pebble puts the real store on a simulated disk.
func pebble(m *Mix) {
	network(m)
	m.Pebble, m.Steps, m.Failover, m.KillServer, m.CutServer, m.Stuck = true, 200, 0, 1, 2, 0
}

// Mixes are the faults that correct code must stand.
var Mixes = []Mix{
	base("calm"),
	base("network").with(network),
	base("power").with(func(m *Mix) { network(m); m.CutAgent, m.AgentDisk = 5, 8 }),
	base("full disks").with(func(m *Mix) { network(m); m.Fill, m.Quota, m.CutAgent, m.AgentDisk = 4, 12_000, 2, 4 }),
	base("stale replicas, WAIT 0").with(func(m *Mix) { network(m); m.Wait, m.Failover, m.CutAgent = false, 5, 2 }),
	base("split brain").with(func(m *Mix) { network(m); m.Failover, m.Split, m.Read = 4, 70, 8 }),
	base("split brain, WAIT 0").with(func(m *Mix) { network(m); m.Wait, m.Failover, m.Split = false, 4, 70 }),
	base("moving vbuckets").with(func(m *Mix) { network(m); m.Wait, m.Move, m.VBuckets = false, 4, 3 }),
	base("retention by bytes, WAIT 0").with(func(m *Mix) {
		network(m)
		m.Wait, m.Failover, m.RetainBytes, m.Quarantine = false, 4, 600, true
	}),
	base("a shard away").with(func(m *Mix) { network(m); m.VBuckets, m.Away, m.CutAgent, m.Tabs = 3, 2, 1, 8 }),
	base("a shard away, WAIT 0").with(func(m *Mix) {
		network(m)
		m.VBuckets, m.Away, m.Wait, m.Failover, m.Move, m.Tabs = 3, 2, false, 4, 1, 8
	}),
	base("what is lost is known").with(func(m *Mix) {
		network(m)
		m.Wait, m.Failover, m.RetainBytes, m.Quarantine, m.CutAgent = false, 6, 1, true, 2
		m.Delete, m.Prune, m.Account = 0, 0, true
	}),
	base("another partition function").with(func(m *Mix) { network(m); m.Misfit, m.KillAgent = 25, 3 }),
	base("clients without a spool").with(func(m *Mix) {
		network(m)
		m.Agents, m.Clients, m.Client, m.GC, m.Leap, m.Jump = 1, 2, 60, 2, 1, 1
		m.Quarantine = true
	}),
	base("clients and stale replicas, WAIT 0").with(func(m *Mix) {
		network(m)
		m.Agents, m.Clients, m.Client, m.Wait, m.Failover = 1, 2, 60, false, 4
	}),
	base("cloned spools").with(func(m *Mix) { network(m); m.Clone, m.CutAgent, m.Quarantine = 1, 2, true }),
	base("restored spools").with(func(m *Mix) { network(m); m.Restore, m.Quarantine = 2, true }),
	base("copies before the first id").with(func(m *Mix) {
		network(m)
		m.Early, m.Clone, m.Restore, m.Agent, m.Quarantine = true, 3, 1, 25, true
	}),
	base("clones and stale replicas").with(func(m *Mix) {
		network(m)
		m.Wait, m.Failover, m.Clone, m.Restore, m.Quarantine = false, 4, 1, 1, true
	}),
	base("clocks and forgetting").with(func(m *Mix) { network(m); m.GC, m.Jump, m.Leap, m.Quarantine = 5, 3, 2, true }),
	base("everything").with(func(m *Mix) {
		network(m)
		m.Agents, m.VBuckets, m.Wait = 3, 3, false
		m.CutAgent, m.AgentDisk, m.Failover, m.Clone, m.Restore = 3, 4, 3, 1, 1
		m.Clients, m.Client, m.Split, m.Move, m.Fill, m.Misfit = 1, 10, 50, 1, 1, 3
		m.Away = 1
		m.GC, m.Jump, m.Quarantine = 3, 2, true
	}),
	base("pebble").with(func(m *Mix) { pebble(m); m.CutServer, m.CutAgent = 3, 2 }),
	base("pebble, failing disks").with(func(m *Mix) { pebble(m); m.CutServer, m.CutAgent, m.AgentDisk, m.StoreDisk = 1, 1, 6, 4 }),
	base("pebble from a backup").with(func(m *Mix) { pebble(m); m.RestoreStore, m.Quarantine = 3, true }),
	base("pebble, everything").with(func(m *Mix) {
		pebble(m)
		m.CutAgent, m.AgentDisk, m.StoreDisk, m.Fill, m.Misfit = 1, 3, 2, 1, 3
		m.Clone, m.Restore, m.RestoreStore, m.Clients, m.Client = 1, 1, 2, 1, 10
		m.GC, m.Jump, m.Leap, m.Quarantine = 2, 1, 1, true
	}),
}
