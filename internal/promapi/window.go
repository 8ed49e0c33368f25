package promapi

import (
	"math"
	"strconv"

	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/state"
)

// ever is the window of what is told of all events that there have been.
const ever = "ever"

// The windows and quantiles that there are unless others are asked for.
var (
	usualWindows   = []string{"1m", "10m", "1h", "1d", ever}
	usualQuantiles = []string{"0.5", "0.9", "0.95", "0.99", "0.999"}
)

// duration reads a window; 0 is ever.
func duration(window string) (seconds int64, ok bool) {
	if window == ever {
		return 0, true
	}
	seconds, err := lang.ParseDuration(labelWindow, window)
	return seconds, err == nil && seconds > 0 && seconds <= lang.MaxWindow
}

// quantileOf reads a quantile.
func quantileOf(text string) (float64, bool) {
	q, err := strconv.ParseFloat(text, 64)
	return q, err == nil && q >= 0 && q <= 1
}

// span is which samples are asked for.
type span struct {
	start, end int64 // ms
	newest     bool  // only the last of them
}

// now returns the time that the newest sample gets: that of the clock, or the
// end of what is asked for if this is a little before it, which it usually is
// by the time that a request was under way.
func (s span) now(at float64, slack int64) (int64, bool) {
	t := milliseconds(at)
	if s.end >= t {
		return t, t >= s.start
	}
	return s.end, s.end > t-slack
}

// eachWindow calls f for the moments at which a window's facts are told, newest
// first: now, and the ends of buckets of the finest ring that reaches back far
// enough from there. A slice is valid during the call; nil says that nothing
// happened.
func (k *kind) eachWindow(st state.State, seconds int64, at float64, need state.Facts, s span, f func(t int64, events state.Slice)) {
	if seconds == 0 {
		if t, ok := s.now(at, lookback.Milliseconds()); ok {
			f(t, k.openEver(st, need))
		}
		return
	}
	rings := k.handler.Rings()
	i, _, ok := state.Choose(rings, seconds)
	if !ok {
		return
	}
	earliest, done := k.newestWindow(st, i, seconds, at, need, s, f)
	if done || !k.slicing() {
		return
	}
	for ; i < len(rings) && rings[i].Width <= seconds; i++ {
		earliest = k.ringWindows(st, i, seconds/rings[i].Width, at, need, s, earliest, f)
	}
}

// newestWindow tells of the window that ends now, as v1 and v2 do: its newest
// bucket is not over yet. If an event from ahead of the clock has pushed its
// oldest one out, a coarser ring reaches further back.
func (k *kind) newestWindow(st state.State, i int, seconds int64, at float64, need state.Facts, s span, f func(int64, state.Slice)) (earliest int64, done bool) {
	for _, g := range k.handler.Rings()[i:] {
		newest := int64(math.Floor(at / float64(g.Width)))
		slack := milliseconds(at) - newest*g.Width*1000
		if !k.slicing() {
			slack = lookback.Milliseconds()
		}
		t, asked := s.now(at, slack)
		if !asked {
			break
		}
		n := min((seconds+g.Width-1)/g.Width, g.Size)
		sl := k.handler.NewSlices(state.Window{Ring: i, First: newest - n + 1, End: state.Open, Need: need})
		if _, ok := sl.Add(st); ok {
			f(t, only(sl))
			return t, s.newest
		}
		i++
	}
	return milliseconds(at), false
}

// ringWindows tells of windows that ended with a bucket of the i-th ring, those
// before earliest. It returns the earliest one.
func (k *kind) ringWindows(st state.State, i int, n int64, at float64, need state.Facts, s span, earliest int64, f func(int64, state.Slice)) int64 {
	g := k.handler.Rings()[i]
	newest := int64(math.Floor(at / float64(g.Width)))
	for end := newest; end-n > newest-g.Size; end-- {
		t := end * g.Width * 1000
		if t >= earliest || t > s.end {
			continue
		}
		if t < s.start {
			return math.MinInt64
		}
		sl := k.handler.NewSlices(state.Window{Ring: i, First: end - n, End: end, Need: need})
		if _, ok := sl.Add(st); !ok {
			return earliest
		}
		f(t, only(sl))
		if earliest = t; s.newest {
			return math.MinInt64
		}
	}
	return earliest
}

// only returns the one slice that there is, or nil.
func only(s state.Slices) state.Slice {
	if s.Len() == 0 {
		return nil
	}
	return s.At(0)
}

// valueOf returns what a family says of a slice; ok is false for what no events
// do not have.
func valueOf(f *family, s state.Slice, q float64) (v float64, ok bool) {
	switch {
	case f == &windowCounts:
		return float64(count(s)), true
	case f == &windowTotals && s == nil, f == &distincts && s == nil:
		return 0, true
	case f == &windowTotals:
		return s.Total(), true
	case f == &distincts:
		v, _ = s.Distinct()
		return v, true
	case count(s) == 0:
		return 0, false
	case f == &averages:
		return s.Total() / float64(s.Count()), true
	case f == &quantiles:
		v, _ = s.Quantile(q)
		return v, true
	}
	least, greatest := s.Extremes()
	if f == &minima {
		return least, true
	}
	return greatest, true
}

func count(s state.Slice) uint64 {
	if s == nil {
		return 0
	}
	return s.Count()
}
