package ingest

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/tabaproject/taba/internal/wire"
)

// commit commits what the reader offers and acknowledges it, until there is no
// more. Replies leave in one segment each: one Write, and Go's connections do
// not wait for more.
func (s *stream) commit() {
	defer close(s.ended)
	r := replier{s: s}
	for l := range s.offered {
		s.share.take()
		err := s.settle(l)
		if err != nil {
			why := asRefusal(notStored(err))
			s.e.o.Metrics.refusedRequest(why.reason)
			r.end(why)
			return
		}
		sent := r.acknowledge(l)
		s.recycle(l)
		if !sent {
			return
		}
	}
	if s.refusal != nil {
		r.end(s.refusal)
	}
}

// settle makes a load durable. The client's going away does not hinder it:
// others may be in the same commit.
func (s *stream) settle(l *load) error {
	if l.Empty() {
		return nil
	}
	l.peak = max(l.Size(), l.peak-l.peak/8)
	if err := s.e.committer.Commit(context.Background(), l.Accumulator, nil); err != nil {
		return err
	}
	l.got.countEvents(s.e.o.Metrics)
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

// replier writes replies.
type replier struct {
	s     *stream
	upTo  uint64
	reply wire.StreamReply
	buf   []byte
	body  []byte
}

// acknowledge tells what became of the frames of a load.
func (r *replier) acknowledge(l *load) bool {
	r.upTo = l.upTo
	r.reply = wire.StreamReply{Acknowledged: l.upTo, Events: l.got.events, Refused: l.tabs, Frames: l.refused}
	return r.write()
}

// end says why the stream ends.
func (r *replier) end(why *refusal) {
	r.reply = wire.StreamReply{Acknowledged: r.upTo, Status: uint32(why.status), Error: why.text}
	r.write()
}

func (r *replier) write() bool {
	r.body = wire.AppendStreamReply(r.body[:0], &r.reply)
	r.buf = append(binary.AppendUvarint(r.buf[:0], uint64(len(r.body))), r.body...)
	_ = r.s.conn.SetWriteDeadline(time.Now().Add(r.s.e.o.Timeouts.WriteTimeout))
	_, err := r.s.conn.Write(r.buf)
	return err == nil
}
