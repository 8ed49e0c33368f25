package redisstore

import (
	"slices"
	"sync"
)

// homes tells which nodes of a Cluster could take which vbuckets over.
//
// A node that was taken over from is listed without slots and without a master
// until it comes back; then it follows who has its slots, and may be elected
// before it has caught up. So a node that neither has slots nor follows one
// that has is counted where its vbuckets were when it was last seen with any,
// and everywhere if it never was: it has to be made a replica, get slots or be
// forgotten.
type homes struct {
	mu   sync.Mutex
	last map[string][]int // id of a node -> vbuckets
}

// assign adds every node to the places that it could take over.
func (h *homes) assign(nodes []node, byMaster map[string]*place, slots []int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := map[string][]int{}
	for i := range nodes {
		n := &nodes[i]
		if n.stranger {
			continue
		}
		vbs, remembered := h.last[n.id]
		if top := topOf(nodes, n); top != nil {
			vbs, remembered = top.vbuckets(slots), true
		}
		if remembered {
			known[n.id] = vbs
		}
		if n.neverElected {
			continue
		}
		for _, p := range byMaster {
			if !remembered || slices.ContainsFunc(vbs, func(vb int) bool { return slices.Contains(p.vbs, vb) }) {
				p.servers = append(p.servers, n.addr)
			}
		}
	}
	h.last = known
}

// topOf follows masters up to one that has slots, and returns nil if there is
// none.
func topOf(nodes []node, n *node) *node {
	for range nodes { // there may be a circle for a moment
		if n.isMaster {
			if len(n.slots) == 0 {
				return nil
			}
			return n
		}
		i := slices.IndexFunc(nodes, func(m node) bool { return m.id == n.master })
		if i < 0 {
			return nil
		}
		n = &nodes[i]
	}
	return nil
}
