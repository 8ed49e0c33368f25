package gather

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// poller waits for any of many sockets. It is itself waited for by the
// runtime's poller, so that a goroutine and no thread waits.
type poller struct {
	fd     int
	file   *os.File
	raw    syscall.RawConn
	events [256]unix.EpollEvent
	n      int
	failed error
	try    func(uintptr) bool // the method value ask, made once
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &poller{fd: fd, file: os.NewFile(uintptr(fd), "epoll")}
	p.try = p.ask
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetReadDeadline(time.Time{}) // fails if the runtime cannot wait for it
	}
	if err != nil {
		_ = p.file.Close()
		return nil, err
	}
	return p, nil
}

// add begins to wait for a socket, remove ends it.
func (p *poller) add(fd int32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: fd}))
}

func (p *poller) remove(fd int32) { _ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, int(fd), nil) }

// wait waits until sockets can be read, the deadline passes or wake is called,
// and returns how many can: their descriptors are ready(0) and so on.
func (p *poller) wait() (int, error) {
	p.n, p.failed = 0, nil
	err := p.raw.Read(p.try)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, nil
	}
	return p.n, errors.Join(err, p.failed)
}

func (p *poller) ask(fd uintptr) bool {
	p.n, p.failed = unix.EpollWait(int(fd), p.events[:], 0)
	if p.failed == unix.EINTR {
		p.n, p.failed = 0, nil
	}
	p.n = max(p.n, 0)
	return p.n > 0 || p.failed != nil
}

func (p *poller) ready(i int) int32 { return p.events[i].Fd }

// until sets the deadline of wait; zero is none.
func (p *poller) until(t time.Time) { _ = p.file.SetReadDeadline(t) }

// wake ends the wait under way.
func (p *poller) wake() { p.until(time.Unix(1, 0)) }

func (p *poller) close() error { return p.file.Close() }

// receive reads what has arrived. It returns no error if nothing has.
func receive(fd int32, p []byte) (n int, arrived bool, err error) {
	n, err = unix.Read(int(fd), p)
	if err == unix.EAGAIN || err == unix.EINTR {
		return 0, false, nil
	}
	return max(n, 0), true, err
}
