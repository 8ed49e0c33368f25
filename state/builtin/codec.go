package builtin

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/tabaproject/taba/state"
)

// The versions of encodings. Types that have distributions write version 2,
// or version 1 for those who read no other; the other Types write version 1. All
// versions decode for ever.
const (
	version1 = 1
	version2 = 2

	// distVersion is the newest one of Types that have distributions.
	distVersion = min(version2, byte(state.Newest))
)

// distVersionAt is the version that Types with distributions write at a Level.
func distVersionAt(l state.Level) byte { return min(distVersion, byte(l)) }

// errMalformed is what every Decode of damaged bytes wraps.
var errMalformed = errors.New("malformed state")

func appendUint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }
func appendInt(dst []byte, v int64) []byte   { return binary.AppendVarint(dst, v) }

// appendFloat appends v in one to nine bytes: how many bytes follow, and the
// upper bytes of v without the zeros at their end, which whole numbers and
// short binary fractions have many of.
func appendFloat(dst []byte, v float64) []byte {
	b := math.Float64bits(v)
	n := 8 - bits.TrailingZeros64(b)/8
	dst = append(dst, byte(n))
	return binary.BigEndian.AppendUint64(dst, b)[:len(dst)+n]
}

// appendExpiry appends a time that may be never, +Inf.
func appendExpiry(dst []byte, v float64) []byte { return appendFloat(dst, v) }

func appendString[S string | []byte](dst []byte, s S) []byte {
	return append(appendUint(dst, uint64(len(s))), s...)
}

func appendSum(dst []byte, s sum) []byte {
	return appendFloat(appendFloat(dst, s.hi), s.lo)
}

// A decoder reads an encoding front to back. After a failure, all further
// reads return zero values, so a caller may check once at the end, but must
// check before it loops a number of times that it read; length does.
type decoder struct {
	src     []byte
	bad     string // what was wrong; empty if nothing was
	version byte
}

// newDecoder checks the version byte of a Type that has had versions up to
// latest. An empty bad means that it is known.
func newDecoder(src []byte, latest byte) decoder {
	d := decoder{src: src}
	if len(src) == 0 {
		d.fail("no bytes")
		return d
	}
	d.src, d.version = src[1:], src[0]
	if d.version < version1 || d.version > latest {
		d.fail(fmt.Sprintf("version %d is not known", d.version))
	}
	return d
}

func (d *decoder) fail(what string) {
	if d.bad == "" {
		d.bad = what
	}
	d.src = nil
}

func (d *decoder) ok() bool { return d.bad == "" }

// finish returns the error of decoding a State of Type typ.
func (d *decoder) finish(typ string) error {
	if d.ok() && len(d.src) > 0 {
		d.fail(fmt.Sprintf("%d bytes too many", len(d.src)))
	}
	if d.ok() {
		return nil
	}
	return fmt.Errorf("decode %s: %w: %s", typ, errMalformed, d.bad)
}

func (d *decoder) uint() uint64 {
	if len(d.src) > 0 && d.src[0] < 0x80 { // most are that short
		v := d.src[0]
		d.src = d.src[1:]
		return uint64(v)
	}
	return d.longUint()
}

func (d *decoder) longUint() uint64 {
	v, n := binary.Uvarint(d.src)
	if n <= 0 {
		d.fail("a number is cut off or too long")
		return 0
	}
	d.src = d.src[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.src)
	if n <= 0 {
		d.fail("a number is cut off or too long")
		return 0
	}
	d.src = d.src[n:]
	return v
}

// count reads a number of events, which is never zero where it is written.
func (d *decoder) count() uint64 {
	n := d.uint()
	if n == 0 {
		d.fail("a count is zero")
	}
	return n
}

// length reads the length of a list that may have at most limit elements, each
// of at least elem bytes. What it returns is safe to allocate and to loop over.
func (d *decoder) length(limit, elem int) int {
	n := d.uint()
	if n > uint64(limit) || n > uint64(len(d.src)/elem) {
		d.fail(fmt.Sprintf("a list of %d elements is too long", n))
		return 0
	}
	return int(n)
}

// float reads a finite float64; -0 becomes 0.
func (d *decoder) float() float64 { return d.signed() + 0 }

// signed reads a finite float64.
func (d *decoder) signed() float64 {
	v := d.bits()
	if !finite(v) {
		d.fail("a number is not finite")
		return 0
	}
	return v
}

// bits reads any float64.
func (d *decoder) bits() float64 {
	if len(d.src) == 0 || d.src[0] > 8 || len(d.src) <= int(d.src[0]) {
		d.fail("a number is cut off or too long")
		return 0
	}
	n := int(d.src[0])
	var b uint64
	if len(d.src) > 8 {
		b = binary.BigEndian.Uint64(d.src[1:]) &^ (math.MaxUint64 >> (8 * n))
	} else {
		for i, c := range d.src[1 : 1+n] {
			b |= uint64(c) << (56 - 8*i)
		}
	}
	d.src = d.src[1+n:]
	return math.Float64frombits(b)
}

// foldTime reads the latest time of a fold, 0 if there was none.
func (d *decoder) foldTime() float64 {
	t := d.float()
	if t < 0 {
		d.fail("a time of folding is negative")
	}
	return t
}

// expiry reads a time that may be never, which is +Inf.
func (d *decoder) expiry() float64 {
	v := d.bits()
	if math.IsNaN(v) || math.IsInf(v, -1) {
		d.fail("an expiry is not a time")
		return 0
	}
	return v + 0
}

func (d *decoder) bytes() []byte {
	n := d.length(math.MaxInt32, 1)
	b := d.src[:n]
	d.src = d.src[n:]
	return b
}

func (d *decoder) sum() sum {
	s := sum{hi: d.float()}
	s.lo = d.float()
	if s != s.normal() {
		d.fail("a total is not in its normal form")
	}
	return s
}

func (d *decoder) uint32() uint32 {
	v := d.uint()
	if v > math.MaxUint32 {
		d.fail("a number does not fit into 32 bits")
		return 0
	}
	return uint32(v)
}

func (d *decoder) uint8() byte {
	if len(d.src) == 0 {
		d.fail("a byte is missing")
		return 0
	}
	c := d.src[0]
	d.src = d.src[1:]
	return c
}
