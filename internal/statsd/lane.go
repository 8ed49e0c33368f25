package statsd

import (
	"bytes"
	"math"
	"net/netip"
	"sync"

	"github.com/tabaproject/taba/internal/wire/statsdtext"
)

// A lane decodes lines and gathers what they say. Its methods are called
// between begin and end, which hold its lock.
type lane struct {
	door *Door

	mu     sync.Mutex
	b      *batch   // what was gathered in the present second
	sealed []*batch // what was gathered before it
	spare  []*batch
	now    float64

	cache   cache
	changed uint64 // of names, when the cache was made
	series  []*series
	index   map[*series]uint32
	clients map[netip.Addr]uint32
	owners  []string // by index, of clients

	lines  [linesAtOnce]statsdtext.Line
	hashes [linesAtOnce]uint64
	found  [linesAtOnce]int
	counts laneCounts
	touch  uint64 // keeps the compiler from leaving out loads
}

// laneCounts are what a lane counted since begin.
type laneCounts struct{ lines, bytes, datagrams, overflow int }

func newLane(d *Door) *lane {
	l := &lane{door: d, b: new(batch)}
	l.forget()
	return l
}

// forget makes the cache empty. The batch must be.
func (l *lane) forget() {
	l.cache = newCache()
	l.changed = l.door.names.changed.Load()
	l.series, l.index = nil, make(map[*series]uint32)
	l.clients, l.owners = make(map[netip.Addr]uint32), nil
}

// begin takes the lane for what was received at now.
func (l *lane) begin(now float64) {
	l.mu.Lock()
	if !l.b.empty() && math.Floor(now) != math.Floor(l.now) {
		l.seal()
	}
	// Later batches have later times, whatever the clock says: what a gauge
	// was last is decided by time.
	l.now = max(now, math.Nextafter(l.now, math.Inf(1)))
	if math.Floor(l.now) != math.Floor(now) {
		l.now = now // the clock was set back
	}
	l.b.now = l.now
}

// end gives the lane back and sees to it that what was gathered is committed.
func (l *lane) end() {
	charge := l.b.size() - l.b.charged
	l.b.charged += charge
	work := !l.b.empty() || len(l.sealed) > 0
	l.door.counts.add(&l.counts)
	l.counts = laneCounts{}
	l.mu.Unlock()
	l.door.charge(charge)
	if work {
		l.door.signal()
	}
}

// seal puts the batch aside and begins another one.
func (l *lane) seal() {
	full := l.b
	full.series = l.series
	l.sealed = append(l.sealed, full)
	if n := len(l.spare); n > 0 {
		l.b, l.spare = l.spare[n-1], l.spare[:n-1]
	} else { // the next one will probably be like it
		l.b = &batch{values: make([]value, 0, len(full.values)), touched: make([]uint32, 0, len(full.touched))}
	}
	l.b.now = l.now
	l.b.cover(len(l.series))
}

// take returns what was gathered, in batches for the committer.
func (l *lane) take() []*batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.b.empty() {
		l.seal()
	}
	taken := l.sealed
	l.sealed = nil
	if l.changed != l.door.names.changed.Load() || !l.cache.holds(l.door.o.Names, nil, nil) {
		l.forget()
	}
	return taken
}

// giveBack takes back batches that were folded. A lane keeps as many as the last
// commit had, and one more: while they are committed others are gathered.
func (l *lane) giveBack(batches []*batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spare = append(l.spare, batches...)
	if most := len(batches) + 1; len(l.spare) > most {
		clear(l.spare[most:])
		l.spare = l.spare[:most]
	}
}

// client returns the index of the client that owns what an address sends.
func (l *lane) client(from netip.Addr) uint32 {
	if i, ok := l.clients[from]; ok {
		return i
	}
	i := uint32(len(l.owners))
	l.clients[from] = i
	l.owners = append(l.owners, l.door.owner(from))
	return i
}

// linesAtOnce is how many lines are looked up at once.
const linesAtOnce = 64

