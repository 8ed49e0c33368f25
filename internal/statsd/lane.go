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
	froms   []netip.Addr

	lines  [linesAtOnce]statsdtext.Line
	prints [linesAtOnce]fingerprint
	found  [linesAtOnce]int // in cache; -1: not there
	counts laneCounts
	touch  uint64 // keeps the compiler from leaving out loads
}

// laneCounts are what a lane counted since begin.
type laneCounts struct{ lines, bytes, datagrams int }

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
	l.froms = nil
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
		l.b = &batch{
			values: make([]float64, 0, len(full.values)), owners: make([]uint32, 0, len(full.owners)),
			touched: make([]uint32, 0, len(full.touched)),
		}
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
	if l.changed != l.door.names.changed.Load() || !l.cache.holds(l.door.o.Names) {
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
	l.froms = append(l.froms, from)
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
			l.line(buf, client, i)
		}
	}
}

// lookUp finds the entries of n lines. Loops that do nothing but load let the
// processor wait for the memory of many lines at once: first for their entries,
// then for the heads of their series.
func (l *lane) lookUp(buf []byte, client uint32, n int) {
	lines, prints, found := l.lines[:n], l.prints[:n], l.found[:n]
	for i := range lines {
		if line := &lines[i]; line.TailStart > 0 {
			prints[i] = l.cache.of(client, buf[line.Name:line.NameEnd], buf[line.TailStart:line.End])
		}
	}
	var touch uint64
	entries := l.cache.entries
	mask := uint64(len(entries) - 1)
	for i := range prints {
		touch += entries[prints[i].lo&mask].lo
	}
	for i := range lines {
		found[i] = -1
		if lines[i].TailStart > 0 {
			found[i] = l.cache.find(prints[i])
		}
	}
	for _, at := range found {
		if at >= 0 {
			touch += l.b.heads[entries[at].series].weight
		}
	}
	l.touch = touch
}

// line gathers the i-th of the lines.
func (l *lane) line(buf []byte, client uint32, i int) {
	found, line := l.found[i], &l.lines[i]
	if found < 0 {
		if found = l.miss(buf, client, i); found < 0 {
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
	switch e.kind {
	case statsdtext.Gauge:
		l.b.gauge(e.series, v, signed && !l.door.o.SetGauges)
	case statsdtext.Timing:
		l.b.measure(e.series, v, l.cache.weigh(e))
	default:
		l.b.add(e.series, v, l.cache.weigh(e))
	}
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

// miss returns the index of the entry of a line for which none was found. It
// returns -1 if the line can have none, having gathered or refused it.
func (l *lane) miss(buf []byte, client uint32, i int) int {
	line := &l.lines[i]
	name := buf[line.Name:max(line.Name, line.NameEnd)]
	tail := buf[line.TailStart:max(line.TailStart, line.End)]
	if line.TailStart == 0 || statsdtext.Other(buf[line.Name:line.End]) != "" || !statsdtext.Single(tail) {
		l.slow(buf, client, line)
		return -1
	}
	// It may have been missed twice in one look-up, or moved since.
	if found := l.cache.find(l.prints[i]); found >= 0 {
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
	s, over := l.door.names.get(seriesKey{l.owners[client], head.Tab, head.Kind}, int64(l.now))
	if over != "" || head.Time != 0 || !l.cache.holds(l.door.o.Names) {
		l.slow(buf, client, line)
		return -1
	}
	found, moved := l.cache.add(entry{
		fingerprint: l.prints[i], series: l.local(s), kind: head.Kind, sample: l.cache.sampled(head.Rate),
	})
	if moved {
		for k := range l.found {
			l.found[k] = -1
		}
	}
	return found
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
		s, over := l.door.names.get(seriesKey{l.owners[client], m.Tab, m.Kind}, int64(l.now))
		if over != "" {
			l.door.overflowed(l.owners[client], l.froms[client], buf[line.Name:line.End], over)
		}
		l.metric(l.local(s), over != "", m)
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
		l.b.dated = append(l.b.dated, dated{l.timeOf(series, m.Time), weighed{m.Value, series, 1}})
	case m.Time != 0:
		l.b.dated = append(l.b.dated, dated{l.timeOf(series, m.Time), weighed{m.Value, series, weight}})
	case m.Kind == statsdtext.Timing:
		l.b.measure(series, m.Value, weight)
	default:
		l.b.add(series, m.Value, weight)
	}
}

// timeOf returns when something happened that came with a time. What is too
// far ahead would empty windows.
func (l *lane) timeOf(series uint32, t int64) float64 {
	if float64(t) > l.now+l.door.o.FutureTolerance.Seconds() {
		l.door.clamped(l.series[series])
		return l.now
	}
	return float64(t)
}

func (l *lane) refuse(buf []byte, client uint32, line *statsdtext.Line, why statsdtext.Reason) {
	l.door.refused(l.owners[client], l.froms[client], buf[line.Name:line.End], why)
}
