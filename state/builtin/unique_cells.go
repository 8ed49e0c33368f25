package builtin

import (
	"math"
	"math/bits"
	"slices"
	"sync"
)

// cells are a HyperLogLog that knows about time. A HyperLogLog keeps, for each
// of its registers, the highest rank of the hashes that fell into it; here a
// register keeps every (age, rank) of which no other is as young and as high.
// So the registers of any window that reaches from some age to now can be read
// off, all windows share their memory, and a union is the union of the pairs,
// pruned. (Sliding HyperLogLog, Chabchoub and Hébrail, 2010.)
//
// A cell is register << 20 | age << 7 | rank; they are in ascending order, and
// so are the ranks within a register.
type cells []uint32

const (
	cellBits      = 12
	cellRegisters = 1 << cellBits
	cellMaxRank   = 64 - cellBits + 1

	cellsError = 1.04 / 64 // standard error: 1.04 / sqrt(registers)
)

func cellOf(hash uint64, age uint32) uint32 {
	rank := bits.LeadingZeros64(hash<<cellBits|1<<(cellBits-1)) + 1
	return uint32(hash>>(64-cellBits))<<20 | age<<7 | uint32(rank)
}

func registerOf(cell uint32) uint32 { return cell >> 20 }
func rankIn(cell uint32) uint32     { return cell & 0x7f }
func ageIn(cell uint32) uint32      { return cell >> 7 & 0x1fff }
func aged(cell, age uint32) uint32  { return cell&^(0x1fff<<7) | age<<7 }

// add adds one cell.
func (c *cells) add(cell uint32) {
	list := *c
	i, found := slices.BinarySearch(list, cell)
	if found || i > 0 && list[i-1]>>20 == cell>>20 && rankIn(list[i-1]) >= rankIn(cell) {
		return // one at least as young is as high
	}
	if i < len(list) && list[i]>>7 == cell>>7 {
		return // of the same age, and higher
	}
	first, last := i, i // of those that cell replaces
	if i > 0 && list[i-1]>>7 == cell>>7 {
		first--
	}
	for last < len(list) && list[last]>>20 == cell>>20 && rankIn(list[last]) <= rankIn(cell) {
		last++
	}
	*c = slices.Replace(list, first, last, cell)
}

// push appends a cell that is not below the last one in register and age,
// unless one as young is as high.
func (c cells) push(cell uint32) cells {
	n := len(c)
	switch {
	case n == 0 || registerOf(c[n-1]) != registerOf(cell):
	case rankIn(c[n-1]) >= rankIn(cell):
		return c
	case ageIn(c[n-1]) == ageIn(cell):
		c[n-1] = cell
		return c
	}
	return append(c, cell)
}

// pruned prunes ascending cells in place.
func (c cells) pruned() cells {
	kept := c[:0]
	for _, cell := range c {
		kept = kept.push(cell)
	}
	return kept
}

// advance makes all cells older.
func (c *cells) advance(by uint32) {
	kept := (*c)[:0]
	for _, cell := range *c {
		kept = kept.push(aged(cell, min(ageIn(cell)+by, uniqueOld)))
	}
	*c = kept
}

// clamp makes all cells younger and returns how many had been younger than by.
func (c *cells) clamp(by uint32) (moved uint64) {
	kept := (*c)[:0]
	for _, cell := range *c {
		if ageIn(cell) < by {
			moved++
		}
		kept = kept.push(aged(cell, younger(ageIn(cell), by)))
	}
	*c = kept
	return moved
}

// cellsScratch is where merge puts its result before it is copied.
var cellsScratch = sync.Pool{New: func() any { return new(cells) }}

// merge adds o, whose ages count from by intervals earlier.
func (c *cells) merge(o cells, by uint32) {
	scratch := cellsScratch.Get().(*cells)
	defer cellsScratch.Put(scratch)
	out, list := (*scratch)[:0], *c
	for _, cell := range o {
		cell = aged(cell, min(ageIn(cell)+by, uniqueOld))
		for len(list) > 0 && list[0] < cell {
			out = out.push(list[0])
			list = list[1:]
		}
		out = out.push(cell)
	}
	for _, cell := range list {
		out = out.push(cell)
	}
	*scratch = out
	*c = append((*c)[:0], out...)
}