// consume decodes lines that were received from a sender. The last one ends
// with buf.
func (l *lane) consume(buf []byte, from netip.Addr) {
	client := l.client(from)
	l.counts.bytes += len(buf)
	for at := 0; at < len(buf); {
		var n int
		n, at = statsdtext.Cut(buf, at, l.lines[:])
		l.lookUp(buf, client, n)
		for i := range n {
			l.line(buf, client, &l.lines[i], l.found[i], l.hashes[i])
		}
	}
}

// lookUp finds the entries of n lines. It goes over them several times, so
// that the processor waits for the memory of many lines at once.
func (l *lane) lookUp(buf []byte, client uint32, n int) {
	mask := uint64(len(l.cache.slots) - 1)
	var touch uint64
	for i := range n {
		line := &l.lines[i]
		h := uint64(0)
		if line.TailStart > 0 {
			h = l.cache.hash(client, buf[line.Name:line.NameEnd], buf[line.TailStart:line.End])
		}
		l.hashes[i] = h
		touch += l.cache.slots[h&mask].hash
	}
	if len(l.cache.entries) > farEntries {
		touch += l.reach(n, mask)
	}
	l.touch = touch
	for i := range n {
		line := &l.lines[i]
		l.found[i] = -1
		if line.TailStart > 0 {
			l.found[i] = l.cache.find(l.hashes[i], client, buf[line.Name:line.NameEnd], buf[line.TailStart:line.End])
		}
	}
}

// farEntries is how many entries are near: beyond it they do not fit into the
// second-level cache any more.
const farEntries = 8192

// reach loads what the first slots of n lines lead to.
func (l *lane) reach(n int, mask uint64) (touch uint64) {
	c := &l.cache
	for i, h := range l.hashes[:n] {
		l.found[i] = -1
		if s := c.slots[h&mask]; s.hash == h && s.entry != 0 {
			l.found[i] = int(s.entry - 1)
			touch += uint64(c.entries[s.entry-1].key)
		}
	}
	for _, i := range l.found[:n] {
		if i >= 0 {
			e := &c.entries[i]
			touch += uint64(c.keys[e.key]) + l.b.heads[e.series].weight
		}
	}
	return touch
}

// line gathers one line. found is the index of its entry, -1 if there is none.
func (l *lane) line(buf []byte, client uint32, line *statsdtext.Line, found int, hash uint64) {
	if found < 0 {
		if found = l.miss(buf, client, line, hash); found < 0 {
			return
		}
	}
	e := &l.cache.entries[found]
	if line.Plain && e.kind != statsdtext.Set {
		l.counts.lines++
		l.number(e, line.Value, line.Signed)
		return
	}
	l.values(buf, client, line, e)
}

// number gathers one value of e.
func (l *lane) number(e *entry, v float64, signed bool) {
	if e.kind == statsdtext.Gauge {
		l.b.gauge(e.series, v, signed && !l.door.o.SetGauges)
		return
	}
	l.b.add(e.series, v, e.weigh())
}

// values gathers what is not a single plain number.
func (l *lane) values(buf []byte, client uint32, line *statsdtext.Line, e *entry) {
	values := buf[line.NameEnd+1 : line.TailStart-1]
	if !valid(e.kind, values) {
		l.refuse(buf, client, line, statsdtext.BadValue)
		return
	}
	if e.kind == statsdtext.Set {
		l.counts.lines++
		l.b.member(e.series, values)
		return
	}
	l.counts.lines++
	for v := range bytes.SplitSeq(values, []byte{':'}) {
		f, _ := statsdtext.Number(v)
		l.number(e, f, v[0] == '-' || v[0] == '+')
	}
}

