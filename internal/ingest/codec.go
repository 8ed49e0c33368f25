package ingest

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// encodings is what a 415 names.
const encodings = "gzip, deflate (zlib or raw), zstd, s2 and identity"

// codec decompresses one body at a time and is used again for the next.
type codec interface {
	io.Reader
	// need is the memory that decompressing a body which begins with head
	// takes, or a refusal.
	need(head []byte) (int64, error)
	// reset begins a body.
	reset(r *bufio.Reader) error
	// size is the memory held between bodies.
	size() int
}

// codecName returns the canonical name of a Content-Encoding; "" is identity.
func codecName(contentEncoding string) (string, error) {
	switch e := strings.ToLower(strings.TrimSpace(contentEncoding)); e {
	case "", "identity":
		return "", nil
	case "gzip", "x-gzip":
		return "gzip", nil
	case "deflate", "zlib":
		return "deflate", nil
	case "zstd", "s2":
		return e, nil
	default:
		return "", refuse(http.StatusUnsupportedMediaType, reasonEncoding,
			"Content-Encoding %q is not supported. Use %s.", contentEncoding, encodings)
	}
}

func newCodec(name string) codec {
	switch name {
	case "gzip":
		return &gzipCodec{}
	case "deflate":
		return &deflateCodec{}
	case "zlib":
		return &deflateCodec{zlibOnly: true}
	case "zstd":
		return &zstdCodec{}
	default:
		return &s2Codec{}
	}
}

// deflateMemory is what a DEFLATE decompressor takes: window and tables.
const deflateMemory = 64 << 10

type gzipCodec struct{ gzip.Reader }

func (c *gzipCodec) need([]byte) (int64, error)  { return deflateMemory, nil }
func (c *gzipCodec) reset(r *bufio.Reader) error { return c.Reset(r) }
func (c *gzipCodec) size() int                   { return deflateMemory }

// deflateCodec reads zlib, or raw DEFLATE, which some clients send under the
// same name.
type deflateCodec struct {
	zlibOnly  bool // /post_zip
	zlib, raw io.ReadCloser
	now       io.Reader
}

func (c *deflateCodec) Read(p []byte) (int, error) { return c.now.Read(p) }

func (c *deflateCodec) need([]byte) (int64, error) { return 2 * deflateMemory, nil }

func (c *deflateCodec) reset(r *bufio.Reader) (err error) {
	if b, _ := r.Peek(2); !c.zlibOnly && !isZlib(b) {
		if c.raw == nil {
			c.raw = flate.NewReader(r)
		} else if err = c.raw.(flate.Resetter).Reset(r, nil); err != nil {
			return err
		}
		c.now = c.raw
		return nil
	}
	if c.zlib == nil {
		// On an error the decompressor is lost, which costs a retry nothing.
		if c.zlib, err = zlib.NewReader(r); err != nil {
			c.zlib = nil
			return err
		}
	} else if err = c.zlib.(zlib.Resetter).Reset(r, nil); err != nil {
		return err
	}
	c.now = c.zlib
	return nil
}

func (c *deflateCodec) size() int { return 2 * deflateMemory }

// isZlib tells a zlib header from raw DEFLATE (RFC 1950, section 2.2).
func isZlib(b []byte) bool {
	return len(b) == 2 && b[0]&0x0f == 8 && (uint(b[0])<<8|uint(b[1]))%31 == 0
}

// zstdCodec lets no frame use a larger window than the first one, which is
// what was charged.
type zstdCodec struct {
	*zstd.Decoder
	window uint64
	widest uint64
}

const (
	zstdWindow = 8 << 20 // the largest window: what RFC 8878 asks of a receiver
	zstdFixed  = 1 << 20 // blocks and tables
)

