package redisstore

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// level is what the replicas must have before an operation is answered.
type level int

const (
	none   level = iota // it releases nothing
	commit              // as many as Options.Wait says
	every               // all that could take over
)

var errReplicas = errors.New("not enough replicas follow, the outcome is not known")

// replicas returns for how many replicas an operation waits.
func (c *session) replicas(l level) int {
	return c.h.replicas(l, c.addr, c.repl.online)
}

// replicas returns for how many replicas of a master an operation waits, given
// those that follow it.
//
// Those that could take over are all that the deployment knows, whether they
// follow or not, and all that follow, known or not. Who is away is not left out:
// it has less than was acknowledged without it, and is elected with that if it
// comes back at the wrong moment and nobody better is in sight. An operator
// leaves it out by making the deployment forget it; a Wait that is a number
// leaves it out too, and then agents keep what they sent (see stable).
//
// WAIT tells how many answered, not who. As each of those is in the set, a
// number as large as the set is the set.
func (h *shard) replicas(l level, master string, online []string) int {
	wait := h.s.opts.Wait
	switch {
	case l == none:
		return 0
	case l == commit && wait != WaitAll:
		return max(int(wait), 0) // WaitNone is none
	case h.place.Load() == nil:
		return math.MaxInt // it was taken over from: no number is enough
	}
	return len(online) + len(h.away(master, online))
}

// away are the servers that could take over from a master and do not follow it.
func (h *shard) away(master string, online []string) (list []string) {
	p := h.place.Load()
	if p == nil {
		return nil
	}
	for _, addr := range p.servers {
		if addr != master && !slices.Contains(online, addr) {
			list = append(list, addr)
		}
	}
	return list
}

// stable reports whether what was acknowledged at the level of a commit cannot
// be lost: every replica that could take over has it, and the server has synced
// it. One that has not may come back with less, so soon that nobody takes over.
// Whether replicas have synced is known only where it is waited for.
func (c *session) stable() bool {
	return c.h.synced.Load() && c.replicas(commit) >= c.replicas(every)
}

// short returns why commits would not be acknowledged for want of replicas.
func (h *shard) short(master string, online []string) error {
	need := h.replicas(commit, master, online)
	if len(online) >= need {
		return nil
	}
	return fmt.Errorf("redis at %s: %d of %d replicas follow%s: %w", master, len(online), need, h.missing(master, online), errReplicas)
}

// missing names those that are away, for whoever has to look after them.
func (h *shard) missing(master string, online []string) string {
	list := h.away(master, online)
	if len(list) == 0 {
		return ""
	}
	return ", without " + strings.Join(list, " and ") + "; bring them back or have the deployment forget them"
}
