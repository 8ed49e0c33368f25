package statsd

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"

	"github.com/tabaproject/taba/internal/wire/statsdtext"
	"github.com/tabaproject/taba/state"
)

// Reasons for which lines and datagrams are lost, beside those of the grammar.
const (
	tooLong = statsdtext.Reason("line_long") // it does not fit into a buffer

	truncated = "truncated" // the datagram is larger than a buffer
	capacity  = "capacity"  // the budget is full
)

// counts is what a Door counts.
type counts struct {
	set       *metrics.Set
	lines     *metrics.Counter
	bytes     *metrics.Counter
	datagrams *metrics.Counter
	clamped   *metrics.Counter
	dropped   *metrics.Counter // datagrams, for capacity
	truncated *metrics.Counter // datagrams
	lost      *metrics.Counter // events, by a commit that failed
	open      atomic.Int64     // connections

	refused  map[statsdtext.Reason]*metrics.Counter // lines
	mu       sync.Mutex
	events   map[state.Reason]*metrics.Counter // refused by their Type
	overflow map[string]*metrics.Counter       // values, by limit
}

func newCounts() *counts {
	s := metrics.NewSet()
	c := &counts{
		set:       s,
		lines:     s.NewCounter("taba_statsd_lines_total"),
		bytes:     s.NewCounter("taba_statsd_bytes_total"),
		datagrams: s.NewCounter("taba_statsd_datagrams_total"),
		clamped:   s.NewCounter("taba_statsd_clamped_values_total"),
		dropped:   s.NewCounter(fmt.Sprintf(`taba_statsd_dropped_datagrams_total{reason=%q}`, capacity)),
		truncated: s.NewCounter(fmt.Sprintf(`taba_statsd_dropped_datagrams_total{reason=%q}`, truncated)),
		lost:      s.NewCounter(`taba_statsd_lost_events_total{reason="commit"}`),
		refused:   make(map[statsdtext.Reason]*metrics.Counter),
		events:    make(map[state.Reason]*metrics.Counter),
		overflow:  map[string]*metrics.Counter{overNames: s.NewCounter(overflowCounter(overNames))},
	}
	for _, why := range []statsdtext.Reason{
		statsdtext.NoValue, statsdtext.NoType, statsdtext.BadName, statsdtext.LongName, statsdtext.BadType, statsdtext.BadValue,
		statsdtext.BadRate, statsdtext.BadTime, statsdtext.Event, statsdtext.ServiceCheck, tooLong,
	} {
		c.refused[why] = s.NewCounter(fmt.Sprintf(`taba_statsd_refused_lines_total{reason=%q}`, string(why)))
	}
	return c
}

func (c *counts) add(l *laneCounts) {
	c.lines.Add(l.lines)
	c.bytes.Add(l.bytes)
	if l.datagrams > 0 {
		c.datagrams.Add(l.datagrams)
	}
}

// event counts what a Type refused.
func (c *counts) event(why state.Reason, n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	counter := c.events[why]
	if counter == nil {
		const most = 16 // reasons that Types of a user's own can make
		if len(c.events) == most {
			why = "other"
		}
		counter = c.set.GetOrCreateCounter(fmt.Sprintf(`taba_statsd_refused_events_total{reason=%q}`, string(why)))
		c.events[why] = counter
	}
	counter.Add(int(n))
}

// over counts a value whose name was over a limit.
func (c *counts) over(limit string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	counter := c.overflow[limit]
	if counter == nil {
		counter = c.set.NewCounter(overflowCounter(limit))
		c.overflow[limit] = counter
	}
	counter.Inc()
}

func overflowCounter(limit string) string {
	return fmt.Sprintf(`taba_statsd_overflow_values_total{reason=%q}`, limit)
}

// WritePrometheus writes what the Door counts in Prometheus text format.
func (d *Door) WritePrometheus(w io.Writer) {
	d.counts.set.WritePrometheus(w)
	known, conflicts := d.names.stats()
	metrics.WriteGaugeUint64(w, "taba_statsd_names", uint64(known))
	metrics.WriteGaugeUint64(w, "taba_statsd_names_max", uint64(d.names.limit))
	metrics.WriteCounterUint64(w, "taba_statsd_type_conflicts_total", conflicts)
	metrics.WriteGaugeUint64(w, "taba_statsd_connections", uint64(d.counts.open.Load()))
	var drops uint64
	for i, s := range d.sockets() {
		buffer, dropped := s.kernel()
		drops += dropped
		metrics.WriteGaugeUint64(w, fmt.Sprintf(`taba_statsd_receive_buffer_bytes{socket="%d",address=%q}`, i, s.name), buffer)
	}
	metrics.WriteCounterUint64(w, `taba_statsd_dropped_datagrams_total{reason="kernel"}`, drops)
}

// Received returns how many lines were taken, and how many bytes came.
func (d *Door) Received() (lines, bytes uint64) { return d.counts.lines.Get(), d.counts.bytes.Get() }

// EachRefused calls f for every reason for which something was not taken.
func (d *Door) EachRefused(f func(unit, reason string, n uint64)) {
	tell := func(unit, reason string, c *metrics.Counter) {
		if n := c.Get(); n > 0 {
			f(unit, reason, n)
		}
	}
	c := d.counts
	for _, why := range slices.Sorted(maps.Keys(c.refused)) {
		tell("lines", string(why), c.refused[why])
	}
	tell("datagrams", capacity, c.dropped)
	tell("datagrams", truncated, c.truncated)
	tell("events", "commit", c.lost)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, why := range slices.Sorted(maps.Keys(c.events)) {
		tell("events", string(why), c.events[why])
	}
}
