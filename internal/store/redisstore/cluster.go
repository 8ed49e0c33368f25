package redisstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// In a Cluster any node tells who has which slots.

// node is a line of CLUSTER NODES.
type node struct {
	id, addr, master string
	isMaster, failed bool
	stranger         bool   // not of the Cluster yet
	neverElected     bool   // cluster-replica-no-failover
	epoch            uint64 // of its configuration
	slots            [][2]int
}

// parseNodes reads CLUSTER NODES. Slots on their way are named in brackets and
// belong to who has them still.
func parseNodes(text string) (nodes []node) {
	text = strings.TrimPrefix(text, "txt:") // RESP3 says so that it is text
	for line := range strings.SplitSeq(text, "\n") {
		f := strings.Fields(line)
		if len(f) < 8 {
			continue
		}
		n := node{id: f[0], master: f[3]}
		n.epoch, _ = strconv.ParseUint(f[6], 10, 64) // 0 if malformed
		n.addr, _, _ = strings.Cut(f[1], "@")
		for flag := range strings.SplitSeq(f[2], ",") {
			n.isMaster = n.isMaster || flag == "master"
			n.failed = n.failed || flag == "fail" || flag == "noaddr" || flag == "handshake"
			n.stranger = n.stranger || flag == "handshake"
			n.neverElected = n.neverElected || flag == "nofailover"
		}
		for _, slots := range f[8:] {
			first, last, ranged := strings.Cut(slots, "-")
			if !ranged {
				last = first
			}
			a, err1 := strconv.Atoi(first)
			b, err2 := strconv.Atoi(last)
			if err1 == nil && err2 == nil {
				n.slots = append(n.slots, [2]int{a, b})
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// vbuckets are those whose slots a node has.
func (n *node) vbuckets(slots []int) (vbs []int) {
	for vb, slot := range slots {
		if n.has(slot) {
			vbs = append(vbs, vb)
		}
	}
	return vbs
}

func (n *node) has(slot int) bool {
	return slices.ContainsFunc(n.slots, func(r [2]int) bool { return r[0] <= slot && slot <= r[1] })
}

// discoverCluster asks every node that is known at the same time. The newest
// configuration counts: who was taken over from does not know it yet.
func (s *Store) discoverCluster() ([]*place, error) {
	views, err := gather(s, s.seeds(), s.nodes)
	if len(views) == 0 {
		return nil, fmt.Errorf("no node of the Cluster answers: %w", err)
	}
	nodes := slices.MaxFunc(views, func(a, b []node) int { return cmp.Compare(epochIn(a), epochIn(b)) })
	places := s.placesOf(nodes)
	if len(places) == 0 {
		return nil, fmt.Errorf("%w: the Cluster of %s has none of the store's slots now", errMoved, strings.Join(s.opts.Addrs, ", "))
	}
	return places, nil
}

// epochIn is how new a view of the Cluster is.
func epochIn(nodes []node) (newest uint64) {
	for i := range nodes {
		if len(nodes[i].slots) > 0 {
			newest = max(newest, nodes[i].epoch)
		}
	}
	return newest
}

// seeds are the nodes to ask: those that were named, then those that are known.
func (s *Store) seeds() []string {
	list := slices.Clone(s.opts.Addrs)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.shards {
		if p := h.place.Load(); p != nil && !slices.Contains(list, p.addr) {
			list = append(list, p.addr)
		}
	}
	return list
}

func (s *Store) nodes(ctx context.Context, addr string) ([]node, error) {
	c, err := s.asked(ctx, addr, s.login())
	if err != nil {
		return nil, err
	}
	info, err := c.info(ctx, "cluster")
	if err == nil && info["cluster_enabled"] != "1" {
		return nil, fmt.Errorf("redis at %s is not a node of a Cluster; write redis:// or redis+sentinel://", addr)
	}
	var text string
	if err == nil {
		text, err = c.Do(ctx, c.cmd("CLUSTER", "NODES")).ToString()
	}
	if err != nil {
		s.forgetClient(addr)
		return nil, explain(addr, err)
	}
	return parseNodes(text), nil
}

// placesOf finds the masters of vbuckets, and who could take over from each.
func (s *Store) placesOf(nodes []node) (places []*place) {
	byMaster := map[string]*place{}
	for _, n := range nodes {
		if !n.isMaster || n.failed {
			continue
		}
		if vbs := n.vbuckets(s.slots); len(vbs) > 0 {
			p := &place{name: n.addr, addr: n.addr, vbs: vbs}
			byMaster[n.id] = p
			places = append(places, p)
		}
	}
	s.homes.assign(nodes, byMaster, s.slots)
	return places
}

// slot is the slot of a vbucket's keys in a Cluster: CRC-16 (XMODEM) of what
// is in braces.
func slot(vb int) int {
	var crc uint16
	for _, b := range []byte(strconv.Itoa(vb)) {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % 16384
}
