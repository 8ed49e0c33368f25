package builtin

import (
	"math"
	"math/bits"
	"slices"
	"sync"
)

// differ reports whether more than limit of the values differ. It does not
// compare them: it counts their hashes, which is several times faster, and
// takes for equal those whose hashes are, so that it may say false of some
// sets that have a little more than limit.
func differ(values []float64, limit int) bool {
	const places = 1 << 13
	var seen [places / 64]uint64
	different := 0
	for _, v := range values {
		i := math.Float64bits(v) * 0x9e3779b97f4a7c15 >> (64 - 13)
		word := &seen[i/64%uint64(len(seen))]
		different += int(^*word >> (i % 64) & 1)
		*word |= 1 << (i % 64)
		if different > limit {
			return true
		}
	}
	return false
}

// column is scratch for sorting and counting.
type column struct {
	keys, sorted [2 * percentileCounterExact]uint64
	runs         [2 * percentileCounterExact]run
	decimals     decimals
	bins         bins // of pack
}

var columns = sync.Pool{New: func() any { return new(column) }}

// runsOf returns the runs of values in ascending order, unless there are many:
// more than limit. They are valid until the next call. Of a few more than limit
// it may not notice that they are many.
func (c *column) runsOf(values []float64, limit int) (runs []run, many bool) {
	if counted, ok := c.decimals.load(values, limit); ok {
		return c.decimals.take(&counted, c.runs[:0]), counted.seen > limit
	}
	return c.sortedRuns(values, limit)
}

// sortedRuns is runsOf for any values.
func (c *column) sortedRuns(values []float64, limit int) (runs []run, many bool) {
	if len(values) > limit && differ(values, limit) {
		return nil, true
	}
	keys := c.keys[:len(values)]
	for i, v := range values {
		keys[i] = orderOf(v)
	}
	runs = c.runs[:len(keys)]
	last := -1
	var before uint64
	for i, k := range c.sort(keys) {
		if i == 0 || k != before {
			last++
			runs[last] = run{value: valueAt(k)}
			before = k
		}
		runs[last].n++
	}
	return runs[:last+1], false
}

// fewKeys is how many are sorted in the ordinary way.
const fewKeys = 12

// sort returns keys in ascending order. Comparing them would cost a branch per
// step that no processor can foresee; so they are first spread over more
// places than there are keys, by their distance from the smallest, which
// leaves them nearly in order. Where that leaves too many in one place, they
// are sorted in the ordinary way.
func (c *column) sort(keys []uint64) []uint64 {
	lo, hi := keys[0], keys[0]
	for _, k := range keys {
		lo, hi = min(lo, k), max(hi, k)
	}
	if lo == hi {
		return keys
	}
	if len(keys) <= fewKeys {
		slices.Sort(keys)
		return keys
	}
	const places, most = 1024, 64
	width := min(bits.Len(uint(len(keys)))+1, bits.Len(places)-1) // two to four times as many
	shift := max(0, bits.Len64(hi-lo)-width)
	var all [places + 1]uint16
	begin := all[:1<<width+1]
	for _, k := range keys {
		begin[(k-lo)>>shift+1]++
	}
	var sum uint16
	for i, n := range begin {
		if n > most {
			slices.Sort(keys)
			return keys
		}
		sum += n
		begin[i] = sum
	}
	sorted := c.sorted[:len(keys)]
	for _, k := range keys {
		at := &begin[(k-lo)>>shift]
		sorted[*at] = k
		*at++
	}
	for i := 1; i < len(sorted); i++ {
		k, j := sorted[i], i
		for ; j > 0 && sorted[j-1] > k; j-- {
			sorted[j] = sorted[j-1]
		}
		sorted[j] = k
	}
	return sorted
}

// orderOf maps floats to integers in the order of runs: that of numbers, with
// -0 below 0. valueAt is its inverse.
func orderOf(v float64) uint64 {
	b := math.Float64bits(v)
	return b ^ (uint64(int64(b)>>63) | 1<<63)
}

func valueAt(order uint64) float64 {
	return math.Float64frombits(order ^ (^uint64(int64(order)>>63) | 1<<63))
}
