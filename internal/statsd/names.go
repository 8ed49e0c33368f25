package statsd

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire/statsdtext"
)

// overNames is the limit on the names of a Door itself: Options.Names. Others are
// its Quota's.
const overNames = "names"

// OverflowTab is where lines count whose names are over the limit: one event
// of value 1 for each event they stand for, of the client overflowClient.
const (
	OverflowTab    = "statsd.overflow"
	overflowClient = "statsd"
)

// typeOf is the Type as which a kind folds unless the tab has another.
var typeOf = map[statsdtext.Kind]string{
	statsdtext.Counter: "CounterGroup",
	statsdtext.Gauge:   "Gauge",
	statsdtext.Timing:  "PercentileGroup",
	statsdtext.Set:     "Unique",
}

// A series is a tab of a client with a kind of values. All but used belongs to
// the names' lock or never changes, and gauge to the committer.
type series struct {
	seriesKey
	typ   string
	gauge float64      // the last value
	used  atomic.Int64 // when it was last committed, in UTC seconds
}

type seriesKey struct {
	client, tab string
	kind        statsdtext.Kind
}

// names knows every series there is, within a limit.
type names struct {
	limit    int
	types    TypeTable
	quota    Quota
	overflow *series
	changed  atomic.Uint64 // how often series were forgotten

	mu        sync.Mutex
	known     map[seriesKey]*series
	byTab     map[string]tabType
	nextSweep int64
	conflicts uint64
}

// tabType is the Type of a tab, and how many series there are of it.
type tabType struct {
	typ string
	n   int
}

// A name that was not used for so long makes place for others when the limit
// is reached, and this often they are looked for.
const (
	nameRests  = int64(time.Hour / time.Second)
	sweepEvery = int64(time.Minute / time.Second)
)

func newNames(limit int, types TypeTable, quota Quota) *names {
	return &names{
		limit: limit, types: types, quota: quota,
		known: make(map[seriesKey]*series), byTab: make(map[string]tabType),
		overflow: &series{seriesKey: seriesKey{overflowClient, OverflowTab, statsdtext.Counter}, typ: typeOf[statsdtext.Counter]},
	}
}

// get returns the series of a key at a time in UTC seconds, or overflow and the
// limit that is reached.
func (n *names) get(key seriesKey, now int64) (s *series, over string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s := n.known[key]; s != nil {
		return s, ""
	}
	if len(n.known) >= n.limit && !n.sweep(now) {
		return n.overflow, overNames
	}
	typ, known := n.typeFor(key)
	if over := n.quota.Admit(store.Tab{Name: key.tab, Type: typ}, key.client, !known); over != "" {
		return n.overflow, over
	}
	if typ != typeOf[key.kind] {
		n.conflicts++
	}
	s = &series{seriesKey: key, typ: typ}
	s.used.Store(now)
	n.known[key] = s
	n.byTab[key.tab] = tabType{s.typ, n.byTab[key.tab].n + 1}
	return s, ""
}

// typeFor returns the Type as which a new series folds: the one that the tab
// has, if it is known, or else that of the kind.
func (n *names) typeFor(key seriesKey) (typ string, known bool) {
	if typ, known = n.types.TypeOf("", key.tab); known {
		return typ, true
	}
	if t := n.byTab[key.tab]; t.n > 0 {
		return t.typ, true
	}
	return typeOf[key.kind], false
}

// sweep forgets what rests and reports whether there is place now.
func (n *names) sweep(now int64) bool {
	if now < n.nextSweep {
		return false
	}
	n.nextSweep = now + sweepEvery
	for key, s := range n.known {
		if now-s.used.Load() < nameRests {
			continue
		}
		delete(n.known, key)
		if t := n.byTab[key.tab]; t.n > 1 {
			n.byTab[key.tab] = tabType{t.typ, t.n - 1}
		} else {
			delete(n.byTab, key.tab)
		}
	}
	n.changed.Add(1)
	return len(n.known) < n.limit
}

// stats returns how many series there are, and how many of them fold as
// another Type than that of their kind.
func (n *names) stats() (known int, conflicts uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.known), n.conflicts
}