// miss returns the index of the entry of a line that has none yet. It returns
// -1 if the line can have none, having gathered or refused it.
func (l *lane) miss(buf []byte, client uint32, line *statsdtext.Line, hash uint64) int {
	name := buf[line.Name:max(line.Name, line.NameEnd)]
	tail := buf[line.TailStart:max(line.TailStart, line.End)]
	if line.TailStart == 0 || statsdtext.Other(buf[line.Name:line.End]) != "" || !statsdtext.Single(tail) {
		l.slow(buf, client, line)
		return -1
	}
	// It may have been missed twice in one look-up.
	if found := l.cache.find(hash, client, name, tail); found >= 0 {
		return found
	}
	head, why := statsdtext.ParseHead(name, tail, l.door.o.NameBytes)
	if why == "" && !line.Plain && !valid(head.Kind, buf[line.NameEnd+1:line.TailStart-1]) {
		why = statsdtext.BadValue // it must not register the name
	}
	if why != "" {
		l.refuse(buf, client, line, why)
		return -1
	}
	s := l.door.names.get(seriesKey{l.owners[client], head.Tab, head.Kind}, int64(l.now))
	if s == l.door.names.overflow || head.Time != 0 || !l.cache.holds(l.door.o.Names, name, tail) {
		l.slow(buf, client, line)
		return -1
	}
	return l.cache.add(hash, name, tail, entry{
		client: client, series: l.local(s), kind: head.Kind, sampled: head.Rate != 1, inverse: 1 / head.Rate,
	})
}

// valid reports whether values are some of a kind.
func valid(kind statsdtext.Kind, values []byte) bool {
	if kind == statsdtext.Set {
		return len(values) > 0
	}
	for v := range bytes.SplitSeq(values, []byte{':'}) {
		if _, ok := statsdtext.Number(v); !ok {
			return false
		}
	}
	return true
}

// local returns the index of a series in the lane.
func (l *lane) local(s *series) uint32 {
	i, ok := l.index[s]
	if !ok {
		i = uint32(len(l.series))
		l.index[s] = i
		l.series = append(l.series, s)
		l.b.cover(len(l.series))
	}
	return i
}

// slow gathers a line by the grammar's own words.
func (l *lane) slow(buf []byte, client uint32, line *statsdtext.Line) {
	metrics, why := statsdtext.Parse(buf[line.Name:line.End], l.door.o.NameBytes)
	if why != "" {
		l.refuse(buf, client, line, why)
		return
	}
	l.counts.lines++
	for i := range metrics {
		m := &metrics[i]
		s := l.door.names.get(seriesKey{l.owners[client], m.Tab, m.Kind}, int64(l.now))
		if s == l.door.names.overflow {
			l.counts.overflow++
		}
		l.metric(l.local(s), s == l.door.names.overflow, m)
	}
}

func (l *lane) metric(series uint32, overflow bool, m *statsdtext.Metric) {
	weight := uint32(math.Round(1 / m.Rate))
	change := m.Signed && !l.door.o.SetGauges
	switch {
	case overflow && (m.Kind == statsdtext.Gauge || m.Kind == statsdtext.Set):
		l.b.add(series, 1, 1)
	case overflow:
		l.b.add(series, 1, weight)
	case m.Kind == statsdtext.Set:
		l.b.member(series, []byte(m.Text))
	case m.Kind == statsdtext.Gauge && (m.Time == 0 || change):
		l.b.gauge(series, m.Value, change)
	case m.Kind == statsdtext.Gauge:
		l.b.dated = append(l.b.dated, dated{l.timeOf(m.Time), value{m.Value, series, 1}})
	case m.Time != 0:
		l.b.dated = append(l.b.dated, dated{l.timeOf(m.Time), value{m.Value, series, weight}})
	default:
		l.b.add(series, m.Value, weight)
	}
}

// timeOf returns when something happened that came with a time. What is too
// far ahead would empty windows.
func (l *lane) timeOf(t int64) float64 {
	if float64(t) > l.now+l.door.o.FutureTolerance.Seconds() {
		l.door.counts.clamped.Inc()
		return l.now
	}
	return float64(t)
}

func (l *lane) refuse(buf []byte, client uint32, line *statsdtext.Line, why statsdtext.Reason) {
	l.door.refused(l.owners[client], buf[line.Name:line.End], why)
}
