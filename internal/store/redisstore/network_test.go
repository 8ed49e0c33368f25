package redisstore_test

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// network is servers that each have an address of their own and are reached
// through a link, so that some can be cut off from the others. Who is not one of
// them, a store, reaches everybody. Links take their time: a network of which
// nothing is cut off does without.
type network struct {
	t     testing.TB
	links bool
	mu    sync.Mutex
	whole *sync.Cond      // the network is whole again, or ends
	apart map[string]bool // those on the smaller side, by IP
	conns map[net.Conn]bool
	ended bool
	work  sync.WaitGroup
}

func newNetwork(t testing.TB, links bool) *network {
	n := &network{t: t, links: links, apart: map[string]bool{}, conns: map[net.Conn]bool{}}
	n.whole = sync.NewCond(&n.mu)
	t.Cleanup(n.work.Wait)
	t.Cleanup(n.end)
	return n
}

var hosts atomic.Int64

// host returns an address of the loopback network that nobody else has.
func (n *network) host() string {
	i := hosts.Add(1)
	return fmt.Sprintf("127.20.%d.%d", i/250, 1+i%250)
}

// link returns where others find a server.
func (n *network) link(s *server) string {
	n.t.Helper()
	if !n.links {
		return net.JoinHostPort(s.IP, s.Port)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(s.IP, freePort(n.t)))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = l.Close() })
	n.work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.work.Go(func() { n.join(c, s) })
		}
	})
	return l.Addr().String()
}

// join passes on what a connection says as long as its ends reach each other.
func (n *network) join(c net.Conn, s *server) {
	defer n.keep(c)()
	from, _, _ := net.SplitHostPort(c.RemoteAddr().String())
	n.reach(from, s.IP)
	to, err := net.Dial("tcp", net.JoinHostPort(s.IP, s.Port))
	if err != nil {
		return
	}
	defer n.keep(to)()
	var both sync.WaitGroup
	both.Go(func() { n.pass(to, c, from, s.IP) })
	n.pass(c, to, from, s.IP)
	both.Wait()
}

// keep has a connection closed at the end, or by what it returns.
func (n *network) keep(c net.Conn) (drop func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[c] = true
	if n.ended {
		_ = c.Close()
	}
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.conns, c)
		_ = c.Close()
	}
}

// pass holds what is said back while the ends do not reach each other.
func (n *network) pass(to, from net.Conn, a, b string) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		size, err := from.Read(buf)
		n.reach(a, b)
		if _, failed := to.Write(buf[:size]); failed != nil || err != nil {
			return
		}
	}
}

// reach waits until two reach each other.
func (n *network) reach(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for !n.ended && a != loopback && n.apart[a] != n.apart[b] {
		n.whole.Wait()
	}
}

// cut separates servers from all others.
func (n *network) cut(servers ...*server) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range servers {
		n.apart[s.IP] = true
	}
}

func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.apart)
	n.whole.Broadcast()
}

func (n *network) end() {
	n.heal()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended = true
	n.whole.Broadcast()
	for c := range n.conns {
		_ = c.Close()
	}
}

// redis starts a server on a host of its own.
func (n *network) redis() *server {
	n.t.Helper()
	ip := n.host()
	s := prepared(n.t, ip)
	addr := n.link(s)
	_, port, _ := net.SplitHostPort(addr)
	s.Args = append(append(s.Args, durable...), "--bind-source-addr", ip, "--replica-announce-ip", ip, "--replica-announce-port", port)
	s.found(addr)
	s.start()
	return s
}
