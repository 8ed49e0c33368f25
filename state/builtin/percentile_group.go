package builtin

import "github.com/tabaproject/taba/state"

// percentileGroupExact is how many different values a PercentileGroup keeps
// exactly, per bucket and in an answer.
const percentileGroupExact = 128

// PercentileGroup is the Type that counts and sums events in the last minute,
// ten minutes, hour and day, and knows the percentiles of their values. The
// payload is a number, or a list whose first element is one.
type PercentileGroup struct{}

// Type implements state.Handler.
func (PercentileGroup) Type() string { return "PercentileGroup" }

// New implements state.Handler.
func (PercentileGroup) New() state.State { return new(percentileGroup) }

// Version implements state.Versioned.
func (PercentileGroup) Version(l state.Level) byte { return distVersionAt(l) }

var percentileRings = [3]geometry{{15, 40}, {150, 24}, {900, 96}}

// The v1 API shows four windows of four buckets each, of the widths that the
// original had. A bucket of the last one is a union of 24 of the last ring.
const windowBuckets = 4

var percentileWindows = [4]struct {
	ring  int
	ratio int64 // buckets of the ring in one of the window
}{{0, 1}, {1, 1}, {2, 1}, {2, 24}}

type percentileGroup struct {
	n     uint64
	rings [3]ring[dist, *dist]
}

func mergeDists(dst, src *dist) {
	dst.merge(src, percentileGroupExact)
	dst.release()
}

// FoldColumn implements state.Columnar.
func (s *percentileGroup) FoldColumn(second int64, values []float64) (grown int) {
	s.n = addCount(s.n, uint64(len(values)))
	var total sum
	m := measured(values)
	total.addColumn(values, m)
	in := s.begin(floorDiv(second, percentileRings[0].width))
	for _, d := range in.into {
		if d == nil {
			continue
		}
		d.total.merge(total)
		grown += d.addColumn(values, m, percentileGroupExact)
	}
	return grown
}

// Touch implements state.Columnar: the newest buckets are where columns nearly
// always go.
func (s *percentileGroup) Touch() uint64 {
	n := s.n
	for _, r := range s.rings {
		if len(r) > 0 {
			n += r[len(r)-1].v.touch()
		}
	}
	return n
}

// tidy brings what FoldColumn took where it belongs.
func (s *percentileGroup) tidy() {
	for i := range s.rings {
		for j := range s.rings[i] {
			s.rings[i][j].v.tidy(percentileGroupExact)
		}
	}
}

func (s *percentileGroup) Fold(_ float64, b *state.Bundle, refuse func(int, state.Reason)) {
	var in run15
	for i := range b.Events {
		e := &b.Events[i]
		v, why := number(e)
		if why != "" {
			refuse(i, why)
			continue
		}
		if id := floorDiv(secondOf(e.Time), percentileRings[0].width); id != in.id || in.n == 0 {
			in.flush()
			in = s.begin(id)
		}
		n := e.Count()
		s.n = addCount(s.n, n)
		in.n = addCount(in.n, n)
		in.total.addProduct(v, n)
		for _, d := range in.into {
			if d != nil {
				d.add(v, n, percentileGroupExact)
			}
		}
	}
	in.flush()
}

// A run15 is a run of successive events that fall into the same bucket of 15
// seconds.
type run15 struct {
	id    int64
	n     uint64
	total sum
	into  [3]*dist // the buckets they fall into, nil where they are too old
}

func (s *percentileGroup) begin(id int64) (in run15) {
	in.id = id
	for i, g := range percentileRings {
		in.into[i] = s.rings[i].at(floorDiv(id, g.width/percentileRings[0].width), g.size)
	}
	return in
}

// flush adds the total of the run to its buckets.
func (in *run15) flush() {
	total := in.total.normal()
	for _, d := range in.into {
		if d != nil {
			d.total.merge(total)
		}
	}
}

func (s *percentileGroup) Merge(src state.State) {
	o := src.(*percentileGroup)
	s.n = addCount(s.n, o.n)
	for i, g := range percentileRings {
		s.rings[i].merge(o.rings[i], g.size, mergeDists)
	}
}

func (s *percentileGroup) N() uint64 { return s.n }

func (s *percentileGroup) Clamp(limit float64) uint64 {
	second := secondOf(limit)
	var moved uint64
	for i, g := range percentileRings {
		id := floorDiv(second, g.width)
		var after uint64
		for _, b := range s.rings[i].window(maxTime, maxTime-id) {
			after = addCount(after, b.v.count)
		}
		moved = max(moved, after)
		s.rings[i].clamp(id, g.size, mergeDists)
	}
	return moved
}

