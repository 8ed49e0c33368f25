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
// bins in use (dense) while that array is well filled, else a sorted list
// (sparse), so that memory stays proportional to the bins in use. The zero
// value is empty.
type bins struct {
	base  int32    // bin of dense[0]
	dense []uint64 // the last one is not zero; used if not empty
	list  []binCount
	used  int // bins that are not zero
}

type binCount struct {
	bin int32
	n   uint64
}

// An array is made when at least 1/fillToDense of it would be filled, and
// given up below 1/fillToSparse; the gap between the two avoids flapping.
const (
	fillToDense  = 4
	fillToSparse = 8
)

func (b *bins) empty() bool { return b.used == 0 }

func (b *bins) reset() {
	b.dense, b.list, b.used = b.dense[:0], b.list[:0], 0
}

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

// top returns the highest bin of b, which must not be empty.
func (b *bins) top() int32 {
	bin, _ := b.at(b.len() - 1)
	return bin
}

// add counts n > 0 values in a bin.
func (b *bins) add(bin int32, n uint64) {
	if i := uint(bin - b.base); i < uint(len(b.dense)) {
		if b.dense[i] == 0 {
			b.used++
		}
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
		} else if floor := top - maxSpan + 1; bin < floor {
			bin = floor
		}
	}
	if len(b.dense) > 0 && !b.stretch(bin) {
		b.toSparse()
	}
	if len(b.dense) > 0 {
		i := bin - b.base
		if b.dense[i] == 0 {
			b.used++
		}
		b.dense[i] = addCount(b.dense[i], n)
		return
	}
	i := sort.Search(len(b.list), func(i int) bool { return b.list[i].bin >= bin })
	if i < len(b.list) && b.list[i].bin == bin {
		b.list[i].n = addCount(b.list[i].n, n)
		return
	}
	b.list = slices.Insert(b.list, i, binCount{bin, n})
	b.used++
	if span := int(b.top()-b.list[0].bin) + 1; span <= fillToDense*b.used {
		b.toDense(span)
	}
}

// joinBelow moves what bins below floor count to floor.
func (b *bins) joinBelow(floor int32) {
	var joined uint64
	drop := 0
	for ; drop < b.len(); drop++ {
		bin, n := b.at(drop)
		if bin >= floor {
			break
		}
		joined = addCount(joined, n)
		if n != 0 {
			b.used--
		}
	}
	if drop == 0 {
		return
	}
	if len(b.dense) > 0 {
		b.dense = slices.Delete(b.dense, 0, drop)
		b.base += int32(drop)
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
	if span > fillToSparse*(b.used+1) {
		return false
	}
	if below := int(b.base - lo); below > 0 {
		n := len(b.dense)
		b.dense = slices.Grow(b.dense, below)[:n+below]
		copy(b.dense[below:], b.dense[:n])
		clear(b.dense[:below])
		b.base = lo
	}
	if above := span - len(b.dense); above > 0 {
		n := len(b.dense)
		b.dense = slices.Grow(b.dense, above)[:n+above]
		clear(b.dense[n:])
	}
	return true
}

func (b *bins) toDense(span int) {
	b.base = b.list[0].bin
	b.dense = slices.Grow(b.dense[:0], span)[:span]
	clear(b.dense)
	for _, c := range b.list {
		b.dense[c.bin-b.base] = c.n
	}
	b.list = b.list[:0]
}

func (b *bins) toSparse() {
	b.list = slices.Grow(b.list[:0], b.used+1)
	for i, n := range b.dense {
		if n != 0 {
			b.list = append(b.list, binCount{b.base + int32(i), n})
		}
	}
	b.dense = b.dense[:0]
}

// merge adds o to b.
func (b *bins) merge(o *bins) {
	if o.empty() {
		return
	}
	// The highest bin first: it settles which bins are joined, and lets the
	// array grow once.
	last := o.len() - 1
	b.add(o.at(last))
	if low := o.base; len(o.dense) > 0 && len(b.dense) > 0 && b.top()-low < maxSpan && b.stretch(low) {
		b.mergeDense(o.dense[:last], low)
		return
	}
	for i := range last {
		if bin, n := o.at(i); n != 0 {
			b.add(bin, n)
		}
	}
}

// mergeDense adds counts of successive bins from low on, all of which the
// array covers.
func (b *bins) mergeDense(counts []uint64, low int32) {
	into := b.dense[low-b.base:][:len(counts)]
	for i, n := range counts {
		if n == 0 {
			continue
		}
		if into[i] == 0 {
			b.used++
		}
		into[i] = addCount(into[i], n)
	}
}

// size is the memory held, in bytes.
func (b *bins) size() int { return 8*cap(b.dense) + 16*cap(b.list) }

// equal reports whether b and o count the same.
func (b *bins) equal(o *bins) bool {
	if b.used != o.used {
		return false
	}
	i, j := 0, 0
	for range b.used {
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
