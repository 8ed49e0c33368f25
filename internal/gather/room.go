package gather

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the settings of a Room.
type Options struct {
	File *File
	// Share is how many bytes the requests may hold that are being received
	// by the server, and those that were handed to it complete: as much each.
	Share int64
	// HeaderTimeout is how long a header may take to arrive, ReadTimeout how
	// long a sender may pause within a body.
	HeaderTimeout, ReadTimeout time.Duration
	// Worth reports whether the server would read a request's body. If not,
	// it is not waited for.
	Worth func(*http.Request) bool
}

// connectionCost is what a server holds, about, for a connection whose request
// it receives: a goroutine, buffers in both directions, the head of the body.
const connectionCost = 96 << 10

// decodedSize is what a server holds, about, for each byte of a body while it
// decodes and commits it.
const decodedSize = 3

// Room is a listener of connections whose first request is complete.
type Room struct {
	o      Options
	ln     *net.TCPListener
	direct atomic.Int64 // held by requests that went straight through the Door

	mu       sync.Mutex
	poll     *poller
	waiting  map[int32]*sender // by descriptor
	headers  list.List         // of those waiting for a header, the first to be given up first
	bodies   list.List         // of those waiting for a body
	complete []*sender         // those to be handed over
	inHand   int64             // held by those that were
	woken    bool              // somebody has called wake since the last wait
	draining bool
	closed   bool
	empty    chan struct{} // closed when draining and all are answered

	inspector *inspector
	buf       []byte
	head      []byte
}

// NewRoom returns a Room for the connections of ln. Connections come in through
// its Door, and the server has to tell both of what becomes of them (ConnState).
// The error is errors.ErrUnsupported where there are no Rooms.
func NewRoom(ln *net.TCPListener, o Options) (*Room, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	const atOnce = 64 << 10
	return &Room{
		o: o, ln: ln, poll: p, waiting: make(map[int32]*sender), empty: make(chan struct{}),
		inspector: newInspector(o.Worth), buf: make([]byte, atOnce), head: make([]byte, headSize),
	}, nil
}

// Waiting returns how many connections wait.
func (r *Room) Waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting) + len(r.complete)
}

// Addr implements net.Listener.
func (r *Room) Addr() net.Addr { return r.ln.Addr() }

// ConnState is the hook of the http.Server that accepts from the Room and its
// Door.
func (r *Room) ConnState(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateIdle, http.StateClosed, http.StateHijacked:
		if c, ok := c.(interface{ done() }); ok {
			c.done()
		}
	}
}

// Accept implements net.Listener: it is the Room's loop.
func (r *Room) Accept() (net.Conn, error) {
	for {
		s, err := r.next()
		if err != nil {
			return nil, err
		}
		if s != nil {
			return s, nil
		}
		if err := r.look(); err != nil {
			return nil, err
		}
	}
}

// next returns a sender to be handed over, if there is one and the server can
// take it.
func (r *Room) next() (*sender, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, net.ErrClosed
	}
	r.left()
	if len(r.complete) == 0 {
		return nil, nil
	}
	s := r.complete[0]
	if r.inHand > 0 && r.inHand+s.cost > r.o.Share {
		return nil, nil
	}
	r.complete[0] = nil
	r.complete = r.complete[1:]
	r.inHand += s.cost
	return s, nil
}

// release is called when the server is done with a request.
func (r *Room) release(cost int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inHand -= cost
	r.left()
	if len(r.complete) > 0 {
		r.wake()
	}
}

// wake makes the loop look again. The lock is held.
func (r *Room) wake() {
	r.woken = true
	r.poll.wake()
}

// look waits until something happens and sees to it.
func (r *Room) look() error {
	if !r.sleep() {
		return nil
	}
	n, err := r.poll.wait()
	if err != nil {
		return err
	}
	now := time.Now()
	for i := range n {
		r.receive(r.poll.ready(i), now)
	}
	r.expire(now)
	return nil
}

// sleep prepares for a wait, unless somebody woke the loop meanwhile.
func (r *Room) sleep() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.woken {
		r.woken = false
		return false
	}
	r.poll.until(r.deadline())
	return true
}

// Drain takes no new connections and returns when those that are here have
// been answered, or ctx ends.
func (r *Room) Drain(ctx context.Context) {
	_ = r.ln.Close()
	r.mu.Lock()
	r.draining = true
	r.left()
	r.mu.Unlock()
	select {
	case <-r.empty:
	case <-ctx.Done():
	}
}

// left tells Drain when nobody is here, nor with the server, which drops what
// it has not begun to serve when it is told to stop. The lock is held.
func (r *Room) left() {
	if r.draining && len(r.waiting)+len(r.complete) == 0 && r.inHand == 0 {
		r.draining = false
		close(r.empty)
	}
}

// Close implements net.Listener. Whoever waits is turned away.
func (r *Room) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	for _, s := range r.waiting {
		_ = s.Close()
	}
	for _, s := range r.complete {
		_ = s.Close()
	}
	r.waiting, r.complete = nil, nil
	r.left()
	r.wake()
	return r.poll.close()
}
