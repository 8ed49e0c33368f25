package state

import "math"

// A Ring is one way in which a Type tells times apart: Size buckets, each Width
// seconds wide and aligned to an absolute multiple of its width. Bucket id
// holds what happened in [id*Width, (id+1)*Width).
type Ring struct{ Width, Size int64 }

// Facts are what can be told of what happened.
type Facts uint8

// The facts there are. Events are counted by every State (State.N).
const (
	Counts   Facts = 1 << iota // how many events
	Totals                     // the sum of their values
	Spread                     // the least and the greatest value, and any quantile
	Distinct                   // how many different values
	Slicing                    // all that, in slices, and of windows that ended before
)

// Windowing is what a Handler is, besides, if its States can be asked for any
// window of time, whole or in slices. It is one for States that can only be
// asked for ever, too: then it has no Rings.
type Windowing interface {
	Handler

	// Rings returns how its States keep times, finest first. Each Width is a
	// multiple of the one before.
	Rings() []Ring

	// Tells returns what is known of a window or, if ever is set, of all events
	// that there have been.
	Tells(ever bool) Facts

	// NewSlices returns what is known of w before any State was added.
	NewSlices(w Window) Slices
}

// Window says what is asked for: the buckets with ids in [First, End) of a ring.
type Window struct {
	Ring  int   // index into Rings; Ever: no window but all events that there have been
	First int64 // the oldest bucket
	End   int64 // the bucket behind the newest; Open: there is no end
	Step  int64 // buckets in a slice, aligned to multiples of it; 0: there is one slice
	Need  Facts // what will be asked: the others may be left out
}

const (
	// Ever is the Ring of a Window without times.
	Ever = -1
	// Open is the End of a Window that takes in what lies ahead of the clock,
	// as far as ingestion lets it.
	Open = math.MaxInt64
)

// Slices are what States know of a window, added up: it makes no difference
// whether States are merged first and then added or added one by one, as long
// as their rings reach back to where the window begins. They belong to one
// goroutine at a time.
type Slices interface {
	// Add adds what s, a State of the Handler, knows of the window. If its ring
	// does not reach back to the window's First any more, because of an event
	// too far ahead, nothing is added, ok is false, and reach is the oldest
	// bucket that it still has.
	Add(s State) (reach int64, ok bool)

	// Merge adds o, of the same Window.
	Merge(o Slices)

	// End is the id behind the newest bucket with an event, and First of the
	// Window if there is none.
	End() int64

	// Len is how many slices there are, empty ones among them, up to End.
	Len() int

	// At returns the i-th slice, from the oldest on. It is valid until Slices
	// are added to.
	At(i int) Slice

	// Size is the approximate memory held, in bytes.
	Size() int
}

// A Slice tells what happened in one stretch of time, as far as the Type tells
// that (Windowing.Tells). Of no events all is zero.
type Slice interface {
	Count() uint64
	Total() float64
	// Extremes returns the least and the greatest value.
	Extremes() (least, greatest float64)
	// Quantile returns the value of which a part q, from 0 to 1, of the values
	// is below: in ascending order the one with index floor(q n). The true one
	// differs from it by at most bound, relative to the larger of the two; 0
	// says that it is exact.
	Quantile(q float64) (value, bound float64)
	// Distinct returns how many different values there are, with the standard
	// error of that, relative to it.
	Distinct() (n, standardError float64)
}

// Spreading is what a Slice is, besides, if it tells how its values are spread.
type Spreading interface {
	// Spread calls f with values in ascending order, each of which stands for n
	// values within a relative distance of bound. Which value stands for which
	// does not depend on what else there is, so the spreads of two slices can be
	// added and subtracted. (Among values less than 10⁻¹⁷ of the largest it does:
	// they are not told apart.)
	Spread(f func(value float64, n uint64)) (bound float64)
}

// Holding is what a State is, besides, if it can tell the values that it holds.
type Holding interface {
	// Held calls f with what is held at a time, in seconds.
	Held(at float64, f func(Held))
}

// Held is one value.
type Held struct {
	Client string  // whose value it is from Time on; "": it is one of a list, of its Time alone
	Time   float64 // NaN: that is not kept
	Value  float64
	Number bool // otherwise it is no number, and Value says nothing
}

// Choose returns the finest ring that has a window of so many seconds, if any,
// and how many of its buckets that is. They cover the window's length up to a
// bucket, since the newest of them is not over yet.
func Choose(rings []Ring, seconds int64) (ring int, buckets int64, ok bool) {
	for i, r := range rings {
		if n := (seconds + r.Width - 1) / r.Width; n <= r.Size {
			return i, n, true
		}
	}
	return 0, 0, false
}
