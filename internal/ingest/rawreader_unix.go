//go:build unix

package ingest

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// rawReader reads from a TCP connection when there is something to read, and
// takes no buffer before.
type rawReader struct {
	conn syscall.RawConn
	take func() []byte         // what to read into
	wait func() error          // called before a wait, after which take is called again, unless it fails
	try  func(fd uintptr) bool // the method value attempt, made once
	n    int
	err  error
}

// newRawReader returns nil if conn is not one that can be read so: that of TLS
// cannot, but what wraps a TCP connection and leaves its bytes alone can.
func newRawReader(conn net.Conn, take func() []byte, wait func() error) *rawReader {
	open, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := open.SyscallConn()
	if err != nil {
		return nil
	}
	r := &rawReader{conn: raw, take: take, wait: wait}
	r.try = r.attempt
	return r
}

// read reads once, waiting for as long as it takes.
func (r *rawReader) read() (int, error) {
	switch waited := r.conn.Read(r.try); {
	case waited != nil: // a deadline, or closed
		return 0, waited
	case r.err != nil:
		return 0, r.err
	case r.n == 0:
		return 0, io.EOF
	}
	return r.n, nil
}

func (r *rawReader) attempt(fd uintptr) bool {
	for {
		r.n, r.err = readNow(int(fd), r.take())
		switch r.err {
		case syscall.EINTR:
		case syscall.EAGAIN:
			r.err = r.wait()
			return r.err != nil
		default:
			r.n = max(r.n, 0)
			return true
		}
	}
}

// rawWriter writes to a TCP connection.
type rawWriter struct {
	conn syscall.RawConn
	try  func(fd uintptr) bool // the method value attempt, made once
	rest []byte
	err  error
}

// newRawWriter returns nil where newRawReader does.
func newRawWriter(conn net.Conn) *rawWriter {
	open, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := open.SyscallConn()
	if err != nil {
		return nil
	}
	w := &rawWriter{conn: raw}
	w.try = w.attempt
	return w
}

// write writes all of p, waiting for as long as it takes.
func (w *rawWriter) write(p []byte) error {
	w.rest, w.err = p, nil
	err := w.conn.Write(w.try)
	w.rest = nil
	return errors.Join(err, w.err)
}

func (w *rawWriter) attempt(fd uintptr) bool {
	for len(w.rest) > 0 {
		n, err := writeNow(int(fd), w.rest)
		switch err {
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		case nil:
			w.rest = w.rest[n:]
		default:
			w.err = err
			return true
		}
	}
	return true
}
