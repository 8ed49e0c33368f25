package promapi

import (
	"math"
	"slices"

	"github.com/tabaproject/taba/state"
)

// A ring is one ring of a State, bucket by bucket.
type ring struct {
	width   int64
	first   int64 // id of the oldest bucket that can be told
	buckets state.Slices
}

// openRing asks a State for its i-th ring as of a time, in seconds. An event
// from ahead of the clock may have pushed the oldest buckets out.
func (k *kind) openRing(st state.State, i int, at float64, need state.Facts) ring {
	g := k.handler.Rings()[i]
	r := ring{width: g.Width, first: int64(math.Floor(at/float64(g.Width))) - g.Size + 1}
	for {
		r.buckets = k.handler.NewSlices(state.Window{Ring: i, First: r.first, End: state.Open, Step: 1, Need: need})
		reach, ok := r.buckets.Add(st)
		if ok {
			return r
		}
		r.first = reach
	}
}

// openEver asks a State for all events that there have been.
func (k *kind) openEver(st state.State, need state.Facts) state.Slice {
	s := k.handler.NewSlices(state.Window{Ring: state.Ever, Need: need})
	s.Add(st)
	if s.Len() == 0 {
		return nil
	}
	return s.At(0)
}

// A cumulation is what had happened up to each of some moments: the ends of the
// buckets that there are, finest ones where they reach back to, and now.
type cumulation struct {
	times  []int64 // ms, ascending
	counts []float64
	sums   []float64 // empty if the Type tells none
}

// cumulate makes counters of a State's rings. What happened after a moment is
// subtracted from all there has been; where that is not kept, from all that the
// rings have.
func (k *kind) cumulate(st state.State, at float64) *cumulation {
	c := &cumulation{}
	hasSums := (k.ever|k.window)&state.Totals != 0
	if !k.slicing() {
		count, sum := float64(st.N()), 0.0
		if hasSums {
			if s := k.openEver(st, state.Counts|state.Totals); s != nil {
				sum = s.Total()
			}
		}
		c.add(milliseconds(at), count, sum, hasSums)
		return c
	}
	rings := make([]ring, len(k.handler.Rings()))
	for i := range rings {
		rings[i] = k.openRing(st, i, at, state.Counts|state.Totals)
	}
	count, sum := k.all(st, &rings[len(rings)-1])
	for i := len(rings) - 1; i >= 0; i-- {
		end := int64(math.Floor(at/float64(rings[i].width)))*rings[i].width + 1
		if i > 0 {
			end = rings[i-1].first * rings[i-1].width
		}
		c.addRing(&rings[i], end, count, sum, hasSums)
	}
	c.add(milliseconds(at), count, sum, hasSums)
	c.smooth()
	return c
}

// all returns count and sum of all events that there have been or, where that is
// not kept, of those in the longest ring.
func (k *kind) all(st state.State, longest *ring) (count, sum float64) {
	if k.ever&(state.Counts|state.Totals) == state.Counts|state.Totals {
		if s := k.openEver(st, state.Counts|state.Totals); s != nil {
			return float64(s.Count()), s.Total()
		}
		return 0, 0
	}
	for i := range longest.buckets.Len() {
		s := longest.buckets.At(i)
		count, sum = count+float64(s.Count()), sum+s.Total()
	}
	return count, sum
}

// addRing adds the beginnings of a ring's buckets up to a time in seconds.
func (c *cumulation) addRing(r *ring, end int64, count, sum float64, hasSums bool) {
	n := r.buckets.Len()
	afterCount, afterSum := make([]float64, n+1), make([]float64, n+1)
	for i := n - 1; i >= 0; i-- {
		s := r.buckets.At(i)
		afterCount[i], afterSum[i] = afterCount[i+1]+float64(s.Count()), afterSum[i+1]+s.Total()
	}
	for i := 0; ; i++ {
		start := (r.first + int64(i)) * r.width
		if start >= end {
			return
		}
		j := min(i, n)
		c.add(start*1000, count-afterCount[j], sum-afterSum[j], hasSums)
	}
}

func (c *cumulation) add(t int64, count, sum float64, hasSums bool) {
	if n := len(c.times); n > 0 && c.times[n-1] >= t {
		return
	}
	c.times, c.counts = append(c.times, t), append(c.counts, count)
	if hasSums {
		c.sums = append(c.sums, sum)
	}
}

// rounding is how much of a sum may be lost where one ring goes on after
// another: their sums are made of different additions.
const rounding = 1e-9

// smooth takes the last digits off where they would make a sum seem to begin
// anew, which a counter that falls means.
func (c *cumulation) smooth() {
	for i := len(c.sums) - 2; i >= 0; i-- {
		here, next := c.sums[i], c.sums[i+1]
		if here > next && here-next <= rounding*max(math.Abs(here), math.Abs(next)) {
			c.sums[i] = next
		}
	}
}

func milliseconds(seconds float64) int64 { return int64(math.Floor(seconds * 1000)) }

// clip returns which part of a cumulation a span is about, with a moment before
// and one behind it, between which there may be others. The newest moment is
// that of the clock, or the end of the span if it is in the newest bucket.
func (s span) clip(c *cumulation, at float64) (lo, hi int) {
	n := len(c.times)
	slack := lookback.Milliseconds()
	if n > 1 {
		slack = c.times[n-1] - c.times[n-2]
	}
	if t, ok := s.now(at, slack); ok {
		c.times[n-1] = t
	}
	lo, _ = slices.BinarySearch(c.times, s.start)
	hi, found := slices.BinarySearch(c.times, s.end)
	if found {
		hi++
	}
	lo, hi = max(lo-1, 0), min(hi+1, n)
	if hi == 1 && n == 1 && c.times[0] > s.end {
		return 0, 0
	}
	return lo, hi
}
