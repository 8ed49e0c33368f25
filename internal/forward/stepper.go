package forward

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/wire"
)

// Stepper is a Forwarder without its goroutine: the caller takes its steps one
// by one, is its clock, and carries its requests. So what ships can be run by a
// simulator that decides what happens when. It is not safe for concurrent use.
type Stepper struct{ f *Forwarder }

// Reply is the answer to a Request: an error, or the message that fits it.
type Reply struct {
	Open  wire.OpenReply
	Close wire.CloseReply
	Heads wire.HeadsReply
	Send  wire.BatchReply
	Err   error
}

// OpenStepper opens the spool in dir. clock is monotonic, since the process
// began. Options.Transport is not used; waits have no jitter.
func OpenStepper(fs vfs.FS, dir string, so spool.Options, o Options, clock func() time.Duration) (*Stepper, error) {
	f, err := prepare(fs, dir, so, o, clock)
	if err != nil {
		return nil, err
	}
	f.picker.jitter = func() float64 { return 0.5 }
	return &Stepper{f}, nil
}

// Append is Forwarder.Append.
func (s *Stepper) Append(body []byte, events uint64) error { return s.f.Append(body, events) }

// Step does the next thing there is to do, if there is any. If that is a
// request it is returned, to be answered; what is stepped meanwhile needs no
// server.
func (s *Stepper) Step() (q *Request, worked bool) {
	a := s.f.next()
	switch {
	case a.Kind == DoNothing:
		return nil, false
	case a.Kind >= DoOpen:
		q, worked = s.f.compose(a)
		return q, worked
	}
	s.f.local(a)
	return nil, true
}

// Answer takes the answer to a request. A request may be answered more than
// once: the machine takes the first.
func (s *Stepper) Answer(q *Request, r Reply) {
	ans := q.answer
	ans.open, ans.close, ans.heads, ans.batch, ans.err = r.Open, r.Close, r.Heads, r.Send, r.Err
	s.f.take(ans)
}

// Idle reports whether nothing is left to be sent.
func (s *Stepper) Idle() bool { return s.f.flushed && s.f.m.Idle() }

// Status is Forwarder.Status.
func (s *Stepper) Status() Status { return s.f.Status() }
