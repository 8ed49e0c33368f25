package builtin

import (
	"slices"
	"sort"
)

// maxSpan is how many bins, counted down from the highest one in use, a sign
// of a sketch tells apart: 56 octaves, or values down to 1e-17 of the largest.
// Everything below counts in the lowest of them. The rule looks only at the
// highest bin, so it gives the same result in whatever order values come.
const maxSpan = 2048

// bins counts values per bin for one sign of a sketch. It is an array over the
// bins in use (dense) while that array is well filled, else a sorted list, so
// that memory stays proportional to the bins in use. The zero value is empty.
type bins struct {
	base  int32      // bin of dense[0]
	dense []uint64   // the last one is not zero; in use if not empty
	list  []binCount // ascending, none of them zero
	known int        // at least so many elements of dense are not zero
}

type binCount struct {
	bin int32
	n   uint64
}

// denseSpan is how long an array may be made when used of its bins would be
// filled, and sparseSpan from where on it is given up; the gap between the two
// avoids flapping.
func denseSpan(used int) int  { return 4*used + 32 }
func sparseSpan(used int) int { return 8*used + 64 }

func (b *bins) empty() bool { return len(b.dense) == 0 && len(b.list) == 0 }

func (b *bins) reset() { b.dense, b.list = b.dense[:0], b.list[:0] }

// len and at iterate over the bins in ascending order; bins without values may
// be among them.
func (b *bins) len() int {
	if len(b.dense) > 0 {
		return len(b.dense)
	}
	return len(b.list)
}

func (b *bins) at(i int) (bin int32, n uint64) {
	if len(b.dense) > 0 {
		return b.base + int32(i), b.dense[i]
	}
	return b.list[i].bin, b.list[i].n
}

// used returns how many bins have values.
func (b *bins) used() int {
	used := uint64(len(b.list))
	for _, n := range b.dense {
		used += (n | -n) >> 63 // one if it is not zero, without a branch
	}
	return int(used)
}

// top returns the highest bin of b, which must not be empty.
func (b *bins) top() int32 {
	bin, _ := b.at(b.len() - 1)
	return bin
}

// add counts n > 0 values in a bin.
func (b *bins) add(bin int32, n uint64) {
	if i := uint(bin - b.base); i < uint(len(b.dense)) {
		b.dense[i] = addCount(b.dense[i], n)
		return
	}
	b.addOutside(bin, n)
}

// addOutside is add for a bin that the array does not cover.
func (b *bins) addOutside(bin int32, n uint64) {
	if !b.empty() {
		if top := b.top(); bin > top {
			b.joinBelow(bin - maxSpan + 1)
		} else {
			bin = max(bin, top-maxSpan+1)
		}
	}
	if len(b.dense) > 0 && !b.stretch(bin) {
		b.toList()
	}
	if len(b.dense) > 0 {
		i := bin - b.base
		b.dense[i] = addCount(b.dense[i], n)
		return
	}
	i := sort.Search(len(b.list), func(i int) bool { return b.list[i].bin >= bin })
	if i < len(b.list) && b.list[i].bin == bin {
		b.list[i].n = addCount(b.list[i].n, n)
		return
	}
	b.list = slices.Insert(b.list, i, binCount{bin, n})
	b.settle()
}

// push counts n values in a bin that is not below the ones before, of bins
// that were never added to. settle must follow.
func (b *bins) push(bin int32, n uint64) {
	if last := len(b.list) - 1; last >= 0 && b.list[last].bin == bin {
		b.list[last].n = addCount(b.list[last].n, n)
		return
	}
	b.list = append(b.list, binCount{bin, n})
}

