//go:build !linux

package statsd

import (
	"net"
	"net/netip"
	"syscall"
)

// OpenUDP listens on an address. It returns that, whose port may have been 0.
func (d *Door) OpenUDP(addr string) (string, error) {
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return "", err
	}
	addr = conn.LocalAddr().String()
	return addr, d.datagrams(addr, conn.(*net.UDPConn))
}

// enlarge does nothing here.
func (s *socket) enlarge(int) {}

// kernel knows nothing here.
func (s *socket) kernel() (buffer, dropped uint64) { return 0, 0 }

// receive gathers the datagrams of a socket until that is closed.
func (d *Door) receive(conn net.PacketConn, _ syscall.RawConn, l *lane) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFrom(buf)
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
