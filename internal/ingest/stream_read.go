package ingest

import (
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/tabaproject/taba/internal/wire"
)

// load is what a number of frames came to.
type load struct {
	*accumulator
	begun   bool   // something was folded into it
	bytes   int64  // read meanwhile
	upTo    uint64 // the last frame
	frames  int    // how many of them were taken
	refused []wire.FrameRefusal
	got     received
	tabs    []wire.Refused
	claim   claim
}

// maxRefusedFrames is how many frames are refused in one reply.
const maxRefusedFrames = 256

// load returns an empty load.
func (s *stream) load() *load {
	select {
	case l := <-s.spare:
		return l
	default:
		return &load{accumulator: s.e.accs.get()}
	}
}

// refuse notes that a frame was refused.
func (l *load) refuse(frame uint64, why *refusal) {
	l.refused = append(l.refused, wire.FrameRefusal{Frame: frame, Status: uint32(why.status), Error: why.text})
}

// read folds frames until no more come.
//
// What was folded is offered when all that has arrived is: while more is there
// to be folded, a commit can wait, and the larger it is the less it costs an
// event. A sender that does not wait for acknowledgements could keep it
// waiting for ever; so it is offered too when that was as much as a stream's
// share of the budget. Either way, if the committer is busy what follows is
// added to it.
func (s *stream) read() {
	wake := s.watch()
	defer close(wake)
	s.patience = s.newPatience()
	s.frames.idle = s.rest
	for s.drain(); s.refusal == nil; s.drain() {
		full := s.open != nil && len(s.open.refused) >= maxRefusedFrames
		if full || !s.frames.tellsIdle() || s.open != nil && s.open.bytes >= s.share.most() {
			s.offer()
		}
		if s.refusal = s.room(full); s.refusal != nil {
			break
		}
		if full { // there may be more frames to drain
			s.reclaim()
			continue
		}
		s.patience()
		err := s.fill()
		s.reclaim()
		s.received()
		if err != nil {
			s.broken(err)
			break
		}
	}
	s.reclaim()
}

// fill reads once. What little there is it commits before: the last read has
// shown that no more had arrived, so there is no need to ask again, and what comes
// meanwhile is there afterwards.
func (s *stream) fill() error {
	if s.frames.drained() && s.little() {
		if err := s.commitHere(); err != nil {
			return err
		}
	}
	return s.frames.fill()
}

// received counts the bytes that were read.
func (s *stream) received() {
	n := s.frames.read
	s.e.o.Metrics.Bytes.Add(n)
	s.e.o.door.Bytes.Add(n)
	s.e.o.Metrics.Copied.Add(s.frames.copied)
	s.frames.read, s.frames.copied = 0, 0
	if s.open != nil {
		s.open.bytes += int64(n)
	} else {
		s.early += int64(n)
	}
}

// watch interrupts the reader when no more is to be read, until the channel is
// closed.
func (s *stream) watch() chan struct{} {
	done := make(chan struct{})
	go func() {
		select {
		case <-s.e.stopped:
		case <-s.ended:
		case <-done:
			return
		}
		_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // long past
	}()
	return done
}

// newPatience returns what is called before each read: it moves the deadline, of
// a frame that has begun to arrive or of one that has not.
func (s *stream) newPatience() func() {
	set := func(t time.Time) error {
		err := s.conn.SetReadDeadline(t)
		select {
		case <-s.e.stopped: // the watcher may have come between
			return s.conn.SetReadDeadline(time.Unix(1, 0))
		case <-s.ended:
			return s.conn.SetReadDeadline(time.Unix(1, 0))
		default:
			return err
		}
	}
	read := deadline{timeout: s.e.o.Timeouts.ReadTimeout, set: set}
	idle := deadline{timeout: s.e.o.Timeouts.IdleTimeout, set: set}
	return func() {
		now, other := &read, &idle
		if !s.frames.midway() {
			now, other = other, now
		}
		other.last = time.Time{}
		now.extend()
	}
}

// broken finds out what to tell a client of which no more can be read.
func (s *stream) broken(err error) {
	midway := s.frames.midway()
	switch {
	case errors.Is(err, errEnded), s.hasEnded():
		return // and the client was told why
	case s.e.isStopped():
		s.refusal = errStopping
	case isTimeout(err) && midway:
		s.refusal = refuse(http.StatusRequestTimeout, reasonSlow, "The rest of a frame did not arrive in time.")
	case isTimeout(err):
		s.refusal = refuse(http.StatusRequestTimeout, reasonIdle, "Nothing was sent for too long.")
	case errors.Is(err, io.EOF) && !midway:
		return // the client has ended it
	default:
		s.refusal = refuse(http.StatusBadRequest, reasonAborted, "The stream broke off: %v", err)
	}
	s.e.o.Metrics.refusedRequest(s.refusal.reason)
}

