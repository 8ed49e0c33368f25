package builtin

// appendVersion1 appends the encoding of d in version 1, for those who read no
// other: its form, then
//
//	exact:  [total,] number of runs, per run ascending: value, count
//	sketch: total, minimum, maximum, zeros, positive bins, negative bins
func (d *dist) appendVersion1(dst []byte, limit int) []byte {
	d.tidy(limit)
	if d.sketched {
		dst = appendSum(append(dst, distSketch), d.total)
		dst = appendFloat(dst, d.sketch.min)
		dst = appendFloat(dst, d.sketch.max)
		dst = appendUint(dst, d.sketch.zero)
		return d.sketch.neg.appendVersion1(d.sketch.pos.appendVersion1(dst))
	}
	if d.total == totalOf(d.runs) {
		dst = append(dst, distExact)
	} else {
		dst = appendSum(append(dst, distExactTotal), d.total)
	}
	dst = appendUint(dst, uint64(len(d.runs)))
	for _, r := range d.runs {
		dst = appendUint(appendFloat(dst, r.value), r.n)
	}
	return dst
}

// appendVersion1 appends the number of bins and, from the highest one downwards,
// per bin the distance from the one above, for the first one itself, and how many
// values it has.
func (b *bins) appendVersion1(dst []byte) []byte {
	dst = appendUint(dst, uint64(b.used()))
	var above int32
	for i := b.len() - 1; i >= 0; i-- {
		bin, n := b.at(i)
		switch {
		case n == 0:
			continue
		case above == 0: // no bin in use is bin 0
			dst = appendUint(dst, uint64(bin))
		default:
			dst = appendUint(dst, uint64(above-bin))
		}
		dst = appendUint(dst, n)
		above = bin
	}
	return dst
}
