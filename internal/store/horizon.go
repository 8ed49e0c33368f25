package store

import "time"

// Classes lists all classes of Sources.
var Classes = [...]Class{ClassSpool, ClassDirect}

// Horizons says, per class, before which birth an id without a row is never
// applied. They only grow.
type Horizons struct {
	Spool  int64 // milliseconds since 1970
	Direct int64
}

// NewHorizons are those of a store created at the given time: an age before
// it, as no older id can be of this store.
func NewHorizons(created time.Time) Horizons {
	return Horizons{
		Spool:  created.Add(-ClassSpool.Age()).UnixMilli(),
		Direct: created.Add(-ClassDirect.Age()).UnixMilli(),
	}
}

// Of returns the horizon of a class. A class that nobody knows has its
// horizon at the end of time: nothing of it is applied.
func (h Horizons) Of(c Class) int64 {
	switch c {
	case ClassSpool:
		return h.Spool
	case ClassDirect:
		return h.Direct
	}
	return 1<<63 - 1
}

// Birth is the birth of an id given at now: never before a horizon, whatever
// the clock says, so that a new id is always honoured.
func (h Horizons) Birth(now time.Time) int64 {
	return max(now.UnixMilli(), h.Spool, h.Direct)
}

// Raise returns the horizons after a pass. They grow by at most elapsed, which
// the caller measured with a monotonic clock: a clock that jumps ahead must
// not make live ids unknown. They do not grow past now less the age.
func (h Horizons) Raise(elapsed time.Duration, now time.Time) Horizons {
	raise := func(at int64, c Class) int64 {
		return max(at, min(at+elapsed.Milliseconds(), now.Add(-c.Age()).UnixMilli()))
	}
	return Horizons{Spool: raise(h.Spool, ClassSpool), Direct: raise(h.Direct, ClassDirect)}
}
