package ingest

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
)

// Sizes of the buffer that a stream reads into. It starts small, doubles when
// a read fills it, up to where that stops paying, and beyond only for a frame
// that needs it.
const (
	minFrameBuffer  = 4 << 10
	bestFrameBuffer = 256 << 10
	// maxFrame is the largest frame that is taken, without its length.
	maxFrame = 1 << 20
	// lostFrame is a length that no sender can mean: framing is lost.
	lostFrame = 1 << 31
)

// errFraming says that where frames begin and end is not known any more.
var errFraming = errors.New("the length of a frame is not one: framing is lost")

// frames reads frames from a connection. It owns a buffer only while there is
// something in it, if the system tells when a connection is readable.
type frames struct {
	conn       io.Reader
	raw        *rawReader   // nil: conn has to be read in the ordinary way
	idle       func() error // called before a wait, if the connection tells, which an error ends; may be nil
	first      []byte       // what was read before the stream began
	buf        []byte       // nil: none is owned
	begin, end int          // what is not consumed
	want       int          // size of buffer that pays
	skip       uint64       // of a frame that is too large
	short      bool         // the last read has filled less than it could
	read       int          // bytes since the caller looked last
	copied     int          // from buffer to buffer, likewise
}

func newFrames(conn net.Conn, buffered []byte) *frames {
	f := &frames{conn: conn, first: buffered, want: minFrameBuffer}
	f.raw = newRawReader(conn, f.take, f.wait)
	return f
}

// tellsIdle reports whether idle is called before every wait.
func (f *frames) tellsIdle() bool { return f.raw != nil && len(f.first) == 0 }

// wait is called before a wait. An error says that nothing is to be waited for.
func (f *frames) wait() error {
	f.disown()
	if f.idle == nil {
		return nil
	}
	return f.idle()
}

// errTooLarge says that a frame is being skipped.
var errTooLarge = refuse(http.StatusRequestEntityTooLarge, reasonTooLarge, "The frame is larger than the limit of %d bytes.", maxFrame)

// next returns the next frame that has arrived. ok is false if more has to be
// read first. The error is errTooLarge, once for each such frame, or
// errFraming.
func (f *frames) next() (m []byte, ok bool, err error) {
	if !f.skipped() {
		return nil, false, nil
	}
	b := f.buf[f.begin:f.end]
	n, used := binary.Uvarint(b)
	switch {
	case used == 0 && len(b) < binary.MaxVarintLen64:
		return nil, false, nil
	case used <= 0 || n >= lostFrame:
		return nil, false, errFraming
	case n > maxFrame:
		f.begin += used
		f.skip = n
		return nil, false, errTooLarge
	case n > uint64(len(b)-used):
		return nil, false, nil
	}
	f.begin += used + int(n)
	return b[used : used+int(n)], true, nil
}

// skipped drops what has arrived of a frame that is too large. It reports
// whether that is over.
func (f *frames) skipped() bool {
	n := min(f.skip, uint64(f.end-f.begin))
	f.begin += int(n)
	f.skip -= n
	return f.skip == 0
}

// drained reports whether all that had arrived at the last read was read and
// consumed.
func (f *frames) drained() bool { return f.raw != nil && f.short && !f.midway() }

// midway reports whether a frame has begun to arrive.
func (f *frames) midway() bool { return f.skip > 0 || f.end > f.begin }

// size is the memory that is held.
func (f *frames) size() int { return cap(f.buf) }

// fill reads once, waiting for as long as it takes. What next returned is not
// valid any more.
func (f *frames) fill() error {
	if len(f.first) > 0 {
		f.own(f.need(len(f.first)))
		n := copy(f.buf[f.end:], f.first)
		f.copied += n
		f.end += n
		f.first, f.short = f.first[n:], false
		return nil
	}
	n, err := f.receive()
	f.end += n
	f.read += n
	space := len(f.buf)
	f.short = f.end < space
	switch {
	case !f.short:
		f.want = min(2*f.want, bestFrameBuffer)
	case f.end < space/4:
		f.want = max(f.want/2, minFrameBuffer)
	}
	if n == 0 && err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// receive reads into a buffer that it owns from when there is something.
func (f *frames) receive() (n int, err error) {
	if f.raw == nil {
		return f.conn.Read(f.take())
	}
	return f.raw.read()
}

// take returns room to read into.
func (f *frames) take() []byte {
	f.own(f.need(0))
	return f.buf[f.end:]
}

// need is the size of buffer for what is there, and more to come. It is never
// more than twice what has arrived, whatever that says of itself.
func (f *frames) need(more int) int {
	have := f.end - f.begin
	n := max(f.want, have+more+1)
	if frame, used := binary.Uvarint(f.buf[f.begin:f.end]); used > 0 && frame <= maxFrame {
		n = max(n, min(used+int(frame), 2*have))
	}
	return n
}

// own sees to it that there is a buffer of that size with what is not consumed
// at its beginning.
func (f *frames) own(size int) {
	if len(f.buf) >= size && len(f.buf) <= 2*size {
		if f.begin > 0 {
			f.end = copy(f.buf, f.buf[f.begin:f.end])
			f.copied += f.end
			f.begin = 0
		}
		return
	}
	old, rest := f.buf, f.buf[f.begin:f.end]
	f.buf = newSlab(size)
	f.begin, f.end = 0, copy(f.buf, rest)
	f.copied += f.end
	freeSlab(old)
}

// disown gives the buffer back before a wait, but for what is in it.
func (f *frames) disown() {
	if f.begin == f.end {
		freeSlab(f.buf)
		f.buf, f.begin, f.end = nil, 0, 0
		return
	}
	if have := f.end - f.begin; have < len(f.buf)/4 {
		small := append(make([]byte, 0, have), f.buf[f.begin:f.end]...)
		freeSlab(f.buf)
		f.buf, f.begin, f.end = small, 0, have
		f.copied += have
	}
}

// close gives the buffer back.
func (f *frames) close() {
	freeSlab(f.buf)
	f.buf, f.begin, f.end = nil, 0, 0
}

// slabs are buffers of power-of-two sizes, for use again.
var slabs [7]sync.Pool // minFrameBuffer … bestFrameBuffer

func slabClass(size int) int {
	class := 0
	for minFrameBuffer<<class < size {
		class++
	}
	return class
}

func newSlab(size int) []byte {
	class := slabClass(size)
	if class >= len(slabs) {
		return make([]byte, size)
	}
	if b, ok := slabs[class].Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, minFrameBuffer<<class)
}

func freeSlab(b []byte) {
	if class := slabClass(len(b)); len(b) > 0 && class < len(slabs) && len(b) == minFrameBuffer<<class {
		slabs[class].Put(&b)
	}
}