// hasEnded reports whether the committer has returned.
func (s *stream) hasEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// drain folds the frames that have arrived.
func (s *stream) drain() {
	for s.open == nil || len(s.open.refused) < maxRefusedFrames {
		m, ok, err := s.frames.next()
		switch {
		case errors.Is(err, errFraming):
			s.refusal = refuse(http.StatusBadRequest, reasonFraming, "%v", err)
			s.e.o.Metrics.refusedRequest(reasonFraming)
			s.e.o.noteRequest(s.refusal, s.sender)
			return
		case err == nil && !ok:
			return
		}
		if s.open == nil {
			s.open = s.load()
			s.open.bytes, s.early = s.early, 0
		}
		s.count++
		s.open.upTo = s.count
		if err == nil {
			err = s.fold(s.open, m)
		}
		if err != nil {
			why := asRefusal(err)
			s.suspect = true
			s.e.o.Metrics.refusedRequest(why.reason)
			s.e.o.noteRequest(why, s.sender)
			s.open.refuse(s.count, why)
			continue
		}
		s.open.frames++
	}
}

// fold folds one frame into l. On an error nothing of it counts.
func (s *stream) fold(l *load, m []byte) error {
	if s.suspect && !wire.Forgets(m) {
		return refuse(http.StatusConflict, reasonForget, "A frame before this one was refused: begin anew with forget.")
	}
	if err := s.folder.check(m); err != nil {
		return err
	}
	s.suspect = false
	if !l.begun {
		l.begun = true
		s.folder.begin(l.Accumulator, unix(s.e.o.Now()))
	}
	return s.folder.fold(func() bool { return true }) // the budget was asked before it was read
}

// offer puts what is open where the committer finds it. There is room: what
// was offered before was taken, by the committer or by reclaim.
func (s *stream) offer() {
	l := s.open
	if l == nil {
		return
	}
	s.close(l)
	s.open, s.lent = nil, true
	s.unacked.Add(1)
	s.offered <- l
}

// windowBytes is what a client can send without our reading, at the least: the
// system takes it. As long as no more arrives while a commit lasts, nobody is
// held up by a reader that commits.
const windowBytes = 64 << 10

// errEnded says that the stream has ended while the reader committed.
var errEnded = errors.New("the stream has ended")

// rest is called before the reader waits for more to arrive. What was folded it
// commits itself, if that is little, or offers it.
func (s *stream) rest() error {
	if s.little() {
		return s.commitHere()
	}
	s.offer()
	return nil
}

// little reports whether there is something that the reader should commit: the
// committer is at rest, and no more has come than may come meanwhile.
func (s *stream) little() bool {
	return s.open != nil && s.open.bytes <= windowBytes && s.unacked.Load() == 0
}

// commitHere commits what is open and acknowledges it.
func (s *stream) commitHere() error {
	l := s.open
	s.pacer.begin(s.count, l.bytes)
	s.close(l)
	s.open = nil
	s.folder.end()
	s.frames.disown()
	if !s.complete(l) {
		return errEnded
	}
	s.pacer.end()
	s.patience() // the commit may have taken long
	return nil
}

// close ends the folding into a load.
func (s *stream) close(l *load) {
	if l.begun {
		l.got, l.tabs = s.folder.received(), s.folder.tally.wire()
	}
	l.claim.join(&s.folder.asked)
	s.share.accrue(l.Size())
}

// reclaim takes back what was offered and not taken.
func (s *stream) reclaim() {
	if !s.lent {
		return
	}
	s.lent = false
	select {
	case s.open = <-s.offered:
		s.unacked.Add(-1)
	default:
		s.folder.end()
	}
}

// room waits until there is memory to read more and, if the load that was
// offered has as many refusals as a reply may have, until it is taken. While it waits nothing is read,
// which slows the sender down. A refusal means that there is none to come.
func (s *stream) room(full bool) *refusal {
	if s.open != nil {
		s.share.accrue(s.open.Size())
	}
	enough := func() bool {
		if full && len(s.offered) > 0 {
			return false
		}
		held := s.frames.size() + s.folder.size()
		if s.share.reserve(held + s.frames.want) {
			return true
		}
		s.frames.want = minFrameBuffer // little is better than nothing
		return s.share.reserve(held + minFrameBuffer)
	}
	if enough() {
		return nil
	}
	s.offer() // to make room
	tired := time.NewTimer(s.e.o.Timeouts.ReadTimeout)
	defer tired.Stop()
	for {
		freed := s.e.o.Budget.freed()
		if enough() {
			return nil
		}
		select {
		case <-freed:
		case <-s.ended:
			return errStopping // and nobody is told: the committer said why
		case <-s.e.stopped:
			return errStopping
		case <-tired.C:
			if s.share.busy() { // its own commit will make room
				tired.Reset(s.e.o.Timeouts.ReadTimeout)
				continue
			}
			s.e.o.Metrics.refusedRequest(reasonCapacity)
			return errCapacity
		}
	}
}