// settle joins what must be joined and makes the list an array if that would
// be well filled.
func (b *bins) settle() {
	if len(b.list) == 0 {
		return
	}
	b.joinBelow(b.top() - maxSpan + 1)
	if len(b.list) == 0 {
		return // joinBelow has done the rest
	}
	b.base = b.list[0].bin
	span := int(b.top()-b.base) + 1
	if span > denseSpan(len(b.list)) {
		return
	}
	b.dense = slices.Grow(b.dense[:0], span)[:span]
	clear(b.dense)
	for _, c := range b.list {
		b.dense[c.bin-b.base] = c.n
	}
	b.known = len(b.list)
	b.list = b.list[:0]
}

// toList makes the array a list.
func (b *bins) toList() {
	list := b.list[:0]
	for i, n := range b.dense {
		if n != 0 {
			list = append(list, binCount{b.base + int32(i), n})
		}
	}
	b.list, b.dense = list, b.dense[:0]
}

// joinBelow moves what bins below floor count to floor.
func (b *bins) joinBelow(floor int32) {
	if bin, _ := b.at(0); bin >= floor {
		return
	}
	var joined uint64
	drop := 0
	for ; drop < b.len(); drop++ {
		bin, n := b.at(drop)
		if bin >= floor {
			break
		}
		joined = addCount(joined, n)
	}
	if len(b.dense) > 0 {
		b.dense = slices.Delete(b.dense, 0, drop)
		b.base += int32(drop)
		b.known = 0
	} else {
		b.list = slices.Delete(b.list, 0, drop)
	}
	b.add(floor, joined)
}

// stretch makes the array cover bin. It reports false, and changes nothing, if
// the array would then be too empty.
func (b *bins) stretch(bin int32) bool {
	lo, hi := min(b.base, bin), max(b.base+int32(len(b.dense))-1, bin)
	span := int(hi-lo) + 1
	if span > sparseSpan(b.known) {
		b.known = b.used()
		if span > sparseSpan(b.known) {
			return false
		}
	}
	n := len(b.dense)
	b.dense = slices.Grow(b.dense, span-n)[:span]
	clear(b.dense[n:])
	if below := int(b.base - lo); below > 0 {
		copy(b.dense[below:], b.dense[:n])
		clear(b.dense[:below])
		b.base = lo
	}
	return true
}

// merge adds o to b. roomy says that no count can overflow.
func (b *bins) merge(o *bins, roomy bool) {
	if o.empty() {
		return
	}
	if b.empty() {
		b.base, b.known = o.base, o.known
		b.dense = append(b.dense, o.dense...)
		b.list = append(b.list, o.list...)
		return
	}
	// The highest bin first: it settles which bins are joined, and lets the
	// array grow once.
	last := o.len() - 1
	b.add(o.at(last))
	if low := o.base; roomy && len(o.dense) > 0 && len(b.dense) > 0 && b.top()-low < maxSpan && b.stretch(low) {
		addCounts(b.dense[low-b.base:], o.dense[:last])
		return
	}
	for i := range last {
		if bin, n := o.at(i); n != 0 {
			b.add(bin, n)
		}
	}
}

// addCounts adds counts to as many elements of into.
func addCounts(into, counts []uint64) {
	for len(counts) >= 4 && len(into) >= 4 {
		into[0] += counts[0]
		into[1] += counts[1]
		into[2] += counts[2]
		into[3] += counts[3]
		into, counts = into[4:], counts[4:]
	}
	for i, n := range counts {
		into[i] += n
	}
}

// equal reports whether b and o count the same.
func (b *bins) equal(o *bins) bool {
	used := b.used()
	if used != o.used() {
		return false
	}
	i, j := 0, 0
	for range used {
		bin, n := b.next(&i)
		obin, on := o.next(&j)
		if bin != obin || n != on {
			return false
		}
	}
	return true
}

// next returns the first bin in use from index *i on and moves *i behind it.
func (b *bins) next(i *int) (bin int32, n uint64) {
	for n == 0 {
		bin, n = b.at(*i)
		*i++
	}
	return bin, n
}

// size is the memory held, in bytes.
func (b *bins) size() int { return 8*cap(b.dense) + 16*cap(b.list) }
