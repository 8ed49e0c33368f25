package statsd

import (
	"context"
	"net"
	"os"
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
		if err := d.datagrams(addr, conn.(*net.UDPConn), true); err != nil {
			return "", err
		}
	}
	return addr, nil
}

// A socket is one that datagrams arrive at. The runtime's poller does not know
// it, because that would wake a thread for every datagram; an alarm does.
type socket struct {
	name  string
	file  *os.File
	raw   syscall.RawConn
	alarm *alarm
	rests bool // there is room for what arrives while the reader rests
}

// newSocket takes a socket over from conn.
func newSocket(name string, conn packetConn) (*socket, error) {
	defer func() { _ = conn.Close() }()
	theirs, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	if e := theirs.Control(func(of uintptr) {
		if fd, err = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			err = unix.SetNonblock(fd, false) // so that the runtime leaves it alone; every call says that it does not wait
		}
	}); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	s := &socket{name: name, file: os.NewFile(uintptr(fd), name)}
	if s.raw, err = s.file.SyscallConn(); err == nil {
		s.alarm, err = newAlarm(fd)
	}
	if err != nil {
		_ = s.file.Close()
		return nil, err
	}
	return s, nil
}

// interrupt ends every wait for datagrams, now and later.
func (s *socket) interrupt() { s.alarm.interrupt() }

func (s *socket) close() {
	s.alarm.close()
	_ = s.file.Close()
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
	_ = s.raw.Control(func(fd uintptr) {
		m := meminfo(fd)
		buffer, dropped = uint64(m[meminfoBuffer]), uint64(m[meminfoDrops])
	})
	return buffer, dropped
}

// What meminfo tells of, by index: SK_MEMINFO_RMEM_ALLOC and others.
const (
	meminfoHeld   = 0 // of the receive buffer
	meminfoBuffer = 1
	meminfoDrops  = 8
)

// meminfo tells of the memory of a socket.
func meminfo(fd uintptr) (info [meminfoDrops + 1]uint32) {
	size := uint32(unsafe.Sizeof(info))
	_, _, _ = unix.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return info
}
