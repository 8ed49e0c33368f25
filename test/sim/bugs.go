package sim

import (
	"github.com/tabaproject/taba/internal/forward"
	"github.com/tabaproject/taba/internal/store"
)

// Bug is a mistake that can be put back, in a wrapper around what ships.
type Bug struct {
	Name    string
	Mix     Mix // that finds it
	disk    func(d *disk, agents bool)
	cluster func(c *Cluster)
	store   func(w *World, st store.Store) store.Store
	courier func(a *agent) courier
}

// courier is between an agent and the network.
type courier interface {
	out(q *forward.Request) *forward.Request
	back(q *forward.Request, r *forward.Reply)
}

// honest is the courier that changes nothing.
type honest struct{}

func (honest) out(q *forward.Request) *forward.Request { return q }
func (honest) back(*forward.Request, *forward.Reply)   {}

func (b *Bug) onDisk(d *disk, agents bool) {
	if b != nil && b.disk != nil {
		b.disk(d, agents)
	}
}

func (b *Bug) onCluster(c *Cluster) {
	if b != nil && b.cluster != nil {
		b.cluster(c)
	}
}

func (b *Bug) onStore(w *World, st store.Store) store.Store {
	if b == nil || b.store == nil {
		return st
	}
	return b.store(w, st)
}

func (w *World) courier(a *agent) courier {
	if w.bug == nil || w.bug.courier == nil {
		return honest{}
	}
	return w.bug.courier(a)
}

// failovers is a store that goes back to an earlier state now and then.
func failovers(m *Mix) {
	m.Wait, m.Direct, m.Failover, m.Replicate = false, false, 6, 2
	m.Lose, m.Repeat, m.Late = 10, 10, 50
}

// unsafe is a store whose replicas are often slow, and one that takes over.
func unsafe(m *Mix) {
	m.Failover, m.Stuck, m.Replicate, m.Read = 6, 50, 0, 3
	m.Lose, m.Late = 5, 50
}

// Bugs are the mistakes that the simulator must find.
var Bugs = []Bug{
	{
		Name: "the watermark is the highest number seen",
		Mix: base("several Batches in flight").with(func(m *Mix) {
			m.Agents, m.Clients, m.Client, m.Agent, m.Post, m.Direct = 1, 2, 90, 20, 10, false
			m.Lose, m.Late, m.Repeat = 10, 50, 5
		}),
		store: func(_ *World, st store.Store) store.Store { return &loose{Store: st, claims: claims{}} },
	},
	{
		Name: "the chain hash is not checked",
		Mix: base("often cloned spools").with(func(m *Mix) {
			m.Agents, m.Clone, m.Direct, m.Quarantine = 1, 3, false, true
			m.Lose = 10
		}),
		store: func(_ *World, st store.Store) store.Store { return &loose{Store: st, claims: claims{}, prev: true} },
	},
	{
		Name: "an unknown source is taken for new",
		Mix: base("requests a month late").with(func(m *Mix) {
			m.GC, m.Leap, m.Late, m.Lose, m.Repeat, m.Quarantine = 8, 6, 90, 20, 15, true
		}),
		store: func(_ *World, st store.Store) store.Store { return newAmnesiac(st, false) },
	},
	{
		Name: "watermarks are forgotten early",
		Mix: base("collection under loss").with(func(m *Mix) {
			m.GC, m.Lose, m.Late, m.Repeat = 8, 20, 60, 15
		}),
		store: func(_ *World, st store.Store) store.Store { return newAmnesiac(st, true) },
	},
	{
		Name: "horizons follow the clock, however it jumps",
		Mix:  base("jumping clocks").with(func(m *Mix) { m.GC, m.Jump, m.Lose, m.Quarantine = 8, 6, 20, false }),
		store: func(_ *World, st store.Store) store.Store {
			return hasty{st}
		},
	},
	{
		Name:    "reads show commits that are not synced",
		Mix:     base("readers of slow replicas").with(unsafe).with(func(m *Mix) { m.Read = 12 }),
		cluster: func(c *Cluster) { c.unfenced = func(_ *Cluster, w waiter) bool { return w == waitRead } },
	},
	{
		Name:    "a primary that was taken over from answers reads",
		Mix:     base("readers of two primaries").with(func(m *Mix) { m.Failover, m.Split, m.Read = 4, 80, 12 }),
		cluster: func(c *Cluster) { c.unfenced = func(c *Cluster, w waiter) bool { return w == waitRead && c.alone } },
	},
	{
		Name: "records are acknowledged before the fsync",
		Mix:  base("power of agents").with(func(m *Mix) { m.CutAgent = 6 }),
		disk: func(d *disk, _ bool) { d.lie = ".seg" },
	},
	{
		Name:    "the store commits without sync",
		Mix:     base("slow replicas").with(unsafe),
		cluster: func(c *Cluster) { c.unfenced = func(_ *Cluster, w waiter) bool { return w != waitRead } },
	},
	{
		Name: "the store's log is not synced",
		Mix: base("power of the store").with(func(m *Mix) {
			m.Pebble, m.Steps, m.CutServer = true, 200, 8
		}),
		disk: func(d *disk, _ bool) { d.lie = ".log" },
	},
	{
		Name: "a duplicate is acknowledged before its first copy is safe",
		Mix: base("slow replicas, one sender").with(unsafe).with(func(m *Mix) {
			m.Agents, m.VBuckets, m.Direct, m.Read, m.Compact = 1, 1, false, 0, 0
			m.Post, m.Failover, m.Repeat = 12, 12, 10
		}),
		cluster: func(c *Cluster) { c.unfenced = func(_ *Cluster, w waiter) bool { return w == waitDuplicate } },
	},
	{
		Name: "the end of an id is answered before it is safe",
		Mix: base("copied spools end, stale replicas").with(func(m *Mix) {
			m.Wait, m.Failover, m.Replicate, m.LoseEnd = false, 6, 0, 90
			m.RetainBytes, m.Clone, m.KillAgent, m.Quarantine = 1, 4, 4, true
			m.Agents, m.VBuckets, m.Direct, m.Lose, m.Late = 1, 1, false, 15, 50
		}),
		cluster: func(c *Cluster) { c.unfenced = func(_ *Cluster, w waiter) bool { return w == waitEnd } },
	},
	{
		Name: "compaction compares offsets alone",
		Mix: base("slow compactors, stale replicas").with(failovers).with(func(m *Mix) {
			m.Compact, m.Slow, m.VBuckets, m.Tabs, m.Failover = 16, 85, 1, 2, 4
			m.Agents, m.Post, m.Tick = 3, 60, 16
		}),
		store: func(_ *World, st store.Store) store.Store { return careless{st} },
	},
	{
		Name: "snapshot and tail are read in two steps",
		Mix: base("compaction under readers").with(func(m *Mix) {
			m.VBuckets, m.Read, m.Compact = 1, 12, 4
		}),
		store: func(_ *World, st store.Store) store.Store { return twoSteps{st} },
	},
	{
		Name: "directories are not synced",
		Mix:  base("power of agents").with(func(m *Mix) { m.CutAgent = 6 }),
		disk: func(d *disk, agents bool) { d.lieDir = agents },
	},
	{
		Name:    "agents do not reconcile",
		Mix:     base("stale replicas").with(failovers),
		courier: func(*agent) courier { return unasked{} },
	},
	{
		Name:    "a retry has a new number",
		Mix:     base("losses").with(func(m *Mix) { m.Lose, m.Late = 20, 50 }),
		courier: func(a *agent) courier { return &renumberer{a: a, tried: map[store.Digest]bool{}} },
	},
}
