package statsd

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OpenUDP listens on an address, with a socket for each processor between
// which the kernel shares out the senders. It returns the address, whose port
// may have been 0.
func (d *Door) OpenUDP(addr string) (string, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if e := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}); e != nil {
			return e
		}
		return err
	}}
	for range runtime.GOMAXPROCS(0) {
		conn, err := config.ListenPacket(context.Background(), "udp", addr)
		if err != nil {
			return "", err
		}
		addr = conn.LocalAddr().String()
		if err := d.datagrams(addr, conn.(*net.UDPConn)); err != nil {
			return "", err
		}
	}
	return addr, nil
}

// enlarge asks for a receive buffer of so many bytes, as a privileged process
// may and others within limits, and for datagrams of one sender to be handed
// over together. What the kernel does not know or grant it leaves.
func (s *socket) enlarge(bytes int) {
	_ = s.raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
		}
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	})
}

// kernel returns the size of the receive buffer and how many datagrams did not
// fit into it.
func (s *socket) kernel() (buffer, dropped uint64) {
	const drops = 8 // SK_MEMINFO_DROPS
	_ = s.raw.Control(func(fd uintptr) {
		if n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF); err == nil {
			buffer = uint64(n)
		}
		var info [drops + 1]uint32
		size := uint32(unsafe.Sizeof(info))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno == 0 && size > 4*drops {
			dropped = uint64(info[drops])
		}
	})
	return buffer, dropped
}

const (
	messagesAtOnce = 64      // that one call of the kernel receives
	messageBytes   = 1 << 16 // the largest datagram, or as many as UDP_GRO joins
)

// message is the struct mmsghdr of recvmmsg(2).
type message struct {
	header unix.Msghdr
	n      uint32
}

// messages are what recvmmsg receives into.
type messages struct {
	list     [messagesAtOnce]message
	parts    [messagesAtOnce]unix.Iovec
	from     [messagesAtOnce]unix.RawSockaddrInet6 // the largest that is looked at
	controls [messagesAtOnce][32]byte
	buffers  []byte
}

func newMessages() *messages {
	m := &messages{buffers: make([]byte, messagesAtOnce*messageBytes)}
	for i := range m.list {
		m.parts[i].Base = &m.buffers[i*messageBytes]
		m.parts[i].SetLen(messageBytes)
		h := &m.list[i].header
		h.Iov, h.Iovlen = &m.parts[i], 1
		h.Name = (*byte)(unsafe.Pointer(&m.from[i]))
		h.Control = &m.controls[i][0]
	}
	return m
}

// receive receives what is there, without waiting.
func (m *messages) receive(fd uintptr) (int, syscall.Errno) {
	for i := range m.list {
		h := &m.list[i].header
		h.Namelen = uint32(unsafe.Sizeof(m.from[i]))
		h.SetControllen(len(m.controls[i]))
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&m.list)), messagesAtOnce, unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// data returns the bytes of a message, and how long each datagram in it is but
// for the last.
func (m *messages) data(i int) (data []byte, each int) {
	data = m.buffers[i*messageBytes:][:m.list[i].n]
	each = len(data)
	if h := &m.list[i].header; h.Controllen >= unix.SizeofCmsghdr+4 {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&m.controls[i]))
		if c.Level == unix.IPPROTO_UDP && c.Type == unix.UDP_GRO {
			each = int(*(*uint16)(unsafe.Pointer(&m.controls[i][unix.CmsgLen(0)])))
		}
	}
	return data, max(each, 1)
}

// sender returns who sent a message; nobody if it came over a unix socket.
func (m *messages) sender(i int) netip.Addr {
	switch m.from[i].Family {
	case unix.AF_INET:
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&m.from[i])).Addr)
	case unix.AF_INET6:
		return netip.AddrFrom16(m.from[i].Addr).Unmap()
	}
	return netip.Addr{}
}

// receive gathers the datagrams of a socket until Stop. It reads until there
// is nothing more, and only then sleeps.
func (d *Door) receive(_ net.PacketConn, raw syscall.RawConn, l *lane) {
	m := newMessages()
	for {
		var n int
		var errno syscall.Errno
		err := raw.Read(func(fd uintptr) bool {
			n, errno = m.receive(fd)
			return errno != unix.EAGAIN
		})
		if err != nil {
			break
		}
		if errno != 0 {
			d.o.Logger.Debug("receive datagrams", "error", errno)
			continue
		}
		d.gather(m, n, l)
	}
	_ = raw.Control(func(fd uintptr) {
		for range drainRounds {
			n, errno := m.receive(fd)
			if errno != 0 {
				return
			}
			d.gather(m, n, l)
		}
	})
}

// drainRounds bounds how often what had arrived is received after Stop.
const drainRounds = 1 << 10

// gather gathers what n messages say.
func (d *Door) gather(m *messages, n int, l *lane) {
	if d.o.Budget.Full() {
		d.counts.dropped.Add(n)
		return
	}
	l.begin(unixSeconds(d.o.Now()))
	defer l.end()
	for i := range n {
		if m.list[i].header.Flags&unix.MSG_TRUNC != 0 {
			d.counts.truncated.Inc()
			continue
		}
		data, each := m.data(i)
		from := m.sender(i)
		for len(data) > 0 {
			this := data[:min(each, len(data))]
			data = data[len(this):]
			l.counts.datagrams++
			l.consume(this, from)
		}
	}
}
