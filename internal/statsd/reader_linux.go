package statsd

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A reader gathers the datagrams of a socket. It reads until there is nothing
// more. Then it waits for the alarm, or rests: what arrives meanwhile wakes it
// once instead of many times.
type reader struct {
	door  *Door
	s     *socket
	lane  *lane
	in    *messages
	drain func(uintptr) // the method value drained, made once
	found turn
	empty time.Time // when the socket last was
	timer *time.Timer
}

// receive gathers the datagrams of a socket until Stop, and what had arrived
// then.
func (d *Door) receive(s *socket, l *lane) {
	r := &reader{door: d, s: s, lane: l, in: newMessages(), empty: time.Now(), timer: time.NewTimer(0)}
	r.drain = r.drained
	defer r.timer.Stop()
	for s.alarm.wait() == nil {
		for r.pause(r.turn()) {
		}
		if err := s.alarm.set(); err != nil {
			d.o.Logger.Error("no more datagrams are received", "socket", s.name, "error", err)
			break
		}
	}
	_ = s.raw.Control(func(fd uintptr) {
		for range drainRounds {
			if n, errno := r.in.receive(fd); n == 0 || errno != 0 {
				return
			} else {
				d.gather(r.in, n, l)
			}
		}
	})
}

// drainRounds bounds how often what had arrived is received after Stop.
const drainRounds = 1 << 10

// turn gathers what has arrived and returns how long to rest before the next
// turn; 0: the alarm is to be waited for.
func (r *reader) turn() time.Duration {
	if err := r.s.raw.Control(r.drain); err != nil || !r.s.rests {
		return 0
	}
	now := time.Now()
	r.found.since = now.Sub(r.empty)
	r.empty = now
	return rest(r.found, time.Duration(r.door.took.Load()))
}

// drained receives until there is nothing more.
func (r *reader) drained(fd uintptr) {
	r.found = turn{}
	if r.s.rests {
		m := meminfo(fd)
		r.found.held, r.found.room = int(m[meminfoHeld]), int(m[meminfoBuffer])
	}
	for n := messagesAtOnce; n == messagesAtOnce && !r.door.stopped(); {
		var errno syscall.Errno
		if n, errno = r.in.receive(fd); errno != 0 {
			r.door.o.Logger.Debug("receive datagrams", "error", errno)
		}
		if n > 0 {
			r.door.gather(r.in, n, r.lane)
		}
		r.found.messages += n
	}
}

// pause rests, and reports whether another turn is to follow.
func (r *reader) pause(rest time.Duration) bool {
	if rest == 0 {
		return false
	}
	r.timer.Reset(rest)
	select {
	case <-r.timer.C:
		return true
	case <-r.door.stop:
		return false
	}
}

// gather gathers what n messages say.
func (d *Door) gather(m *messages, n int, l *lane) {
	if d.o.Budget.Full() {
		d.counts.dropped.Add(n)
		return
	}
	l.begin(unixSeconds(d.o.Now()))
	defer l.end()
	for i := range n {
		if m.list[i].header.Flags&unix.MSG_TRUNC != 0 {
			d.counts.truncated.Inc()
			continue
		}
		data, each := m.data(i)
		from := m.sender(i)
		for len(data) > 0 {
			this := data[:min(each, len(data))]
			data = data[len(this):]
			l.counts.datagrams++
			l.consume(this, from)
		}
	}
}
