package statsd

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/state"
)

// A Door takes in lines from its sockets. Open them, and Stop it in the end.
type Door struct {
	o      Options
	names  *names
	counts *counts
	bad    badRing

	wake chan struct{} // something was gathered
	stop chan struct{} // closed by Stop
	done chan struct{} // closed by the committer in the end
	pool *lanePool     // for streams

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
		o: o, names: newNames(o.Names, o.Types), counts: newCounts(),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
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

// signal tells the committer that there is work.
func (d *Door) signal() {
	select {
	case d.wake <- struct{}{}:
	default: // it was told already
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
func (d *Door) wait(t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.stop:
		return false
	}
}

// After a commit the committer rests restShare times as long as that took, so
// that an eighth of the time goes to commits at most; but never longer than
// the longest delay that anybody should see. retryAfter is when a store that
// takes nothing is tried again.
const (
	restShare  = 7
	longest    = 5 * time.Second
	retryAfter = 250 * time.Millisecond
)

// commit commits what is gathered until Stop, and what is left then.
func (d *Door) commit() {
	defer close(d.done)
	c := &committer{d: d, acc: fold.New(d.o.Registry)}
	c.folder = newFolder(c.refused)
	for going := true; going; {
		select {
		case <-d.wake:
		case <-d.stop:
			d.readers.Wait()
			going = false
		}
		if going && d.o.Ready() != nil {
			d.signal() // what is gathered stays there
			going = d.wait(retryAfter)
			continue
		}
		start := time.Now()
		c.round()
		if going {
			d.wait(min(restShare*time.Since(start), longest))
		}
	}
}

// committer folds and commits. It belongs to one goroutine.
type committer struct {
	d      *Door
	acc    *fold.Accumulator
	folder *folder
}

// round commits everything that is gathered now.
func (c *committer) round() {
	var charged int64
	for _, l := range c.d.lanes() {
		batches := l.take()
		c.folder.fold(batches, c.acc)
		for _, b := range batches {
			charged += b.charged
			b.charged = 0
		}
		l.giveBack(batches)
	}
	size := int64(c.acc.Size())
	c.d.o.Budget.Charge(size - charged)
	defer c.d.o.Budget.Charge(-size)
	if c.acc.Empty() {
		return
	}
	events := c.acc.Events()
	if err := c.d.o.Committer.Commit(context.Background(), c.acc, nil); err != nil {
		c.d.counts.lost.Add(int(events))
		c.d.o.Logger.Error("events received over statsd are lost: they could not be committed", "events", events, "error", err)
	}
	if !c.acc.Empty() {
		c.acc.Reset()
	}
}

// refused is told which events do not fit the Type of their tab.
func (c *committer) refused(s *series, e *state.Event, why state.Reason) {
	c.d.counts.event(why, e.Count())
	c.d.bad.add(BadLine{c.d.o.Now(), s.client, string(why), fmt.Sprintf("%s, a %s, does not take %s", s.tab, s.typ, describe(e))})
}

func describe(e *state.Event) string {
	if e.Number {
		return fmt.Sprint(e.Value)
	}
	return string(e.JSON[:min(len(e.JSON), badLineBytes)])
}
