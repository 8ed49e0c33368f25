package builtin

import (
	"encoding/binary"
	"math"
	"slices"
)

// A token tells, in one byte, the distance from the bin above and how many
// values a bin has; what does not fit follows it.
const (
	countBits  = 5
	shortCount = 1<<countBits - 1     // longest count that fits, and the mark of those that do not
	shortGap   = 1<<(8-countBits) - 1 // likewise of the distance
)

// append appends the number of bins and, if there are any, the highest one and
// a token for each of them downwards: the upper bits are the distance from the
// one above less one (0 for the first), the lower ones the count less one. Where
// they are all set, what is missing follows as a number: first of the distance,
// then of the count.
func (b *bins) append(dst []byte) []byte {
	used := b.used()
	dst = appendUint(dst, uint64(used))
	if used == 0 {
		return dst
	}
	dst = appendUint(dst, uint64(b.top()))
	if len(b.dense) > 0 {
		return appendCounts(dst, b.dense)
	}
	return b.appendTokens(dst)
}

// appendTokens appends the tokens of any bins; those of an array appendCounts
// appends faster.
func (b *bins) appendTokens(dst []byte) []byte {
	above := b.top() + 1
	for i := b.len() - 1; i >= 0; i-- {
		bin, n := b.at(i)
		if n == 0 {
			continue
		}
		dst = appendToken(dst, uint64(above-bin)-1, n-1)
		above = bin
	}
	return dst
}

// appendCounts appends the tokens of an array of bins, the last of which is not
// empty. Whether a bin is empty can hardly be foreseen where values are rare: so
// every bin writes a token, and the next one writes over it if it was empty.
func appendCounts(dst []byte, counts []uint64) []byte {
	gap := uint64(0)
	for i := len(counts); i > 0; i-- {
		dst = slices.Grow(dst, i+1)
		room := dst[len(dst) : len(dst)+i+1]
		written := 0
		for ; i > 0; i-- {
			n := counts[i-1]
			if (n > shortCount || gap >= shortGap) && n != 0 {
				break // it takes more than a byte
			}
			room[written] = byte(gap<<countBits | (n - 1))
			some := (n + shortCount) >> countBits // 1 if there are
			written += int(some)
			gap = (gap + 1) & (some - 1)
		}
		if dst = dst[:len(dst)+written]; i > 0 {
			dst = appendToken(dst, gap, counts[i-1]-1)
			gap = 0
		}
	}
	return dst
}

func appendToken(dst []byte, gap, count uint64) []byte {
	if gap < shortGap && count < shortCount {
		return append(dst, byte(gap<<countBits|count))
	}
	dst = append(dst, byte(min(gap, shortGap)<<countBits|min(count, shortCount)))
	if gap >= shortGap {
		dst = appendUint(dst, gap-shortGap)
	}
	if count >= shortCount {
		dst = appendUint(dst, count-shortCount)
	}
	return dst
}

// decode reads bins into b, which must be empty, and returns what they count.
func (b *bins) decode(r *decoder) (total uint64) {
	n := r.length(maxSpan, 1)
	if n == 0 {
		return 0
	}
	if r.version != version1 {
		if total, ok := b.decodeCounts(r, n); ok {
			return total
		}
	}
	return b.decodeTokens(r, n)
}

// decodeCounts is decode for n bins that make an array, as those of most States
// do. It reports false, and reads nothing, if they do not or are not right.
func (b *bins) decodeCounts(r *decoder, n int) (total uint64, ok bool) {
	top, size := binary.Uvarint(r.src)
	if size <= 0 || top > maxBin {
		return 0, false
	}
	tokens := r.src[size:]
	span, ok := spanOf(tokens, n)
	if !ok || span > denseSpan(n) || top < uint64(binsPerOctave+span-1) {
		return 0, false
	}
	b.base, b.known = int32(top)-int32(span)+1, n
	b.dense = slices.Grow(b.dense[:0], span)[:span]
	clear(b.dense)
	at := span
	for n > 0 {
		if x, _, counts, ok := eightTokens(tokens, n); ok {
			for range 8 {
				at -= int(x&0xff>>countBits) + 1
				b.dense[at] = x&shortCount + 1
				x >>= 8
			}
			total = addCount(total, counts)
			tokens, n = tokens[8:], n-8
			continue
		}
		gap, count, size := tokenAt(tokens)
		at -= gap + 1
		b.dense[at] = count + 1
		total = addCount(total, count+1)
		tokens, n = tokens[size:], n-1
	}
	r.src = tokens
	return total, true
}

