package statsd

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tabaproject/taba/internal/wire/statsdtext"
)

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

func newNames(limit int, types TypeTable) *names {
	return &names{
		limit: limit, types: types,
		known: make(map[seriesKey]*series), byTab: make(map[string]tabType),
		overflow: &series{seriesKey: seriesKey{overflowClient, OverflowTab, statsdtext.Counter}, typ: typeOf[statsdtext.Counter]},
	}
}

// get returns the series of a key at a time in UTC seconds, or overflow.
func (n *names) get(key seriesKey, now int64) *series {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s := n.known[key]; s != nil {
		return s
	}
	if len(n.known) >= n.limit && !n.sweep(now) {
		return n.overflow
	}
	s := &series{seriesKey: key, typ: n.typeFor(key)}
	s.used.Store(now)
	n.known[key] = s
	t := n.byTab[key.tab]
	n.byTab[key.tab] = tabType{s.typ, t.n + 1}
	return s
}

// typeFor returns the Type as which a new series folds: the one that the tab
// has, or else that of the kind.
func (n *names) typeFor(key seriesKey) string {
	typ, known := n.types.TypeOf("", key.tab)
	if !known {
		t := n.byTab[key.tab]
		typ, known = t.typ, t.n > 0
	}
	if !known {
		return typeOf[key.kind]
	}
	if typ != typeOf[key.kind] {
		n.conflicts++
	}
	return typ
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
