package builtin

import "github.com/tabaproject/taba/state"

// counterGroupExact is how many different values a CounterGroup keeps exactly.
const counterGroupExact = 200

// CounterGroup is the Type that counts and sums events in the last minute, ten
// minutes, hour and day, and knows the percentiles of all values ever. The
// payload is a number, or a list whose first element is one.
type CounterGroup struct{}

// Type implements state.Handler.
func (CounterGroup) Type() string { return "CounterGroup" }

// New implements state.Handler.
func (CounterGroup) New() state.State { return new(counterGroup) }

// Version implements state.Versioned.
func (CounterGroup) Version(l state.Level) byte { return distVersionAt(l) }

// A geometry is the width in seconds and the number of a ring's buckets. Each
// width is a multiple of the one before it.
type geometry struct{ width, size int64 }

var (
	counterRings = [4]geometry{{1, 60}, {10, 60}, {30, 120}, {900, 96}}
	windowNames  = [4]string{"1m", "10m", "1h", "1d"}
)

type counterGroup struct {
	head  head // of columns; its values are in life already
	life  dist
	rings [4]ring[cell, *cell]
}

// FoldColumn implements state.Columnar.
func (s *counterGroup) FoldColumn(second int64, values []float64) (grown int) {
	if second != s.head.second {
		s.addSecond(s.head.second, &s.head.in)
		s.head.second = second
	}
	m := measured(values)
	s.head.in.addColumn(values, m)
	return s.life.addColumn(values, m, counterGroupExact)
}

// Touch implements state.Columnar.
func (s *counterGroup) Touch() uint64 { return s.head.in.n + s.life.touch() }

// settle brings what FoldColumn took where it belongs, windows and all.
func (s *counterGroup) settle() {
	s.addSecond(s.head.second, &s.head.in)
	s.life.tidy(counterGroupExact)
}

func (s *counterGroup) Fold(_ float64, b *state.Bundle, refuse func(int, state.Reason)) {
	s.settle()
	var second int64
	var in cell // of successive events of one second
	for i := range b.Events {
		e := &b.Events[i]
		v, why := number(e)
		if why != "" {
			refuse(i, why)
			continue
		}
		if t := secondOf(e.Time); t != second {
			s.addSecond(second, &in)
			second = t
		}
		n := e.Count()
		in.add(v, n)
		s.life.add(v, n, counterGroupExact)
	}
	s.addSecond(second, &in)
}

// addSecond adds what happened in one second to windows and total, and empties
// it.
func (s *counterGroup) addSecond(second int64, in *cell) {
	if in.n == 0 {
		return
	}
	in.total = in.total.normal()
	s.life.total.merge(in.total)
	for i, g := range counterRings {
		if c := s.rings[i].at(floorDiv(second, g.width), g.size); c != nil {
			c.merge(in)
		}
	}
	in.reset()
}

func (s *counterGroup) Merge(src state.State) {
	o := src.(*counterGroup)
	s.settle()
	o.settle()
	s.life.merge(&o.life, counterGroupExact)
	s.life.release()
	for i, g := range counterRings {
		s.rings[i].merge(o.rings[i], g.size, mergeCells)
	}
}

func (s *counterGroup) N() uint64 { return s.life.count }

func (s *counterGroup) Clamp(limit float64) uint64 {
	s.settle()
	second := secondOf(limit)
	var moved uint64
	for i, g := range counterRings {
		id := floorDiv(second, g.width)
		var after uint64
		for _, b := range s.rings[i].window(maxTime, maxTime-id) {
			after = addCount(after, b.v.n)
		}
		moved = max(moved, after)
		s.rings[i].clamp(id, g.size, mergeCells)
	}
	return moved
}

// end returns the id of the newest bucket of the window that is shown at time
// at: that of the time, but never older than the newest event.
func (s *counterGroup) end(i int, at float64) int64 {
	id := floorDiv(secondOf(at), counterRings[i].width)
	if r := s.rings[i]; len(r) > 0 {
		id = max(id, r.newest())
	}
	return id
}

// Expired reports whether the window of a day is empty.
func (s *counterGroup) Expired(at float64) bool {
	s.settle()
	const day = 3
	r := s.rings[day]
	return len(r) == 0 || r.newest() <= s.end(day, at)-counterRings[day].size
}

func (s *counterGroup) Render(dst []byte, at float64, f state.Format) []byte {
	s.settle()
	if f == state.Detailed {
		return s.renderBuckets(dst, at)
	}
	for i, name := range windowNames {
		dst = appendKey(dst, i, name)
		total := s.inWindow(i, at)
		dst = total.appendJSON(dst)
	}
	dst = appendKey(dst, len(windowNames), "pct")
	dst = s.life.appendJSON(dst)
	return append(dst, '}')
}

// appendKey appends what stands before the i-th value of a JSON object.
func appendKey(dst []byte, i int, key string) []byte {
	if i == 0 {
		dst = append(dst, `{"`...)
	} else {
		dst = append(dst, `, "`...)
	}
	dst = append(dst, key...)
	return append(dst, `": `...)
}

