package spool

import (
	"errors"
	"fmt"
	"io"
)

// scanner reads the frames of one segment in order and finds its way again
// after damage.
type scanner struct {
	r    io.ReaderAt
	size int64 // of the segment
	salt uint32
	next uint64 // LSN expected

	buf []byte // bytes [off, off+len(buf)) of the segment
	off int64
	pos int // of the next frame in buf

	frame frame // of the last call of scan; its payload is valid until the next
	hole  hole  // likewise
}

// hole is a range of a segment without a readable frame.
type hole struct {
	offset, bytes int64
	first, last   uint64 // LSNs missing
}

type found uint8

const (
	foundEnd   found = iota // of the segment
	foundFrame              // see scanner.frame
	foundHole               // see scanner.hole; frames follow
	foundTail               // see scanner.hole; nothing readable follows
)

// readAhead is how much is read at a time.
const readAhead = 256 << 10

// offset is where the next frame begins.
func (s *scanner) offset() int64 { return s.off + int64(s.pos) }

// scan moves to the next frame, hole or the end.
func (s *scanner) scan() (found, error) {
	if s.offset() >= s.size {
		return foundEnd, nil
	}
	ok, err := s.tryFrame()
	switch {
	case err != nil:
		return foundEnd, err
	case ok:
		s.pos += int(s.frame.size)
		s.next = s.frame.LSN + 1
		return foundFrame, nil
	}
	return s.resync()
}

// tryFrame parses the frame expected at the present offset.
func (s *scanner) tryFrame() (bool, error) {
	rest := s.size - s.offset()
	if rest < frameHeader {
		return false, nil
	}
	if err := s.fill(frameHeader); err != nil {
		return false, err
	}
	length, lsn := frameLength(s.buf[s.pos:])
	need := frameHeader + int64(length)
	if lsn != s.next || length > MaxRecord || need > rest {
		return false, nil
	}
	if err := s.fill(int(need)); err != nil {
		return false, err
	}
	var ok bool
	s.frame, ok = parseFrame(s.buf[s.pos:s.pos+int(need)], s.salt)
	return ok, nil
}

// fill makes n bytes available at pos. The segment has that many.
func (s *scanner) fill(n int) error {
	if len(s.buf)-s.pos >= n {
		return nil
	}
	at := s.offset()
	want := int(min(int64(max(n, readAhead)), s.size-at))
	keep := copy(s.buf, s.buf[s.pos:])
	if cap(s.buf) < want {
		grown := make([]byte, want)
		copy(grown, s.buf[:keep])
		s.buf = grown
	}
	s.buf = s.buf[:want]
	s.off, s.pos = at, 0
	n, err := s.r.ReadAt(s.buf[keep:], at+int64(keep))
	if n == want-keep {
		return nil // whatever err says: io.EOF is allowed here
	}
	s.buf = s.buf[:keep+max(n, 0)]
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read segment at %d: %w", at+int64(keep), err)
}

// resync looks for the first good frame after the present offset. It reads
// the rest of the segment into memory: damage is rare and segments are small.
func (s *scanner) resync() (found, error) {
	start := s.offset()
	if err := s.fill(int(s.size - start)); err != nil {
		return foundEnd, err
	}
	rest := s.buf[s.pos:]
	s.hole = hole{offset: start, bytes: int64(len(rest)), first: s.next, last: s.next - 1}
	// Each candidate costs a checksum over its claimed length. A legitimate
	// segment has few; the budget keeps a hostile one from being quadratic.
	budget := 16*len(rest) + 1<<20
	for at := 1; at+frameHeader <= len(rest) && budget > 0; at++ {
		length, lsn := frameLength(rest[at:])
		end := at + frameHeader + int(length)
		// The damaged bytes held at most so many records.
		if lsn < s.next || lsn-s.next > uint64(at/frameHeader)+1 || length > MaxRecord || end > len(rest) {
			continue
		}
		budget -= int(length) + frameHeader
		if _, ok := parseFrame(rest[at:end], s.salt); ok {
			s.hole.bytes, s.hole.last = int64(at), lsn-1
			s.pos += at
			s.next = lsn
			return foundHole, nil
		}
	}
	s.pos = len(s.buf)
	return foundTail, nil
}
