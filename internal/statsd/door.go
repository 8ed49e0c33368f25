package statsd

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A Door takes in lines from its sockets. Open them, and Stop it in the end.
type Door struct {
	o      Options
	names  *names
	counts *counts

	wake chan struct{} // something was gathered
	full chan struct{} // gatherBytes were
	stop chan struct{} // closed by Stop
	done chan struct{} // closed by the committer in the end
	pool *lanePool     // for streams

	gathered atomic.Int64 // bytes that the committer has not taken
	took     atomic.Int64 // nanoseconds that the last commit took

	mu      sync.Mutex
	all     []*lane
	list    []*socket
	closers []func() // of what is open
	conns   map[net.Conn]struct{}
	readers sync.WaitGroup
}

// New returns a Door that is not open yet.
func New(o Options) *Door {
	o = o.withDefaults()
	d := &Door{
		o: o, names: newNames(o.Names, o.Types, o.Quota), counts: newCounts(),
		wake: make(chan struct{}, 1), full: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		conns: make(map[net.Conn]struct{}),
	}
	d.pool = newLanePool(d)
	go d.commit()
	return d
}

// lane returns a new lane, which the committer attends to.
func (d *Door) lane() *lane {
	l := newLane(d)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, l)
	return l
}

func (d *Door) lanes() []*lane {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all
}

func (d *Door) sockets() []*socket {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.list
}

// owner is the client that owns what an address sends.
func (d *Door) owner(from netip.Addr) string {
	switch {
	case d.o.Client != "":
		return d.o.Client
	case !from.IsValid() || from.IsLoopback():
		return d.o.Host
	}
	return from.Unmap().WithZone("").String()
}

// charge notes that so many more bytes are gathered.
func (d *Door) charge(bytes int64) {
	if bytes != 0 {
		d.o.Budget.Charge(bytes)
	}
	if d.gathered.Add(bytes) >= d.o.GatherBytes {
		tell(d.full)
	}
}

// signal tells the committer that there is work.
func (d *Door) signal() { tell(d.wake) }

// tell tells whoever reads c, unless they were told already.
func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Stop takes in what has arrived, closes what is open, and returns when
// everything is committed. It is called once; a nil Door has nothing to stop.
func (d *Door) Stop() {
	if d == nil {
		return
	}
	d.mu.Lock()
	close(d.stop)
	for _, c := range d.closers {
		c()
	}
	for conn := range d.conns {
		_ = conn.SetReadDeadline(past)
	}
	d.mu.Unlock()
	d.readers.Wait()
	d.signal()
	<-d.done
}

// past is a deadline that has passed: nothing is waited for any more.
var past = time.Unix(1, 0)

// stopped reports whether Stop was called.
func (d *Door) stopped() bool {
	select {
	case <-d.stop:
		return true
	default:
		return false
	}
}

// wait waits for a while and reports whether the Door goes on.
func (d *Door) wait(t time.Duration) bool { return d.waitUnless(t, nil) }

// waitUnless is wait, but does not wait on when something comes over cut.
func (d *Door) waitUnless(t time.Duration, cut <-chan struct{}) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-cut:
		return true
	case <-d.stop:
		return false
	}
}
