package trail

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// An Event is one that somebody looks at. Its strings are parts of names that
// may be kept; Text is copied.
type Event struct {
	Door   string
	Name   string
	Type   string
	Client string
	Time   float64 // of the event, UTC seconds
	Value  float64 // if Text is empty
	Text   []byte  // the payload, if it is no number
	Weight uint64  // events that it stands for
	Whole  bool    // Weight events that were folded before they came here
}

// Viewers are those who look at events while they are folded. Doors ask for them
// once for each request, load or commit; there are none as long as nobody looks.
type Viewers []*Viewer

// A Viewer is one that looks at the events of some names. What it is shown is
// bounded: no more events than it takes, in each second. Of what matches beyond
// that it is only told how much it was.
type Viewer struct {
	trail *Trail
	match func(name string) bool
	room  int           // events a second
	wake  chan struct{} // something is there

	received, refused, clamped atomic.Uint64 // events that match
	folded                     atomic.Uint64

	mu     sync.Mutex
	shown  []Event
	second int64  // of the clock, that the next three are of
	taken  int    // events shown in it
	met    uint64 // that could have been
	stride uint64 // one in so many is shown
}

// Viewers returns who looks at present.
func (t *Trail) Viewers() Viewers {
	if t == nil {
		return nil
	}
	if v := t.looking.Load(); v != nil {
		return *v
	}
	return nil
}

// MaxViewers is how many may look at once: each costs all doors something.
const MaxViewers = 64

// Look adds a Viewer of names that match, which is shown so many events a second
// at most; 0: they are only counted. It returns nil if there are too many. Close
// it in the end.
func (t *Trail) Look(match func(name string) bool, perSecond int) *Viewer {
	v := &Viewer{trail: t, match: match, room: perSecond, wake: make(chan struct{}, 1), stride: 1}
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.Viewers()
	if len(list) >= MaxViewers {
		return nil
	}
	list = append(slices.Clone(list), v)
	t.looking.Store(&list)
	return v
}

// Close ends the looking.
func (v *Viewer) Close() {
	t := v.trail
	t.mu.Lock()
	defer t.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(t.Viewers()), func(o *Viewer) bool { return o == v })
	if len(list) == 0 {
		t.looking.Store(nil)
	} else {
		t.looking.Store(&list)
	}
}

// Event shows an event that was folded at now, UTC seconds.
func (vs Viewers) Event(now float64, e *Event) {
	for _, v := range vs {
		if v.match(e.Name) {
			v.received.Add(e.Weight)
			v.folded.Add(e.Weight)
			v.show(now, 1, func(int) Event { return *e })
		}
	}
}

// Numbers shows values of a name that were folded at now; e has all but the values.
func (vs Viewers) Numbers(now float64, e *Event, values []float64) {
	n := uint64(len(values))
	for _, v := range vs {
		if v.match(e.Name) {
			v.received.Add(n)
			v.folded.Add(n)
			v.show(now, len(values), func(i int) Event {
				one := *e
				one.Value, one.Weight = values[i], 1
				return one
			})
		}
	}
}

// Stopped counts events of a name to which something happened.
func (vs Viewers) Stopped(kind Kind, name string, n uint64) {
	for _, v := range vs {
		if !v.match(name) {
			continue
		}
		switch kind {
		case Refused:
			v.received.Add(n)
			v.refused.Add(n)
		case Clamped:
			v.clamped.Add(n)
		}
	}
}

// show shows some of n events. If somebody else does at this moment, or the
// Viewer has not fetched what it was shown, they are only counted.
func (v *Viewer) show(now float64, n int, at func(int) Event) {
	if v.room == 0 || !v.mu.TryLock() {
		return
	}
	defer v.mu.Unlock()
	v.turn(int64(math.Floor(now)))
	for i := range n {
		v.met++
		if (v.met-1)%v.stride != 0 || v.taken >= v.room || len(v.shown) >= v.room {
			continue
		}
		e := at(i)
		e.Text = append([]byte(nil), e.Text[:min(len(e.Text), maxText)]...)
		v.shown = append(v.shown, e)
		v.taken++
	}
	if len(v.shown) > 0 {
		select {
		case v.wake <- struct{}{}:
		default:
		}
	}
}

// turn begins another second. How much the last one had tells how many of this
// one's are shown, so that they are spread over it.
func (v *Viewer) turn(second int64) {
	if second == v.second {
		return
	}
	if second != v.second+1 {
		v.met = 0 // nothing for a while
	}
	v.stride = max(1, v.met/uint64(v.room))
	v.second, v.met, v.taken = second, 0, 0
}

// Wake is written to when there is something to be taken.
func (v *Viewer) Wake() <-chan struct{} { return v.wake }

// Take returns what there is to be shown since it was last taken, and how many
// events have matched since the beginning.
func (v *Viewer) Take() (shown []Event, matched uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	shown, v.shown = v.shown, nil
	return shown, v.folded.Load()
}

// Matched is how many events have matched since the beginning.
func (v *Viewer) Matched() uint64 { return v.folded.Load() }

// Watched is what was counted of a name since it is watched.
type Watched struct {
	Since, Until                       time.Time
	Received, Refused, Clamped, Folded uint64
}

// watch is a name that is watched for some time.
type watch struct {
	*Viewer
	since, until time.Time
}

// Watch counts the steps of a name from now on, or goes on to, until so long from
// now. It reports false if too much is watched.
func (t *Trail) Watch(name string, long time.Duration) bool {
	now := t.o.Now()
	t.watching.Lock()
	defer t.watching.Unlock()
	t.unwatch(now)
	w := t.watches[name]
	if w == nil {
		v := t.Look(func(n string) bool { return n == name || Printable(n) == name }, 0)
		if v == nil {
			return false
		}
		w = &watch{Viewer: v, since: now}
		if t.watches == nil {
			t.watches = map[string]*watch{}
		}
		t.watches[name] = w
	}
	if until := now.Add(long); until.After(w.until) {
		w.until = until
		time.AfterFunc(long, func() {
			t.watching.Lock()
			defer t.watching.Unlock()
			t.unwatch(t.o.Now())
		})
	}
	return true
}

// unwatch ends what was watched until now.
func (t *Trail) unwatch(now time.Time) {
	for name, w := range t.watches {
		if !now.Before(w.until) {
			w.Close()
			delete(t.watches, name)
		}
	}
}

// Watched returns what was counted of a name, nil if it is not watched.
func (t *Trail) Watched(name string) *Watched {
	if t == nil {
		return nil
	}
	t.watching.Lock()
	defer t.watching.Unlock()
	t.unwatch(t.o.Now())
	w := t.watches[name]
	if w == nil {
		return nil
	}
	return &Watched{
		Since: w.since, Until: w.until,
		Received: w.received.Load(), Refused: w.refused.Load(), Clamped: w.clamped.Load(), Folded: w.folded.Load(),
	}
}
