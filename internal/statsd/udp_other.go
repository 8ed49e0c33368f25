//go:build !linux

package statsd

import (
	"net"
	"net/netip"
)

// OpenUDP listens on an address. It returns that, whose port may have been 0.
func (d *Door) OpenUDP(addr string) (string, error) {
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return "", err
	}
	addr = conn.LocalAddr().String()
	return addr, d.datagrams(addr, conn.(*net.UDPConn), false)
}

// A socket is one that datagrams arrive at.
type socket struct {
	name  string
	conn  packetConn
	rests bool // never, here
}

func newSocket(name string, conn packetConn) (*socket, error) {
	return &socket{name: name, conn: conn}, nil
}

// interrupt ends receive.
func (s *socket) interrupt() { _ = s.conn.SetReadDeadline(past) }

func (s *socket) close() { _ = s.conn.Close() }

// enlarge does nothing here.
func (s *socket) enlarge(int) {}

// kernel knows nothing here.
func (s *socket) kernel() (buffer, dropped uint64) { return 0, 0 }

// receive gathers the datagrams of a socket until Stop.
func (d *Door) receive(s *socket, l *lane) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if d.o.Budget.Full() {
			d.counts.dropped.Inc()
			continue
		}
		var addr netip.Addr
		if udp, ok := from.(*net.UDPAddr); ok {
			addr = udp.AddrPort().Addr().Unmap()
		}
		l.begin(unixSeconds(d.o.Now()))
		l.counts.datagrams++
		l.consume(buf[:n], addr)
		l.end()
	}
}