// inWindow returns the sum over the i-th window as it is shown at time at.
func (s *counterGroup) inWindow(i int, at float64) (total cell) {
	window := s.rings[i].window(s.end(i, at), counterRings[i].size)
	for j := range window {
		total.n = addCount(total.n, window[j].v.n)
		total.total.addSum(window[j].v.total)
	}
	total.total = total.total.normal()
	return total
}

// renderBuckets appends, per window, all its buckets: start, count, total.
func (s *counterGroup) renderBuckets(dst []byte, at float64) []byte {
	for i, g := range counterRings {
		if i == 0 {
			dst = append(dst, "[["...)
		} else {
			dst = append(dst, ", ["...)
		}
		end := s.end(i, at)
		window := s.rings[i].window(end, g.size)
		for id := end - g.size + 1; id <= end; id++ {
			var c cell
			if len(window) > 0 && window[0].id == id {
				c = window[0].v
				window = window[1:]
			}
			dst = appendBucket(dst, id*g.width, &c)
			if id < end {
				dst = append(dst, ", "...)
			}
		}
		dst = append(dst, ']')
	}
	return append(dst, ']')
}

func appendBucket(dst []byte, start int64, c *cell) []byte {
	dst = append(dst, '[')
	dst = appendRepr(dst, float64(start))
	dst = append(dst, ", "...)
	dst = appendCount(dst, c.n)
	dst = append(dst, ", "...)
	dst = appendRepr(dst, c.total.hi)
	return append(dst, ']')
}

// Append writes the version, the distribution and the rings, finest first. A
// ring is 0 if it is what the finer one before it says, which it is until
// events begin to fall out of that; else one more than the number of its
// buckets, then the newest id as a distance from the one to expect, and per
// bucket, newest first: the distance down to its id (but for the newest), its
// count and its total.
func (s *counterGroup) Append(dst []byte) []byte { return s.AppendAt(dst, state.Newest) }

// AppendAt implements state.Leveled.
func (s *counterGroup) AppendAt(dst []byte, l state.Level) []byte {
	s.addSecond(s.head.second, &s.head.in)
	version := distVersionAt(l)
	dst = s.life.appendAt(append(dst, version), counterGroupExact, version)
	for i := range s.rings {
		if i > 0 && coarserCells(s.rings[i-1], s.rings[i], s.ratio(i)) {
			dst = append(dst, 0)
			continue
		}
		r := s.rings[i]
		dst = appendUint(dst, uint64(len(r))+1)
		id := s.expected(i)
		for j := len(r) - 1; j >= 0; j-- {
			dst = appendStep(dst, &id, r[j].id, j == len(r)-1)
			dst = appendUint(dst, r[j].v.n)
			dst = appendSum(dst, r[j].v.total)
		}
	}
	return dst
}

// ratio is how many buckets of ring i-1 make one of ring i.
func (s *counterGroup) ratio(i int) int64 { return counterRings[i].width / counterRings[i-1].width }

// expected returns the newest id of ring i that the ring before it suggests.
func (s *counterGroup) expected(i int) int64 {
	if i == 0 || len(s.rings[i-1]) == 0 {
		return 0
	}
	return floorDiv(s.rings[i-1].newest(), s.ratio(i))
}

// coarserCells reports whether coarse is fine with ratio buckets in one.
func coarserCells(fine, coarse ring[cell, *cell], ratio int64) bool {
	for i := range coarse {
		var c cell
		for len(fine) > 0 && floorDiv(fine[0].id, ratio) == coarse[i].id {
			c.merge(&fine[0].v)
			fine = fine[1:]
		}
		if c != coarse[i].v {
			return false
		}
	}
	return len(fine) == 0
}

func (s *counterGroup) Decode(src []byte) error {
	s.Reset()
	d := newDecoder(src, distVersion)
	s.life.decode(&d, counterGroupExact)
	for i, g := range counterRings {
		head := d.uint()
		switch {
		case head == 0 && i > 0:
			for _, b := range s.rings[i-1] {
				if c := s.rings[i].at(floorDiv(b.id, s.ratio(i)), g.size); c != nil {
					c.merge(&b.v)
				}
			}
		case head == 0:
			d.fail("the finest ring is missing")
		default:
			decodeRing(&d, &s.rings[i], head-1, s.expected(i), g.size, 4, func(c *cell) {
				c.n, c.total = d.count(), d.sum()
			})
		}
	}
	err := d.finish("CounterGroup")
	if err != nil {
		s.Reset()
	}
	return err
}

func (s *counterGroup) Reset() {
	s.head = head{}
	s.life.reset()
	for i := range s.rings {
		s.rings[i] = s.rings[i][:0]
	}
}

func (s *counterGroup) Size() int {
	n := 256 + s.life.size()
	for i := range s.rings {
		n += 32 * cap(s.rings[i])
	}
	return n
}