// spanOf returns how many bins lie between the first and the last of those that n
// tokens tell, both included. It reports false if something is not right about
// them.
func spanOf(tokens []byte, n int) (span int, ok bool) {
	if len(tokens) < n || tokens[0]>>countBits != 0 {
		return 0, false
	}
	for span = n; n > 0; {
		if _, gaps, _, ok := eightTokens(tokens, n); ok {
			span += gaps
			tokens, n = tokens[8:], n-8
			continue
		}
		gap, _, size := tokenAt(tokens)
		if size == 0 || span+gap > maxSpan {
			return 0, false
		}
		span += gap
		tokens, n = tokens[size:], n-1
	}
	return span, span <= maxSpan
}

// eightTokens returns the next eight of n tokens, the first one in the lowest
// byte, the sum of their distances and how many values they count, if all of them
// are of one byte.
func eightTokens(tokens []byte, n int) (x uint64, gaps int, counts uint64, ok bool) {
	const each = 0x0101010101010101 // times a number: that number in each byte
	if n < 8 || len(tokens) < 8 {
		return 0, 0, 0, false
	}
	x = binary.LittleEndian.Uint64(tokens)
	gap, count := x>>countBits&(each*shortGap), x&(each*shortCount)
	long := (gap+each)&(each*(shortGap+1)) | (count+each)&(each*(shortCount+1))
	return x, int(gap * each >> 56), count*each>>56 + 8, long == 0
}

// tokenAt returns the distance and the count of a token, and the number of its
// bytes: 0 if it is not right.
func tokenAt(src []byte) (gap int, count uint64, size int) {
	if len(src) == 0 {
		return 0, 0, 0
	}
	gap, count, size = int(src[0]>>countBits), uint64(src[0]&shortCount), 1
	if gap == shortGap {
		more, n := binary.Uvarint(src[size:])
		if n <= 0 || more > maxSpan {
			return 0, 0, 0
		}
		gap, size = gap+int(more), size+n
	}
	if count == shortCount {
		more, n := binary.Uvarint(src[size:])
		if n <= 0 || more >= math.MaxUint64-shortCount {
			return 0, 0, 0
		}
		count, size = count+more, size+n
	}
	return gap, count, size
}

// decodeTokens is decode for n bins of any kind.
func (b *bins) decodeTokens(r *decoder, n int) (total uint64) {
	list := b.list[:0]
	if cap(list) < n {
		list = make([]binCount, 0, n)
	}
	var top, bin uint64
	for i := range n {
		step, count := r.bin(i == 0)
		switch {
		case i == 0 && step >= binsPerOctave && step <= maxBin:
			top, bin = step, step
		case i > 0 && step > 0 && step < maxSpan && bin+maxSpan > top+step && bin >= binsPerOctave+step:
			bin -= step
		default:
			r.fail("a bin is out of range")
		}
		if !r.ok() {
			return 0
		}
		list = append(list, binCount{int32(bin), count})
		total = addCount(total, count)
	}
	slices.Reverse(list)
	b.list = list
	b.settle()
	return total
}

// bin reads the next bin: the first one itself, or the distance from the one
// above, and how many values it has.
func (d *decoder) bin(first bool) (step, count uint64) {
	if d.version == version1 {
		return d.uint(), d.count()
	}
	if first {
		step = d.uint()
	}
	token := uint64(d.uint8())
	gap, count := token>>countBits, token&shortCount
	if gap == shortGap {
		gap = addCount(gap, d.uint())
	}
	if count == shortCount {
		count = addCount(count, d.uint())
	}
	if count == math.MaxUint64 {
		d.fail("a count is too large")
	}
	if first {
		if gap != 0 {
			d.fail("a bin is out of range")
		}
		return step, count + 1
	}
	return addCount(gap, 1), count + 1
}
