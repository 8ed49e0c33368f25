package statsd

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The committer rests after a commit, in proportion to what that took but not
// for long, and not at all when much was gathered.
func TestCommitterRests(t *testing.T) {
	f := func(takes time.Duration, lines int, want time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s := newSink()
			s.takes = takes
			o := testOptions(s)
			o.GatherBytes = 10 * headBytes
			d := open(t, o)
			l := d.lane()
			feed(d, l, 0, "first:1|c")
			synctest.Wait()
			start := time.Now()
			for i := range lines {
				feed(d, l, 0, fmt.Sprintf("next.%d:1|c", i))
			}
			<-s.next()
			<-s.next()
			if got := time.Since(start) - 2*takes; got != want {
				t.Errorf("after a commit of %v and %d lines it rests %v, want %v", takes, lines, got, want)
			}
			d.Stop()
		})
	}
	f(time.Millisecond, 1, restShare*time.Millisecond)
	f(10*time.Millisecond, 1, restShare*10*time.Millisecond)
	f(time.Second, 1, longest)
	f(time.Second, 20, 0)
}

// peak is a Budget that remembers the most that was charged.
type peak struct{ used, most atomic.Int64 }

func (p *peak) Charge(bytes int64) {
	if used := p.used.Add(bytes); used > p.most.Load() {
		p.most.Store(used)
	}
}

func (p *peak) Full() bool { return false }

// Partials take many times what they are made from: they are committed in
// pieces, and nothing of them is missed.
func TestCommitsInPieces(t *testing.T) {
	s := newSink()
	o := testOptions(s)
	o.GatherBytes = 1 << 20
	budget := new(peak)
	o.Budget = budget
	o.Ready = func() error { return errTest } // until Stop
	d := open(t, o)
	l := d.lane()
	const names = 5000
	var text strings.Builder
	for i := range names {
		fmt.Fprintf(&text, "timer.%d:1:2:3:4:5:6|ms\nuser.%d:anna|s\ndated.%d:1|c|T1395954000\n", i, i, i)
	}
	for second := range 3 {
		l.begin(t0 + float64(second))
		l.consume([]byte(text.String()), netip.Addr{})
		l.end()
	}
	gathered := budget.used.Load()
	d.Stop()
	if got, want := s.all.Events(), uint64(3*names*(6+1+1)); got != want {
		t.Errorf("%d events were committed, want %d", got, want)
	}
	size := int64(s.all.Size())
	if most := budget.most.Load(); most > gathered+o.GatherBytes/2 || size < 4*o.GatherBytes {
		t.Errorf("%d bytes were charged for Partials of %d", most-gathered, size)
	}
	if used := budget.used.Load(); used != 0 {
		t.Errorf("%d bytes stay charged", used)
	}
	if s.commits < 8 {
		t.Errorf("%d commits", s.commits)
	}
}
