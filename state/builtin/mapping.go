package builtin

import "math"

// The sketch counts values in bins of at most 1 % relative error. A bin is
// found from the bits of a float64 alone: the exponent selects an octave, and
// a table of the top ten bits of the mantissa selects one of binsPerOctave
// bins in it. Integer arithmetic gives the same bin on every processor, and
// the table makes the error bound a fact that a test can check exhaustively.
//
// The table is part of the encodings: changing it needs a new version of them.
const (
	binsPerOctave = 36
	mantissaBits  = 10
	mantissaMask  = 1<<mantissaBits - 1
	mantissaShift = 52 - mantissaBits

	// minNormal is the smallest value that has a bin. Smaller magnitudes count
	// as zero.
	minNormal = 0x1p-1022

	maxBin = 2047*binsPerOctave - 1
)

var (
	binOfMantissa [1 << mantissaBits]uint8
	// middleOfBin is the value within the first octave, [1, 2), whose relative
	// distance to both ends of the bin is the same.
	middleOfBin [binsPerOctave]float64
)

func init() {
	const one = 1 << mantissaBits
	lo := one
	for bin := range binsPerOctave {
		// The widest bin [lo, hi) with (hi-lo)/(hi+lo) <= 1 %.
		hi := min(lo*101/99, 2*one)
		for m := lo; m < hi; m++ {
			binOfMantissa[m-one] = uint8(bin)
		}
		middleOfBin[bin] = 2 * float64(lo) * float64(hi) / float64(lo+hi) / one
		lo = hi
	}
	if lo != 2*one {
		panic("builtin: the bins do not cover an octave")
	}
}

// binOf returns the bin of a finite v >= minNormal. Larger values never have
// smaller bins.
func binOf(v float64) int32 { return binOfAny(v) }

// binOfAny is binOf for any value: others have bins that no sketch has.
func binOfAny(v float64) int32 {
	b := math.Float64bits(v)
	return int32(b>>52)*binsPerOctave + int32(binOfMantissa[b>>mantissaShift&mantissaMask])
}

// valueOf returns the value that stands for all values of a bin.
func valueOf(bin int32) float64 {
	octave := math.Float64frombits(uint64(bin/binsPerOctave) << 52)
	return octave * middleOfBin[bin%binsPerOctave]
}
