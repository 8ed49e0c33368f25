package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// place is where a master is, and what depends on it.
type place struct {
	name    string // of the shard
	addr    string
	vbs     []int
	servers []string // all that the deployment knows that are or could be master; see shard.replicas
	err     error    // it is not known where
}

// locate asks where every master is now, and returns the place of a shard.
func (s *Store) locate(h *shard) (*place, error) {
	if err := s.refresh(); err != nil {
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
func (s *Store) refresh() error {
	_, err, _ := s.asking.Do("", func() (any, error) {
		places, err := s.discover()
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
		if h != nil {
			continue
		}
		if !s.opened.Load() {
			return fmt.Errorf("%w: no server has vbucket %d now", errMoved, vb)
		}
		route[vb] = s.shard(vb) // it will say so itself; the others go on
	}
	s.route.Store(&route)
	return nil
}

// discover asks the deployment.
func (s *Store) discover() ([]*place, error) {
	switch s.opts.Kind {
	case Sentinel:
		return s.discoverSentinel()
	case Cluster:
		return s.discoverCluster()
	}
	return []*place{{name: s.opts.Addrs[0], addr: s.opts.Addrs[0], vbs: span(0, s.vbuckets-1)}}, nil
}

// gather asks all addresses at once and returns what they answer. Who has not
// answered after a glance is waited for only as long as nobody has: servers
// that hang must not keep what others know from being used.
func gather[T any](s *Store, addrs []string, ask func(ctx context.Context, addr string) (T, error)) (list []T, err error) {
	type answer struct {
		of  T
		err error
	}
	answers := make(chan answer, len(addrs))
	for _, addr := range addrs {
		s.work.Go(func() {
			ctx, cancel := context.WithTimeout(s.ctx, s.opts.Timeout)
			defer cancel()
			of, err := ask(ctx, addr)
			answers <- answer{of, err}
		})
	}
	patience := time.NewTimer(s.glance())
	defer patience.Stop()
	glanced := false
	for n := 0; n < len(addrs) && !(glanced && len(list) > 0); {
		select {
		case a := <-answers:
			n++
			if a.err != nil {
				err = errors.Join(err, a.err)
			} else {
				list = append(list, a.of)
			}
		case <-patience.C:
			glanced = true
		}
	}
	return list, err
}

func span(first, last int) (list []int) {
	for i := first; i <= last; i++ {
		list = append(list, i)
	}
	return list
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
