package statsd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
)

// onClose keeps what Stop has to call.
func (d *Door) onClose(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closers = append(d.closers, f)
}

// A packetConn is what datagrams arrive at.
type packetConn interface {
	net.PacketConn
	syscall.Conn
}

// datagrams reads a socket in a goroutine of its own. It takes conn over. rests
// says that the reader may leave the socket alone for a while.
func (d *Door) datagrams(name string, conn packetConn, rests bool) error {
	s, err := newSocket(name, conn)
	if err != nil {
		return err
	}
	s.rests = rests
	s.enlarge(d.o.ReceiveBuffer)
	d.mu.Lock()
	d.list = append(d.list, s)
	d.mu.Unlock()
	d.onClose(s.interrupt)
	l := d.lane()
	d.readers.Go(func() {
		defer s.close()
		d.receive(s, l)
	})
	return nil
}

// The forms of addresses of unix sockets. A path alone is for datagrams.
const (
	unixgram   = "unixgram://"
	unixstream = "unixstream://"
)

// OpenUnix listens on a unix socket: a path, or one of the forms above. A
// socket that nobody listens on any more is replaced.
func (d *Door) OpenUnix(addr string) error {
	path, stream := strings.CutPrefix(addr, unixstream)
	path = strings.TrimPrefix(path, unixgram)
	network := "unixgram"
	if stream {
		network = "unix"
	}
	if err := RemoveStale(network, path); err != nil {
		return fmt.Errorf("listen on %s: %w", path, err)
	}
	if stream {
		ln, err := net.ListenUnix(network, &net.UnixAddr{Name: path, Net: network})
		if err != nil {
			return err
		}
		d.accept(ln, true)
		return allow(path)
	}
	conn, err := net.ListenUnixgram(network, &net.UnixAddr{Name: path, Net: network})
	if err != nil {
		return err
	}
	d.onClose(func() { _ = os.Remove(path) })
	// A sender may have few datagrams waiting for us: resting would hold it up.
	if err := d.datagrams(path, conn, false); err != nil {
		return err
	}
	return allow(path)
}

// allow lets every process on this host send, as it could over UDP.
func allow(path string) error { return os.Chmod(path, 0o722) }

// RemoveStale removes a unix socket that a process left behind, and fails if
// somebody listens there.
func RemoveStale(network, path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil // nothing is there, or listening says what is
	}
	conn, err := net.Dial(network, path)
	if err == nil {
		_ = conn.Close()
		return errors.New("another process listens there")
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	return nil
}
