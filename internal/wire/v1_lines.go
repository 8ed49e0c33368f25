package wire

import (
	"bytes"
	"io"
)

// Sizes of a line buffer. It starts small, doubles when a read fills it, up
// to where that stops paying, and beyond only for a line that needs it.
const (
	minLineBuffer  = 4 << 10
	bestLineBuffer = 64 << 10
	maxEmptyReads  = 100
)

// lines splits what a reader returns into lines.
type lines struct {
	r          io.Reader
	buf        []byte
	begin, end int // what is not consumed
	max        int // longest line
	n          int // lines so far
	total      int // bytes read so far
	copied     int // bytes moved within the buffer, or to a larger one, so far
	full       bool
	err        error // of r
}

// reset begins a new body. A buffer that the last one left mostly empty is
// halved.
func (l *lines) reset(r io.Reader) {
	buf := l.buf
	if len(buf) > minLineBuffer && l.total < len(buf)/4 {
		buf = make([]byte, max(minLineBuffer, min(len(buf)/2, bestLineBuffer)))
	}
	*l = lines{r: r, buf: buf, max: l.max}
}

// next returns the next line without its end, valid until the next call. The
// last line need not have an end. The error is io.EOF after the last line,
// a *LimitError, or whatever the reader said.
func (l *lines) next() ([]byte, error) {
	scanned := l.begin
	for {
		if i := bytes.IndexByte(l.buf[scanned:l.end], '\n'); i >= 0 {
			return l.take(scanned+i, scanned+i+1)
		}
		if l.end-l.begin > l.max {
			return l.take(l.end, l.end)
		}
		if l.err != nil {
			if l.err == io.EOF && l.begin < l.end {
				return l.take(l.end, l.end)
			}
			return nil, l.err
		}
		unread := l.end - l.begin
		l.fill()
		scanned = l.begin + unread
	}
}

// take consumes the line that ends at end.
func (l *lines) take(end, next int) ([]byte, error) {
	line := l.buf[l.begin:end]
	l.begin = next
	l.n++
	if len(line) > l.max {
		return nil, &LimitError{Line: l.n, Limit: "line", Max: l.max}
	}
	return line, nil
}

// fill reads once.
func (l *lines) fill() {
	if l.begin > 0 {
		l.end = copy(l.buf, l.buf[l.begin:l.end])
		l.copied += l.end
		l.begin = 0
	}
	if l.end == len(l.buf) || l.full && len(l.buf) < bestLineBuffer {
		l.buf = append(make([]byte, 0, max(minLineBuffer, 2*len(l.buf))), l.buf[:l.end]...)
		l.copied += l.end
		l.buf = l.buf[:cap(l.buf)]
	}
	for range maxEmptyReads {
		n, err := l.r.Read(l.buf[l.end:])
		l.full = l.end+n == len(l.buf)
		l.end += n
		l.total += n
		l.err = err
		if n > 0 || err != nil {
			return
		}
	}
	l.err = io.ErrNoProgress
}
