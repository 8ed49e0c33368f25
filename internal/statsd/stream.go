package statsd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	slabBytes = 256 << 10 // read at once; fits into the second-level cache
	lineBytes = 64 << 10  // the longest line of a stream, or packet within one
)

// pressureWait is how often a stream looks whether it may go on.
const pressureWait = 5 * time.Millisecond

// A lanePool lends lanes with a slab to the connections that have something to
// read: as many as there are processors, however many connections there are.
// It lends the one that was given back last, so that a single connection stays
// with one lane, whose names are then in the processor's caches.
type lanePool struct {
	door *Door
	made sync.Once

	mu    sync.Mutex
	given sync.Cond // signalled when one is given back
	free  []*slab
}

// A slab is a lane and the memory to read into.
type slab struct {
	*lane
	buf []byte
}

func newLanePool(d *Door) *lanePool {
	p := &lanePool{door: d}
	p.given.L = &p.mu
	return p
}

// open makes the slabs, once there is somebody to lend them to.
func (p *lanePool) open() {
	p.made.Do(func() {
		for range runtime.GOMAXPROCS(0) {
			p.give(&slab{p.door.lane(), make([]byte, slabBytes)})
		}
	})
}

// take lends a slab, as soon as there is one.
func (p *lanePool) take() *slab {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.free) == 0 {
		p.given.Wait()
	}
	last := len(p.free) - 1
	s := p.free[last]
	p.free = p.free[:last]
	return s
}

// give takes a slab back.
func (p *lanePool) give(s *slab) {
	p.mu.Lock()
	p.free = append(p.free, s)
	p.mu.Unlock()
	p.given.Signal()
}

// unixSeconds returns t as events have it.
func unixSeconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

// OpenTCP listens on an address for streams of lines. It returns the address,
// whose port may have been 0.
func (d *Door) OpenTCP(addr string) (string, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	d.accept(ln, false)
	return ln.Addr().String(), nil
}

// accept accepts connections until Stop. Streams that may be framed are looked
// at.
func (d *Door) accept(ln net.Listener, framed bool) {
	d.pool.open()
	d.onClose(func() { _ = ln.Close() })
	d.readers.Go(func() {
		for {
			conn, err := ln.Accept()
			if d.stopped() {
				if err == nil {
					_ = conn.Close()
				}
				return
			}
			if err != nil {
				d.o.Logger.Warn("accept a connection", "error", err)
				d.wait(100 * time.Millisecond) // as when there are too many open files
				continue
			}
			d.readers.Go(func() { d.serve(conn, framed) })
		}
	})
}

// serve reads a connection to its end. Stop ends it.
func (d *Door) serve(conn net.Conn, framed bool) {
	defer func() { _ = conn.Close() }()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil || !d.enter(conn) {
		return
	}
	defer d.leave(conn)
	s := stream{door: d, unknown: framed}
	if addr, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		s.from = addr.AddrPort().Addr().Unmap()
	}
	for err == nil {
		d.calm()
		err = s.next(raw)
	}
	if d.stopped() {
		s.drain(raw)
	}
	if errors.Is(err, errFraming) {
		d.o.Logger.Warn("a statsd stream is closed: a packet in it is larger than the limit", "limit", lineBytes)
	}
}

// enter notes an open connection, for Stop. It reports false after that.
func (d *Door) enter(conn net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped() {
		return false
	}
	d.conns[conn] = struct{}{}
	return true
}

func (d *Door) leave(conn net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, conn)
}

// calm waits until there is room for more.
func (d *Door) calm() {
	for d.o.Budget.Full() && d.wait(pressureWait) {
	}
}

// A stream is what a connection must remember between reads.
type stream struct {
	door    *Door
	from    netip.Addr
	rest    []byte // the beginning of a line or packet
	skip    bool   // up to the next newline: a line is too long
	unknown bool   // whether it is framed
	framed  bool   // every packet has its length before it, as DogStatsD's have
}

var errFraming = errors.New("a packet is too large")

// next waits for something to read, reads it into a slab and gathers its
// lines. While it waits it has none.
func (s *stream) next(raw syscall.RawConn) error {
	var err error
	wait := raw.Read(func(fd uintptr) (done bool) {
		done, err = s.read(fd)
		return done
	})
	if err == nil {
		err = wait
	}
	return err
}

// drainReads bounds what is read of a stream after Stop.
const drainReads = 64

// drain gathers what had arrived before Stop.
func (s *stream) drain(raw syscall.RawConn) {
	_ = raw.Control(func(fd uintptr) {
		for range drainReads {
			if done, err := s.read(fd); !done || err != nil {
				return
			}
		}
	})
}

// read reads what is there and gathers its lines. It reports false if there is
// nothing yet.
func (s *stream) read(fd uintptr) (done bool, err error) {
	slab := s.door.pool.take()
	defer s.door.pool.give(slab)
	held := copy(slab.buf, s.rest)
	n, err := syscall.Read(int(fd), slab.buf[held:])
	switch {
	case err == syscall.EAGAIN:
		return false, nil
	case err == syscall.EINTR:
		return true, nil
	case err != nil:
		return true, err
	case n == 0:
		_ = s.gather(slab.lane, slab.buf[:held], true)
		return true, io.EOF
	}
	return true, s.gather(slab.lane, slab.buf[:held+n], false)
}

// gather gathers the lines in data and keeps what belongs to the next one.
func (s *stream) gather(l *lane, data []byte, end bool) error {
	l.begin(unixSeconds(s.door.o.Now()))
	defer l.end()
	if s.unknown && (len(data) >= 4 || end) {
		// The upper bytes of a length are zero; no line has such bytes.
		s.unknown = false
		s.framed = len(data) >= 4 && bytes.IndexByte(data[:4], 0) >= 0
	}
	rest := data
	var err error
	switch {
	case s.unknown:
	case s.framed:
		rest, err = s.packets(l, data)
	default:
		rest = s.lines(l, data, end)
	}
	s.keep(rest)
	return err
}

// keep copies what the next read goes on with.
func (s *stream) keep(rest []byte) {
	if len(rest) == 0 {
		s.rest = nil // an idle connection owns nothing
		return
	}
	s.rest = append(s.rest[:0], rest...)
}

// lines gathers whole lines and returns what is left.
func (s *stream) lines(l *lane, data []byte, end bool) (rest []byte) {
	if s.skip {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			return nil
		}
		data, s.skip = data[i+1:], false
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	if end {
		whole = len(data)
	}
	l.consume(data[:whole], s.from)
	if rest = data[whole:]; len(rest) > lineBytes {
		s.door.refused(s.door.owner(s.from), s.from, rest, tooLong)
		s.skip, rest = true, nil
	}
	return rest
}

// packets gathers whole packets and returns what is left.
func (s *stream) packets(l *lane, data []byte) (rest []byte, err error) {
	for len(data) >= 4 {
		n := binary.LittleEndian.Uint32(data)
		if n > lineBytes {
			s.door.refused(s.door.owner(s.from), s.from, data[:4], tooLong)
			return nil, errFraming
		}
		if len(data) < 4+int(n) {
			break
		}
		l.consume(data[4:4+n], s.from)
		data = data[4+n:]
	}
	return data, nil
}
