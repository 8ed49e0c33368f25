package gather

import (
	"container/list"
	"context"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// sender is a connection that waits in a Room, and later what the server gets:
// it reads first what was gathered, then what arrives.
type sender struct {
	net.Conn
	tcp  *net.TCPConn
	room *Room
	fd   int32

	// While it waits.
	place *list.Element // in one of the Room's lines
	since time.Time     // when it was accepted, or last sent something of its body
	want  int64         // bytes until its request is complete; 0 while that is not known
	cost  int64         // what it counts for when it is handed over

	expired bool // what is missing did not arrive in time
	handled atomic.Bool

	drained atomic.Bool // nothing gathered is left
	mu      sync.Mutex  // of the rest: a server may close a connection that is being read
	got     Bytes
	tail    []byte // came after got, which had no room for it
}

// Read implements net.Conn.
func (s *sender) Read(p []byte) (int, error) {
	if !s.drained.Load() {
		if n, err := s.gathered(p); n > 0 || err != nil {
			return n, err
		}
	}
	if s.expired {
		return 0, os.ErrDeadlineExceeded
	}
	return s.Conn.Read(p)
}

// gathered reads what was gathered. It returns 0 and no error at its end.
func (s *sender) gathered(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.got.Len() > 0 {
		return s.got.Read(p)
	}
	n := copy(p, s.tail)
	s.tail = s.tail[n:]
	if s.got.Len() == 0 && len(s.tail) == 0 {
		s.drained.Store(true)
	}
	return n, nil
}

// Close implements net.Conn.
func (s *sender) Close() error {
	s.mu.Lock()
	s.got.Close()
	s.tail = nil
	s.mu.Unlock()
	return s.Conn.Close()
}

// CloseWrite lets a server end a connection whose sender still sends.
func (s *sender) CloseWrite() error { return s.tcp.CloseWrite() }

// SyscallConn gives the socket to those who read it themselves, once nothing
// that was gathered is left.
func (s *sender) SyscallConn() (syscall.RawConn, error) {
	if _, err := s.gathered(nil); err != nil || !s.drained.Load() {
		return nil, io.ErrNoProgress
	}
	return s.tcp.SyscallConn()
}

type contextKey struct{}

// ConnContext is the hook of the http.Server that accepts from the Room: it
// lets Complete know the connection.
func (r *Room) ConnContext(ctx context.Context, c net.Conn) context.Context {
	if s, ok := c.(*sender); ok {
		return context.WithValue(ctx, contextKey{}, s)
	}
	return ctx
}

// Complete reports whether the request of this context came from a Room when
// all of it was there.
func Complete(ctx context.Context) bool {
	s, ok := ctx.Value(contextKey{}).(*sender)
	return ok && s.cost > 0 && !s.expired && !s.handled.Load()
}

// done gives back what the sender counts for.
func (s *sender) done() {
	if s.cost > 0 && s.handled.CompareAndSwap(false, true) {
		s.room.release(s.cost)
	}
}

// direct is a connection that went straight through the Door.
type direct struct {
	*net.TCPConn
	room    *Room
	handled atomic.Bool
}

func (d *direct) done() {
	if !d.handled.Load() && d.handled.CompareAndSwap(false, true) {
		d.room.direct.Add(-connectionCost)
	}
}
