package builtin

import "math"

// sketchError is the relative error of a sketch's bins.
const sketchError = 0.01

// rankAt is the index, among count > 0 values in ascending order, of quantile
// q: floor(q count), where a product that is a whole number but for rounding is
// that number.
func rankAt(q float64, count uint64) uint64 {
	r := q * float64(count)
	if whole := math.Round(r); math.Abs(r-whole) <= 1e-12*whole {
		r = whole
	}
	switch {
	case !(r > 0):
		return 0
	case r >= float64(count):
		return count - 1
	}
	return min(uint64(r), count-1)
}

// quantile returns the value at quantile q and its relative error.
func (d *dist) quantile(q float64) (value, bound float64) {
	if d.count == 0 {
		return 0, 0
	}
	rank := rankAt(q, d.count)
	if d.sketched {
		return d.sketch.quantile(rank, d.count)
	}
	for _, r := range d.runs {
		if rank < r.n {
			return r.value, 0
		}
		rank -= r.n
	}
	return d.runs[len(d.runs)-1].value, 0 // counts have saturated
}

// quantile is dist.quantile for a rank. The lowest bin of a sign may hold
// smaller magnitudes as well, that were joined into it.
func (s *sketch) quantile(rank, count uint64) (value, bound float64) {
	switch rank {
	case 0:
		return s.min, 0
	case count - 1:
		return s.max, 0
	}
	value, bound = s.find(rank)
	if clipped := min(max(value, s.min), s.max); clipped != value {
		return clipped, bound // nearer to the true one, which lies between them
	}
	return value, bound
}

func (s *sketch) find(rank uint64) (value, bound float64) {
	for i := s.neg.len() - 1; i >= 0; i-- {
		bin, n := s.neg.at(i)
		if rank < n {
			return -valueOf(bin), s.neg.errorOf(bin)
		}
		rank -= n
	}
	if rank < s.zero {
		return 0, 0
	}
	rank -= s.zero
	for i := range s.pos.len() {
		bin, n := s.pos.at(i)
		if rank < n {
			return valueOf(bin), s.pos.errorOf(bin)
		}
		rank -= n
	}
	return s.max, sketchError // counts have saturated
}

// errorOf is the relative error of the value that stands for a bin in use.
func (b *bins) errorOf(bin int32) float64 {
	if bin <= b.top()-maxSpan+1 {
		return 1
	}
	return sketchError
}

// extremes returns the least and the greatest value.
func (d *dist) extremes() (least, greatest float64) {
	switch {
	case d.count == 0:
		return 0, 0
	case d.sketched:
		return d.sketch.min, d.sketch.max
	}
	return d.runs[0].value, d.runs[len(d.runs)-1].value
}

// Spread implements state.Spreading: also values that are known exactly are
// told by the middles of the bins that they would be in.
func (d *dist) Spread(f func(value float64, n uint64)) (bound float64) {
	s := d.sketch
	if !d.sketched {
		s = new(sketch)
		s.reset()
		s.load(d.runs)
	}
	for i := s.neg.len() - 1; i >= 0; i-- {
		if bin, n := s.neg.at(i); n > 0 {
			f(-valueOf(bin), n)
		}
	}
	if s.zero > 0 {
		f(0, s.zero)
	}
	for i := range s.pos.len() {
		if bin, n := s.pos.at(i); n > 0 {
			f(valueOf(bin), n)
		}
	}
	return sketchError
}
