package sim

import (
	"slices"

	"github.com/tabaproject/taba/internal/store"
)

// failover lets a stale replica take over. Its predecessor may not know and go
// on serving those who do not know either.
func (w *World) failover() {
	c := w.cluster
	w.count(nFailovers)
	n := c.safe
	if w.rng.IntN(2) == 0 {
		n += w.rng.IntN(len(c.history) - c.safe + 1)
	}
	if end := c.end(); end >= 0 && w.chance(w.mix.LoseEnd) {
		n = end
	}
	w.say("a replica takes over; %d of %d changes are lost", len(c.history)-n, len(c.history))
	if w.chance(w.mix.Split) {
		s := w.anyServer()
		w.say("  the old primary does not know, and %s neither", s.name)
		w.count(nSplits)
		s.link.Store, s.split = w.bug.onStore(w, c.deposed()), true
	}
	c.failover(n)
	if w.mix.RetainBytes > 0 { // what was acknowledged may not be held any more
		w.excuseTold()
	}
}

// deposed is the primary as it was. Its replicas have another one now: it
// waits for them in vain, if it does.
func (c *Cluster) deposed() *Cluster {
	old := &Cluster{
		Store: c.mem, meta: c.meta, mem: c.mem, epochs: slices.Clone(c.epochs), history: slices.Clip(c.history),
		safe: c.safe, wait: c.wait, alone: true, unfenced: c.unfenced,
	}
	return old
}

// heal lets servers learn who the primary is, each with a chance in a hundred.
func (w *World) heal(percent int) {
	for _, s := range w.servers {
		if s.split && w.rng.IntN(100) < percent {
			w.say("%s learns who the primary is", s.name)
			s.link.Store, s.split = w.store, false
		}
	}
}

// leave has the shard of a vbucket go away, or the one that is away come back.
func (w *World) leave() {
	if vb := slices.Index(w.away, true); vb >= 0 {
		w.say("the shard of vbucket %d is back", vb)
		w.away[vb] = false
		return
	}
	vb := w.rng.IntN(len(w.away))
	w.say("the shard of vbucket %d is away", vb)
	w.away[vb] = true
}

// isAway reports whether the shard of a vbucket is away.
func (w *World) isAway(vb int) bool { return vb < len(w.away) && w.away[vb] }

// move has a vbucket served by another shard, which has all of it.
func (w *World) move() {
	if c := w.cluster; c != nil {
		vb := w.rng.IntN(len(c.epochs))
		c.epochs[vb] = store.Epoch{2, byte(w.rng.Uint32()), byte(w.rng.Uint32())}
		w.say("vbucket %d moves to another shard", vb)
	}
}
