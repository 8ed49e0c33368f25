package ingest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tabaproject/taba/internal/gather"
)

// A body that is decoded while it arrives holds a decoder and what was folded
// of it, some hundreds of KiB, until its sender is done. That is worth it for a
// sender that keeps the decoder busy: nothing is copied. A slow one is gathered
// instead: what it sends goes to a file, and only when all of it is there is it
// decoded, at full speed.

// dawdles reports whether the sender is slow: whether it takes longer for the
// head of a body than a commit takes, for which its events are held anyway.
func (s *source) dawdles() bool {
	return s.o.Gather != nil && !s.lease.entered && time.Since(s.began) > s.o.Pace()
}

// gather moves the body to the file until it ends, and then begins to read it
// from there.
func (s *source) gather(ctx context.Context) error {
	s.gathered = s.o.Gather.New()
	if err := s.store(s.first); err != nil {
		return err
	}
	s.recycle()
	if err := s.drain(); err != nil {
		return err
	}
	s.recycle()
	s.lease.hold(0)
	s.body, s.length, s.read, s.eof = &s.gathered, s.gathered.Len(), 0, false
	return s.enter(ctx)
}

// enter waits until it is the turn of a body that is all there.
func (s *source) enter(ctx context.Context) error {
	if err := s.lease.enter(ctx, s.o.Timeouts.ReadTimeout); err != nil {
		return s.broken(err)
	}
	return nil
}

// drain reads the rest of the body, with the smallest of buffers.
func (s *source) drain() error {
	if !s.lease.hold(int64(headSizes[0])) {
		return errCapacity
	}
	s.class, s.first = 0, newHead(0)
	for {
		n, err := s.fetch(s.first[:cap(s.first)])
		if stored := s.store(s.first[:n]); stored != nil {
			return stored
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *source) store(p []byte) error {
	_, err := s.gathered.Write(p)
	switch {
	case errors.Is(err, gather.ErrFull):
		return errCapacity
	case err != nil:
		return refuse(http.StatusServiceUnavailable, reasonCapacity, "The body could not be kept until it is complete: %v. Retry later.", err)
	}
	return nil
}

// enter waits until a body that is all there can be decoded: one at a time for
// each processor, as nothing is waited for meanwhile, and not before half of the
// budget is free. It does not wait for that longer than a sender may.
func (l *lease) enter(ctx context.Context, patience time.Duration) error {
	select {
	case l.of.decoding <- struct{}{}:
		l.entered = true
	case <-ctx.Done():
		return ctx.Err()
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		freed := l.of.freed()
		if l.of.Used() <= l.of.Max()/2 {
			return nil
		}
		select {
		case <-freed:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// leave lets the next one in.
func (l *lease) leave() {
	if l.entered {
		l.entered = false
		<-l.of.decoding
	}
}
