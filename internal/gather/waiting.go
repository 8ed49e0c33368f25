package gather

import (
	"container/list"
	"errors"
	"net"
	"time"
)

// Door is the listener through which connections come. It returns those that
// go straight to the server; the others go into the Room.
type Door struct {
	*net.TCPListener
	room *Room
}

// Door returns the way in.
func (r *Room) Door() *Door { return &Door{TCPListener: r.ln, room: r} }

// Accept implements net.Listener.
func (d *Door) Accept() (net.Conn, error) {
	for {
		c, err := d.AcceptTCP()
		if err != nil {
			return nil, err
		}
		if d.room.direct.Add(connectionCost) <= d.room.o.Share {
			return &direct{TCPConn: c, room: d.room}, nil
		}
		d.room.direct.Add(-connectionCost)
		if !d.room.admit(c) {
			return c, nil
		}
	}
}

// Close implements net.Listener. Drain may have closed it before.
func (d *Door) Close() error {
	if err := d.TCPListener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// admit lets a connection wait. It reports whether it does.
func (r *Room) admit(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	s := &sender{Conn: c, tcp: c, room: r, since: time.Now(), got: r.o.File.New()}
	if raw.Control(func(fd uintptr) { s.fd = int32(fd) }) != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.poll.add(s.fd) != nil {
		return false
	}
	r.waiting[s.fd] = s
	s.place = r.headers.PushBack(s)
	if r.headers.Len() == 1 {
		r.wake() // there is a deadline now
	}
	return true
}

// receive sees to a sender of whom something has arrived.
func (r *Room) receive(fd int32, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.waiting[fd]; s != nil { // or it was given up meanwhile
		r.take(s, now)
	}
}

// take moves what a sender has sent to the File. It reports whether there was
// anything to see to.
func (r *Room) take(s *sender, now time.Time) bool {
	n, arrived, err := receive(s.fd, r.buf)
	switch {
	case !arrived:
		return false
	case n == 0 || err != nil:
		r.handOver(s, 0) // the server will see the same
		return true
	}
	wrote, err := s.got.Write(r.buf[:n])
	if err != nil {
		s.tail = append(s.tail, r.buf[wrote:n]...)
		r.handOver(s, 0) // the server says that there is no room
		return true
	}
	r.progress(s, n, now)
	return true
}

// progress looks at what there is of a request after n more bytes.
func (r *Room) progress(s *sender, n int, now time.Time) {
	if s.want == 0 {
		var j judgement
		switch s.want, j = r.inspector.inspect(r.first(s, n)); j {
		case unknown:
			return
		case handOver:
			r.handOver(s, 0)
			return
		}
		r.headers.Remove(s.place)
		s.place = r.bodies.PushBack(s)
	}
	if s.got.Len() >= s.want {
		r.handOver(s, connectionCost+decodedSize*s.want)
		return
	}
	s.since = now
	r.bodies.MoveToBack(s.place)
}

// first returns the first bytes of a request of which n were just received.
func (r *Room) first(s *sender, n int) []byte {
	if s.got.Len() == int64(n) {
		return r.buf[:n]
	}
	n, _ = s.got.peek(r.head, 0) // of the first block, which is larger
	return r.head[:n]
}

// handOver ends the wait of s. What is complete counts for cost.
func (r *Room) handOver(s *sender, cost int64) {
	r.leave(s)
	s.cost = cost
	r.complete = append(r.complete, s)
}

func (r *Room) leave(s *sender) {
	r.poll.remove(s.fd)
	delete(r.waiting, s.fd)
	if s.want == 0 {
		r.headers.Remove(s.place)
	} else {
		r.bodies.Remove(s.place)
	}
	s.place = nil
}

// deadline is when the next sender is to be given up. The lock is held.
func (r *Room) deadline() (at time.Time) {
	if s := front(&r.headers); s != nil {
		at = s.since.Add(r.o.HeaderTimeout)
	}
	if s := front(&r.bodies); s != nil {
		if t := s.since.Add(r.o.ReadTimeout); at.IsZero() || t.Before(at) {
			at = t
		}
	}
	return at
}

func front(l *list.List) *sender {
	if e := l.Front(); e != nil {
		return e.Value.(*sender)
	}
	return nil
}

// expire gives up those who have kept the Room waiting for too long: as the
// server would, without a word if there is no header, with its words if there
// is one.
func (r *Room) expire(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := front(&r.headers); s != nil && now.Sub(s.since) >= r.o.HeaderTimeout; s = front(&r.headers) {
		if !r.take(s, now) { // it may have sent something, and the Room be late
			r.leave(s)
			_ = s.Close()
		}
	}
	for s := front(&r.bodies); s != nil && now.Sub(s.since) >= r.o.ReadTimeout; s = front(&r.bodies) {
		if !r.take(s, now) {
			s.expired = true
			r.handOver(s, connectionCost)
		}
	}
}