// counts estimates how many different values there are with ages below each
// of the given ones, which ascend.
func (c cells) counts(below *[5]uint32) (counts [5]uint64) {
	var ranks [5][cellMaxRank + 1]int32 // how many registers have each rank
	for i := 0; i < len(c); {
		var top [5]uint32
		for register := registerOf(c[i]); i < len(c) && registerOf(c[i]) == register; i++ {
			for w := len(below) - 1; w >= 0 && ageIn(c[i]) < below[w]; w-- {
				top[w] = rankIn(c[i])
			}
		}
		for w := range top {
			ranks[w][top[w]]++
		}
	}
	for w := range ranks {
		used := int32(0)
		for _, n := range ranks[w][1:] {
			used += n
		}
		ranks[w][0] = cellRegisters - used
		counts[w] = uint64(math.Round(estimate(&ranks[w])))
	}
	return counts
}

// estimate returns the number of different values that left so many registers
// with each rank: the improved raw estimator of Ertl, "New cardinality
// estimation algorithms for HyperLogLog sketches", 2017, which needs neither
// tables nor thresholds.
func estimate(ranks *[cellMaxRank + 1]int32) float64 {
	const m = float64(cellRegisters)
	z := m * tau(1-float64(ranks[cellMaxRank])/m)
	for k := cellMaxRank - 1; k >= 1; k-- {
		z = 0.5 * (z + float64(ranks[k]))
	}
	z += m * sigma(float64(ranks[0])/m)
	return m * m / (2 * math.Ln2 * z)
}

// sigma returns x + the sum over k >= 1 of x^(2^k) 2^(k-1).
func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	z, y := x, 1.0
	for before := -1.0; z != before; {
		before = z
		x *= x
		z += x * y
		y += y
	}
	return z
}

// tau returns a third of 1 - x - the sum over k >= 1 of (1-x^(2^-k))^2 2^-k.
func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	z, y := 1-x, 1.0
	for before := -1.0; z != before; {
		before = z
		x = math.Sqrt(x)
		y *= 0.5
		z -= (1 - x) * (1 - x) * y
	}
	return z / 3
}

// What the first byte of an encoded cell has beside the rank.
const (
	cellSame = 0x40 // it is of the same register as the one before
	cellAged = 0x80 // an age follows
)

// append writes the number of cells, and for each one a byte of rank and
// marks, the distance to its register from that of the one before if it is
// another, and its age if that is not zero; within a register, the distance to
// its age from that of the one before.
func (c cells) append(dst []byte) []byte {
	dst = appendUint(dst, uint64(len(c)))
	register, age := uint32(0), uint32(0)
	for i, cell := range c {
		head := byte(rankIn(cell))
		step := registerOf(cell) - register
		if i > 0 && step == 0 {
			head |= cellSame
		} else {
			register, age = registerOf(cell), 0
		}
		older := ageIn(cell) - age
		if older > 0 {
			head |= cellAged
		}
		dst = append(dst, head)
		if head&cellSame == 0 {
			dst = appendUint(dst, uint64(step))
		}
		if older > 0 {
			dst = appendUint(dst, uint64(older))
		}
		age = ageIn(cell)
	}
	return dst
}

// decode reads what append wrote into the memory of c.
func (c cells) decode(d *decoder) cells {
	n := d.length(cellRegisters*cellMaxRank, 1)
	c = slices.Grow(c[:0], n)
	var register, age, rank uint64
	newest := false
	for i := range n {
		head := d.uint8()
		switch {
		case head&cellSame == 0:
			step := d.uint()
			if step >= cellRegisters || i > 0 && step == 0 {
				d.fail("a register is out of place")
			}
			register, age, rank = register+step, 0, 0
		case i == 0 || head&cellAged == 0:
			d.fail("a register has an age twice")
		}
		if head&cellAged != 0 {
			older := d.uint()
			if older == 0 || older > uniqueOld {
				d.fail("an age is out of range")
			}
			age += older
		}
		higher := uint64(head & 0x3f)
		if higher <= rank || higher > cellMaxRank || age > uniqueOld || register >= cellRegisters {
			d.fail("a cell is out of place")
		}
		if !d.ok() {
			return c[:0]
		}
		rank = higher
		newest = newest || age == 0
		c = append(c, uint32(register<<20|age<<7|rank))
	}
	if !newest {
		d.fail("the newest cell is missing")
	}
	return c
}