func (c *zstdCodec) need(head []byte) (int64, error) {
	var h zstd.Header
	if err := h.Decode(head); err != nil {
		return 0, refuse(http.StatusBadRequest, reasonMalformed, "The zstd body does not begin with a frame: %v", err)
	}
	c.window = h.WindowSize
	if h.SingleSegment {
		c.window = h.FrameContentSize
	}
	if c.window > zstdWindow {
		return 0, refuse(http.StatusRequestEntityTooLarge, reasonTooLarge,
			"The zstd window of %d bytes is larger than the limit of %d. Compress with a smaller one.", c.window, uint64(zstdWindow))
	}
	c.window = max(c.window, zstd.MinWindowSize)
	return int64(c.window + zstdFixed), nil
}

func (c *zstdCodec) reset(r *bufio.Reader) (err error) {
	c.widest = max(c.widest, c.window)
	if c.Decoder == nil {
		c.Decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return err
		}
	}
	// Memory bounds single-segment frames, the window all others.
	return c.ResetWithOptions(r, zstd.WithDecoderMaxWindow(c.window), zstd.WithDecoderMaxMemory(c.window))
}

func (c *zstdCodec) size() int { return int(c.widest + zstdFixed) }

// s2Codec reads S2 and Snappy frames.
type s2Codec struct{ r *s2.Reader }

const s2Block = 1 << 20 // the largest block; the encoder's default

func (c *s2Codec) Read(p []byte) (int, error) { return c.r.Read(p) }
func (c *s2Codec) need([]byte) (int64, error) { return 5 * s2Block / 2, nil }
func (c *s2Codec) size() int                  { return 5 * s2Block / 2 }
func (c *s2Codec) reset(r *bufio.Reader) error {
	if c.r == nil {
		c.r = s2.NewReader(r, s2.ReaderMaxBlockSize(s2Block), s2.ReaderAllocBlock(64<<10))
		return nil
	}
	c.r.Reset(r)
	return nil
}

// inflated is a body after decompression, with its limits.
type inflated struct {
	src    *source
	name   string // of the encoding
	codec  codec  // nil: identity
	buf    *bufio.Reader
	limits *Limits
	out    int64 // bytes so far
	err    error

	// What the lease holds for this body: fixed, folded and, for the decoder,
	// a multiple of what it read since its last bundle.
	fixed, folded int64
	mark          int64 // out at the last bundle
	charged       int64 // out when the lease was last brought up to date
}

const (
	// chargeEvery is how many bytes a body grows by between two looks at the
	// lease.
	chargeEvery = 64 << 10
	// decodedSize is how many bytes the decoder holds for each byte of a
	// bundle: its text and its events.
	decodedSize = 3
)

func (d *inflated) Read(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	var n int
	if d.codec == nil {
		n, d.err = d.src.Read(p)
	} else {
		n, d.err = d.codec.Read(p)
	}
	d.out += int64(n)
	d.err = d.judge(d.err)
	if d.err == nil && d.out-d.charged >= chargeEvery {
		d.err = d.charge()
	}
	if d.err != nil && d.err != io.EOF {
		n = 0
	}
	return n, d.err
}

// bundle tells that a bundle was decoded and that what was folded so far
// holds size bytes. It returns what the decoder held.
func (d *inflated) bundle(size int) (decoder int) {
	decoder = int((d.out-d.mark)*decodedSize) + chargeEvery
	d.folded, d.mark = int64(size), d.out
	return decoder
}

func (d *inflated) charge() error {
	d.charged = d.out
	if !d.src.lease.hold(d.fixed + d.folded + (d.out-d.mark)*decodedSize) {
		return errCapacity
	}
	return nil
}

// soon is how many times the head that has arrived a body may be announced to
// be for room to be made for all of it at once.
const soon = 16