// window returns the buckets of the i-th window as it is shown at time at. It
// ends at that time, but never before the newest event.
func (s *percentileGroup) window(i int, at float64) ring[dist, *dist] {
	w := percentileWindows[i]
	r := s.rings[w.ring]
	if len(r) == 0 {
		return nil
	}
	end := floorDiv(secondOf(at), percentileRings[w.ring].width*w.ratio)
	end = max(end, floorDiv(r.newest(), w.ratio))
	return r.window((end+1)*w.ratio-1, windowBuckets*w.ratio)
}

// Expired reports whether the window of a day, and so every other, is empty.
func (s *percentileGroup) Expired(at float64) bool {
	return len(s.window(len(percentileWindows)-1, at)) == 0
}

func (s *percentileGroup) Render(dst []byte, at float64, _ state.Format) []byte {
	s.tidy()
	for i, name := range windowNames {
		dst = appendKey(dst, i, name)
		dst = appendUnion(dst, s.window(i, at))
	}
	return append(dst, '}')
}

// appendUnion appends the rendering of all buckets of a window together.
func appendUnion(dst []byte, window ring[dist, *dist]) []byte {
	if len(window) == 1 {
		return window[0].v.appendJSON(dst)
	}
	union := newScratch()
	defer scratch.Put(union)
	for i := range window {
		union.merge(&window[i].v, percentileGroupExact)
	}
	return union.appendJSON(dst)
}

// Append writes the version, the number of events and the rings as a
// CounterGroup does, with a distribution in every bucket.
func (s *percentileGroup) Append(dst []byte) []byte { return s.AppendAt(dst, state.Newest) }

// AppendAt implements state.Leveled.
func (s *percentileGroup) AppendAt(dst []byte, l state.Level) []byte {
	s.tidy()
	version := distVersionAt(l)
	dst = appendUint(append(dst, version), s.n)
	for i := range s.rings {
		if i > 0 && coarserDists(s.rings[i-1], s.rings[i], s.ratio(i)) {
			dst = append(dst, 0)
			continue
		}
		r := s.rings[i]
		dst = appendUint(dst, uint64(len(r))+1)
		id := s.expected(i)
		for j := len(r) - 1; j >= 0; j-- {
			dst = appendStep(dst, &id, r[j].id, j == len(r)-1)
			dst = r[j].v.appendAt(dst, percentileGroupExact, version)
		}
	}
	return dst
}

// ratio is how many buckets of ring i-1 make one of ring i.
func (s *percentileGroup) ratio(i int) int64 {
	return percentileRings[i].width / percentileRings[i-1].width
}

// expected returns the newest id of ring i that the ring before it suggests.
func (s *percentileGroup) expected(i int) int64 {
	if i == 0 || len(s.rings[i-1]) == 0 {
		return 0
	}
	return floorDiv(s.rings[i-1].newest(), s.ratio(i))
}

// coarserDists reports whether coarse is fine with ratio buckets in one.
func coarserDists(fine, coarse ring[dist, *dist], ratio int64) bool {
	if events(fine) != events(coarse) {
		return false // the usual case, and cheap to see
	}
	union := newScratch()
	defer scratch.Put(union)
	for i := range coarse {
		union.reset()
		for len(fine) > 0 && floorDiv(fine[0].id, ratio) == coarse[i].id {
			union.merge(&fine[0].v, percentileGroupExact)
			fine = fine[1:]
		}
		if !union.equal(&coarse[i].v) {
			return false
		}
	}
	return len(fine) == 0
}

func events(r ring[dist, *dist]) (n uint64) {
	for i := range r {
		n = addCount(n, r[i].v.count)
	}
	return n
}

func (s *percentileGroup) Decode(src []byte) error {
	s.Reset()
	d := newDecoder(src, distVersion)
	s.n = d.uint()
	for i, g := range percentileRings {
		head := d.uint()
		switch {
		case head == 0 && i > 0:
			for j := range s.rings[i-1] {
				b := &s.rings[i-1][j]
				if c := s.rings[i].at(floorDiv(b.id, s.ratio(i)), g.size); c != nil {
					mergeDists(c, &b.v)
				}
			}
		case head == 0:
			d.fail("the finest ring is missing")
		default:
			decodeRing(&d, &s.rings[i], head-1, s.expected(i), g.size, 5, func(b *dist) {
				if b.decode(&d, percentileGroupExact); b.count == 0 {
					d.fail("a bucket is empty")
				}
			})
		}
	}
	err := d.finish("PercentileGroup")
	if err != nil {
		s.Reset()
	}
	return err
}

func (s *percentileGroup) Reset() {
	s.n = 0
	for i := range s.rings {
		s.rings[i] = s.rings[i][:0]
	}
}

func (s *percentileGroup) Size() int {
	n := 96
	for _, r := range s.rings {
		r = r[:cap(r)]
		for i := range r { // not by value: a bucket is larger than what is read of it
			n += 80 + r[i].v.size()
		}
	}
	return n
}
