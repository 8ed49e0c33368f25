package ingest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/gather"
)

// source is the body of one request as it was sent. It charges what it holds
// to the lease and enforces the limit on bytes.
type source struct {
	o      *Options
	door   *Door // that counts its bytes; nil: none does
	body   io.Reader
	length int64 // that was announced; -1: none was
	lease  *lease
	began  time.Time

	class    int    // of first: index into headSizes, or -1
	first    []byte // what arrived before decoding began
	at       int    // how much of first was read
	read     int64  // bytes taken from body
	eof      bool
	err      error        // the first error of body other than io.EOF, as a refusal
	gathered gather.Bytes // the whole body, if it was gathered
}

// headSizes are the steps in which the head of a body is collected, so that a
// slow client holds a small multiple of what it sent.
var headSizes = [...]int{4 << 10, 16 << 10, 64 << 10}

var headPools [len(headSizes)]sync.Pool

func newHead(class int) []byte {
	if b, ok := headPools[class].Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, headSizes[class])
}

// open begins to read the body of r. Call close when done.
func (s *source) open(r *http.Request, o *Options, l *lease) error {
	*s = source{o: o, door: o.door, body: r.Body, length: r.ContentLength, lease: l, began: time.Now(), class: -1}
	if r.ContentLength > o.Limits.Body {
		return s.tooLarge()
	}
	return nil
}

// collect reads until the body ends or the largest head is full. A request
// takes no decoder before that. A slow body is gathered first.
func (s *source) collect(ctx context.Context) error {
	if s.o.Gather != nil && s.length > int64(headSizes[0]) && gather.Complete(ctx) {
		if err := s.enter(ctx); err != nil {
			return err
		}
	}
	for class := 0; class < len(headSizes) && !s.eof; class++ {
		if err := s.grow(class); err != nil {
			return err
		}
		if !s.eof && s.dawdles() {
			if err := s.gather(ctx); err != nil {
				return err
			}
			class = -1 // begin again
		}
	}
	return nil
}

// grow fills a head of a larger class.
func (s *source) grow(class int) error {
	if !s.lease.hold(int64(headSizes[class])) {
		return errCapacity
	}
	b := append(newHead(class), s.first...)
	s.recycle()
	s.class, s.first = class, b
	return s.fill()
}

// fill reads until first is full or the body ends.
func (s *source) fill() error {
	for len(s.first) < cap(s.first) {
		n, err := s.fetch(s.first[len(s.first):cap(s.first)])
		s.first = s.first[:len(s.first)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Read returns first what was collected, then the rest as it arrives.
func (s *source) Read(p []byte) (int, error) {
	if s.at < len(s.first) {
		n := copy(p, s.first[s.at:])
		s.at += n
		return n, nil
	}
	return s.fetch(p)
}

// fetch reads from the connection.
func (s *source) fetch(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.eof {
		return 0, io.EOF
	}
	n, err := s.body.Read(p)
	s.read += int64(n)
	switch {
	case s.read > s.o.Limits.Body:
		s.err = s.tooLarge()
		return 0, s.err
	case err == io.EOF:
		s.eof = true
	case err != nil:
		s.err = s.broken(err)
		err = s.err
	}
	return n, err
}

func (s *source) broken(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return refuse(http.StatusRequestTimeout, reasonSlow, "The rest of the body did not arrive in time; %d bytes of it did.", s.read)
	}
	return refuse(http.StatusBadRequest, reasonAborted, "The body ended early, after %d bytes: %v", s.read, err)
}

func (s *source) tooLarge() error {
	return refuse(http.StatusRequestEntityTooLarge, reasonTooLarge, "The body is larger than the limit of %d bytes. Send smaller ones.", s.o.Limits.Body)
}

// close gives the memory back.
func (s *source) close() {
	s.o.Metrics.Bytes.Add(int(s.read))
	if s.door != nil {
		s.door.Bytes.Add(int(s.read))
	}
	s.read = 0
	s.recycle()
	s.gathered.Close()
}

// recycle gives first back.
func (s *source) recycle() {
	if s.class >= 0 {
		b := s.first
		headPools[s.class].Put(&b)
	}
	s.class, s.first, s.at = -1, nil, 0
}