// all reads the whole body into memory, which the lease holds. It takes at most
// twice the limit, however large the body is.
func (d *inflated) all() ([]byte, error) {
	size := 2 * int64(len(d.src.first))
	if d.codec == nil {
		size = max(size, min(d.src.length, soon*int64(len(d.src.first))))
	}
	d.folded = size
	if err := d.charge(); err != nil {
		return nil, err
	}
	b := make([]byte, 0, size)
	for {
		if len(b) == cap(b) {
			size := max(min(int64(2*cap(b)), d.limits.Decompressed+1), int64(cap(b)+chargeEvery))
			d.folded = int64(cap(b)) + size // while it moves
			if err := d.charge(); err != nil {
				return nil, err
			}
			b = append(make([]byte, 0, size), b...)
		}
		n, err := d.Read(b[len(b):cap(b)])
		b, d.mark = b[:len(b)+n], d.out
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// judge turns what reading returned into what the client is told.
func (d *inflated) judge(err error) error {
	switch {
	case d.out > d.limits.Decompressed:
		return refuse(http.StatusRequestEntityTooLarge, reasonTooLarge,
			"The body decompresses to more than the limit of %d bytes. Send smaller ones.", d.limits.Decompressed)
	case d.codec == nil:
		return err
	case d.out > d.limits.RatioFree && d.out/d.limits.Ratio > d.src.read:
		return refuse(http.StatusRequestEntityTooLarge, reasonRatio,
			"The body decompresses to more than %d times its size, the limit beyond its first %d bytes.", d.limits.Ratio, d.limits.RatioFree)
	case err == nil:
		return nil
	case d.src.err != nil: // the connection's fault, not the encoding's
		return d.src.err
	case err == io.EOF:
		if _, err := d.buf.ReadByte(); err == nil {
			return refuse(http.StatusBadRequest, reasonMalformed, "Bytes follow the end of the %s body.", d.name)
		}
		return io.EOF
	default:
		return d.damaged(err)
	}
}

func (d *inflated) damaged(err error) error {
	var r *refusal
	switch {
	case d.src.err != nil:
		return d.src.err
	case errors.As(err, &r):
		return r
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return refuse(http.StatusBadRequest, reasonMalformed, "The %s body is cut off.", d.name)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return refuse(http.StatusRequestEntityTooLarge, reasonTooLarge, "A later zstd frame of the body needs a larger window than the first.")
	case errors.Is(err, s2.ErrUnsupported):
		return refuse(http.StatusRequestEntityTooLarge, reasonTooLarge, "A block of the s2 body is larger than the limit of %d bytes.", s2Block)
	default:
		return refuse(http.StatusBadRequest, reasonMalformed, "The body is not %s, or damaged: %v", d.name, err)
	}
}

// inflater hands out decompressors.
type inflater struct {
	pools   map[string]*pool[codec]
	buffers *pool[*bufio.Reader]
}

const inflateBuffer = 16 << 10

func newInflater() *inflater {
	f := &inflater{pools: make(map[string]*pool[codec])}
	for _, name := range []string{"gzip", "deflate", "zlib", "zstd", "s2"} {
		f.pools[name] = &pool[codec]{fresh: func() codec { return newCodec(name) }, size: codec.size, max: 4 << 20}
	}
	f.pools["zstd"].max = zstdWindow + 4*zstdFixed // one of the largest, many of the usual
	f.buffers = &pool[*bufio.Reader]{
		fresh: func() *bufio.Reader { return bufio.NewReaderSize(nil, inflateBuffer) },
		size:  (*bufio.Reader).Size,
	}
	return f
}

// open begins to decompress src, whose head was collected, and charges the
// lease for the memory this takes. Call close when done, also after an error.
func (f *inflater) open(d *inflated, src *source, name string, limits *Limits) error {
	*d = inflated{src: src, name: name, limits: limits, fixed: src.lease.held + chargeEvery}
	if name == "" {
		return d.charge()
	}
	d.codec = f.pools[name].get()
	d.buf = f.buffers.get()
	d.buf.Reset(src)
	need, err := d.codec.need(src.first)
	if err != nil {
		return err
	}
	d.fixed += need + inflateBuffer
	if err := d.charge(); err != nil {
		return err
	}
	if err := d.codec.reset(d.buf); err != nil {
		return d.damaged(err)
	}
	return nil
}

// close takes the memory back.
func (f *inflater) close(d *inflated) {
	if d.codec != nil {
		d.buf.Reset(nil)
		f.pools[d.name].put(d.codec)
		f.buffers.put(d.buf)
	}
	*d = inflated{}
}
