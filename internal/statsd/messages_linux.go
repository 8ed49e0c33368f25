package statsd

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

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
	used     int // messages that the last call received
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
		m.reset(i)
	}
	return m
}

// receive receives what is there, without waiting: n is less than
// messagesAtOnce if no more is. The scheduler is not told of the call, because
// it would wake a thread to look after one that may wait.
func (m *messages) receive(fd uintptr) (n int, errno syscall.Errno) {
	for i := range m.list[:m.used] {
		m.reset(i)
	}
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&m.list)), messagesAtOnce, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			m.used = int(r)
			return m.used, 0
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			errno = 0
		}
		m.used = 0
		return 0, errno
	}
}

// reset makes room for another message where one was received.
func (m *messages) reset(i int) {
	h := &m.list[i].header
	h.Namelen = uint32(unsafe.Sizeof(m.from[i]))
	h.SetControllen(len(m.controls[i]))
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
