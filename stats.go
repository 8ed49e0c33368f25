package taba

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Stats are what became of everything recorded. While nothing is in motion
//
//	Recorded = Sent + Refused + Superseded + Pending + dropped after recording
//
// where only events rejected, or not sent before Close gave up, are dropped
// after they were recorded.
type Stats struct {
	Recorded   uint64 // taken into the buffer
	Sent       uint64 // acknowledged: they count
	Refused    uint64 // refused one by one by the agent or server
	Superseded uint64 // values of gauges replaced before they were sent
	Pending    uint64 // waiting to be sent or acknowledged

	Dropped map[DropReason]uint64 // by reason

	Requests      uint64 // acknowledged
	Failures      uint64 // requests that failed
	BufferedBytes int64  // memory held for pending events, approximately
	LastError     error  // the last thing that went wrong, nil if nothing did
}

// DroppedTotal is the sum of Dropped.
func (s Stats) DroppedTotal() (n uint64) {
	for _, d := range s.Dropped {
		n += d
	}
	return n
}

// dropReasons gives each reason a place among the counters.
var dropReasons = [...]DropReason{DropFull, DropInvalid, DropRejected, DropClosed}

// index is the reason's place.
func (why DropReason) index() int {
	for i, r := range dropReasons {
		if r == why {
			return i
		}
	}
	panic("taba: no such reason: " + string(why))
}

// counters are a client's own figures.
type counters struct {
	dropped  [len(dropReasons)]atomic.Uint64
	sent     atomic.Uint64
	refused  atomic.Uint64
	requests atomic.Uint64
	failures atomic.Uint64
	lost     atomic.Uint64 // recorded, then dropped

	mu      sync.Mutex
	lastErr error
	reports []error // waiting for OnError
	unsaid  uint64  // reports that did not fit
}

// maxReports bounds the errors that wait for OnError.
const maxReports = 64

// drop counts n dropped events and sees to it that they are reported.
func (c *Client) drop(why DropReason, n uint64) {
	c.counters.dropped[why.index()].Add(n)
	c.tellTime() // wakes a sleeping client
}

// report files an error for OnError.
func (c *Client) report(err error) {
	c.counters.file(err)
	c.tellTime()
}

func (k *counters) file(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lastErr = err
	if len(k.reports) < maxReports {
		k.reports = append(k.reports, err)
	} else {
		k.unsaid++
	}
}

// invalid drops an event whose value cannot be sent.
func (c *Client) invalid(s *series, err error) {
	c.report(fmt.Errorf("taba: value of %s %q: %w", s.typ, s.name, err))
	c.drop(DropInvalid, 1)
}

// takeReports returns the errors to tell.
func (k *counters) takeReports() []error {
	k.mu.Lock()
	defer k.mu.Unlock()
	errs := k.reports
	if k.unsaid > 0 {
		errs = append(errs, fmt.Errorf("taba: %d more errors", k.unsaid))
	}
	k.reports, k.unsaid = nil, 0
	return errs
}

func (k *counters) totalDropped() (n uint64) {
	for i := range k.dropped {
		n += k.dropped[i].Load()
	}
	return n
}

// Stats returns what became of everything recorded so far.
func (c *Client) Stats() Stats {
	if !c.alive() {
		return Stats{}
	}
	k := &c.counters
	s := Stats{
		Sent: k.sent.Load(), Refused: k.refused.Load(),
		Requests: k.requests.Load(), Failures: k.failures.Load(),
		BufferedBytes: c.used.Load() + c.inFlight.Load(),
		Dropped:       make(map[DropReason]uint64),
	}
	for i, r := range dropReasons {
		if n := k.dropped[i].Load(); n > 0 {
			s.Dropped[r] = n
		}
	}
	lost := k.lost.Load()
	values, superseded := c.values.counts()
	s.Superseded = superseded
	s.Recorded = values + c.numbers.recorded() // read last: never less than what became of them
	s.Pending = s.Recorded - min(s.Recorded, s.Sent+s.Refused+s.Superseded+lost)
	k.mu.Lock()
	s.LastError = k.lastErr
	k.mu.Unlock()
	return s
}
