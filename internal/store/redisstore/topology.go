package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// place is where a master is, and what depends on it.
type place struct {
	name     string // of the shard
	addr     string
	vbs      []int
	replicas int   // at least so many must follow; see session.replicas
	err      error // it is not known where
}

// locate asks where every master is now, and returns the place of a shard.
func (s *Store) locate(ctx context.Context, h *shard) (*place, error) {
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	p := h.place.Load()
	if p == nil {
		return nil, fmt.Errorf("%w: %s serves no vbucket any more", errMoved, h.name)
	}
	return p, p.err
}

// refresh asks where every master is now and tells the shards. Whoever wants
// to know at the same time shares one answer.
func (s *Store) refresh(ctx context.Context) error {
	_, err, _ := s.asking.Do("", func() (any, error) {
		places, err := s.discover(ctx)
		if err != nil {
			return nil, err
		}
		return nil, s.settle(places)
	})
	return err
}

// settle tells shards where their masters are, and begins those that are new.
func (s *Store) settle(places []*place) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return errors.New("the store is being closed")
	}
	route := make([]*shard, s.vbuckets)
	for _, p := range places {
		h := s.shards[p.name]
		if h == nil {
			h = newShard(s, p.name)
			s.shards[p.name] = h
			s.work.Go(h.run)
		}
		h.place.Store(p)
		for _, vb := range p.vbs {
			route[vb] = h
		}
		if c := h.current.Load(); c != nil && p.err == nil && c.addr != p.addr {
			c.client.cut() // another server has taken over
		}
	}
	for name, h := range s.shards {
		if !slices.ContainsFunc(places, func(p *place) bool { return p.name == name }) {
			h.place.Store(nil)
		}
	}
	for vb, h := range route {
		if h == nil {
			return fmt.Errorf("%w: no server has vbucket %d now", errMoved, vb)
		}
	}
	s.route.Store(&route)
	return nil
}

// discover asks the deployment.
func (s *Store) discover(ctx context.Context) ([]*place, error) {
	switch s.opts.Kind {
	case Sentinel:
		return s.discoverSentinel(ctx)
	case Cluster:
		return s.discoverCluster(ctx)
	}
	return []*place{{name: s.opts.Addrs[0], addr: s.opts.Addrs[0], vbs: span(0, s.vbuckets-1)}}, nil
}

func span(first, last int) (list []int) {
	for i := first; i <= last; i++ {
		list = append(list, i)
	}
	return list
}

// The Cluster: any node tells who has which slots.

// node is a line of CLUSTER NODES.
type node struct {
	id, addr, master string
	isMaster, failed bool
	slots            [][2]int
}

// parseNodes reads CLUSTER NODES. Slots on their way are named in brackets and
// belong to who has them still.
func parseNodes(text string) (nodes []node) {
	for line := range strings.SplitSeq(text, "\n") {
		f := strings.Fields(line)
		if len(f) < 8 {
			continue
		}
		n := node{id: f[0], master: f[3]}
		n.addr, _, _ = strings.Cut(f[1], "@")
		for flag := range strings.SplitSeq(f[2], ",") {
			n.isMaster = n.isMaster || flag == "master"
			n.failed = n.failed || flag == "fail" || flag == "noaddr" || flag == "handshake"
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

func (n *node) has(slot int) bool {
	return slices.ContainsFunc(n.slots, func(r [2]int) bool { return r[0] <= slot && slot <= r[1] })
}

func (s *Store) discoverCluster(ctx context.Context) ([]*place, error) {
	var errs []error
	for _, addr := range s.seeds() {
		nodes, err := s.nodes(ctx, addr)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		places := s.placesOf(nodes)
		if len(places) == 0 {
			errs = append(errs, fmt.Errorf("redis at %s is in a Cluster that has none of the store's slots", addr))
			continue
		}
		return places, nil
	}
	return nil, fmt.Errorf("no node of the Cluster answers: %w", errors.Join(errs...))
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

func (s *Store) placesOf(nodes []node) (places []*place) {
	for _, n := range nodes {
		p := &place{name: n.addr, addr: n.addr}
		for vb, slot := range s.slots {
			if n.isMaster && !n.failed && n.has(slot) {
				p.vbs = append(p.vbs, vb)
			}
		}
		if len(p.vbs) == 0 {
			continue
		}
		down := 0
		for _, r := range nodes {
			if r.master == n.id && r.failed {
				down++
			} else if r.master == n.id {
				p.replicas++
			}
		}
		if p.replicas == 0 && down > 0 {
			p.replicas = 1
		}
		places = append(places, p)
	}
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

// login is who the store is to servers.
func (s *Store) login() login {
	return login{user: s.opts.User, password: s.opts.Password, db: s.opts.DB}
}

// asked returns a client for questions about the deployment, which is kept.
func (s *Store) asked(ctx context.Context, addr string, l login) (*client, error) {
	s.clientsMu.Lock()
	c := s.clients[addr]
	s.clientsMu.Unlock()
	if c != nil {
		return c, nil
	}
	c, err := s.dial(ctx, addr, l)
	if err != nil {
		return nil, err
	}
	s.clientsMu.Lock()
	defer s.clientsMu.Unlock()
	if other := s.clients[addr]; other != nil {
		c.close()
		return other, nil
	}
	s.clients[addr] = c
	return c, nil
}

// forgetClient drops a client that did not answer.
func (s *Store) forgetClient(addr string) {
	s.clientsMu.Lock()
	c := s.clients[addr]
	delete(s.clients, addr)
	s.clientsMu.Unlock()
	if c != nil {
		c.close()
	}
}
