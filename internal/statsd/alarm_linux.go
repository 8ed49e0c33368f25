package statsd

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An alarm tells when something arrives at a socket, once each time it is set.
// In between the socket is quiet: what arrives there wakes nobody. It is an
// epoll set with one socket, for which the runtime's poller waits.
type alarm struct {
	socket int
	file   *os.File
	raw    syscall.RawConn
	events [1]unix.EpollEvent
	failed error
	try    func(uintptr) bool // the method value ask, made once
}

// newAlarm returns an alarm that is set.
func newAlarm(socket int) (*alarm, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	a := &alarm{socket: socket, file: os.NewFile(uintptr(fd), "epoll")}
	a.try = a.ask
	if err = unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, socket, a.once()); err == nil {
		a.raw, err = a.file.SyscallConn()
	}
	if err == nil {
		err = a.file.SetReadDeadline(time.Time{}) // fails if the runtime cannot wait for it
	}
	if err != nil {
		_ = a.file.Close()
		return nil, err
	}
	return a, nil
}

// once is what an alarm waits for.
func (a *alarm) once() *unix.EpollEvent {
	return &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: int32(a.socket)}
}

// set sets the alarm. If something is there it goes off at once.
func (a *alarm) set() error {
	var err error
	if e := a.raw.Control(func(fd uintptr) {
		err = unix.EpollCtl(int(fd), unix.EPOLL_CTL_MOD, a.socket, a.once())
	}); e != nil {
		return e
	}
	return os.NewSyscallError("epoll_ctl", err)
}

// wait waits until the alarm goes off, or for interrupt.
func (a *alarm) wait() error {
	a.failed = nil
	if err := a.raw.Read(a.try); err != nil {
		return err
	}
	return a.failed
}

// ask reports whether the alarm went off. It does not wait, so the scheduler
// is not told of the call: it would wake a thread to look after that.
func (a *alarm) ask(fd uintptr) bool {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&a.events)), uintptr(len(a.events)), 0, 0, 0)
	switch errno {
	case 0:
		return n > 0
	case unix.EINTR:
		return false
	}
	a.failed = os.NewSyscallError("epoll_pwait", errno)
	return true
}

// interrupt ends wait, now and later.
func (a *alarm) interrupt() { _ = a.file.SetReadDeadline(past) }

func (a *alarm) close() { _ = a.file.Close() }
