package ingest

import (
	"context"
	"encoding/binary"
	"net"
	"time"

	"github.com/tabaproject/taba/internal/wire"
)

// commit completes what the reader offers, until there is no more.
func (s *stream) commit() {
	defer close(s.ended)
	for l := range s.offered {
		if !s.complete(l) {
			return
		}
		s.unacked.Add(-1)
	}
	if s.refusal != nil {
		s.replier.end(s.refusal)
	}
}

// complete commits a load and acknowledges it. It reports false if the stream
// has ended by that.
func (s *stream) complete(l *load) bool {
	s.share.take()
	if err := s.settle(l); err != nil {
		why := asRefusal(notStored(err))
		s.e.o.Metrics.refusedRequest(why.reason)
		s.replier.end(why)
		return false
	}
	sent := s.replier.acknowledge(l)
	s.recycle(l)
	return sent
}

// settle makes a load durable. The client's going away does not hinder it:
// others may be in the same commit.
func (s *stream) settle(l *load) error {
	defer l.claim.settle()
	if !l.Empty() {
		l.peak = max(l.Size(), l.peak-l.peak/8)
		if err := s.e.committer.Commit(context.Background(), l.Accumulator, nil); err != nil {
			return err
		}
	}
	l.got.countEvents(&s.e.o, s.sender)
	s.e.o.Metrics.Frames.Add(l.frames)
	return nil
}

// recycle keeps a load that was settled for use again.
func (s *stream) recycle(l *load) {
	*l = load{accumulator: l.accumulator, refused: l.refused[:0]}
	s.share.settle()
	select {
	case s.spare <- l:
	default:
		s.e.recycle(l.accumulator)
	}
}

// replier writes replies. They leave in one segment each: one Write, and Go's
// connections do not wait for more.
type replier struct {
	conn  net.Conn
	raw   *rawWriter // nil: conn has to be written to in the ordinary way
	write deadline
	upTo  uint64
	reply wire.StreamReply
	buf   []byte
	body  []byte
}

func newReplier(conn net.Conn, timeout time.Duration) replier {
	return replier{conn: conn, raw: newRawWriter(conn), write: deadline{timeout: timeout, set: conn.SetWriteDeadline}}
}

// acknowledge tells what became of the frames of a load.
func (r *replier) acknowledge(l *load) bool {
	r.upTo = l.upTo
	r.reply = wire.StreamReply{Acknowledged: l.upTo, Events: l.got.events, Refused: l.tabs, Frames: l.refused}
	return r.send()
}

// end says why the stream ends.
func (r *replier) end(why *refusal) {
	r.reply = wire.StreamReply{Acknowledged: r.upTo, Status: uint32(why.status), Error: why.text}
	r.send()
}

func (r *replier) send() bool {
	r.body = wire.AppendStreamReply(r.body[:0], &r.reply)
	r.buf = append(binary.AppendUvarint(r.buf[:0], uint64(len(r.body))), r.body...)
	r.write.extend()
	if r.raw != nil {
		return r.raw.write(r.buf) == nil
	}
	_, err := r.conn.Write(r.buf)
	return err == nil
}
