package ingest

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/VictoriaMetrics/metrics"

	"github.com/tabaproject/taba/internal/trail"
)

// Metrics counts what comes in and what is refused, by reason. It is safe for
// concurrent use and may be shared by several Handlers.
type Metrics struct {
	set *metrics.Set

	Requests    *metrics.Counter // committed
	Events      *metrics.Counter // committed, Batches of parts excluded
	Bytes       *metrics.Counter // of bodies as sent, refused ones included
	Copied      *metrics.Counter // bytes moved in memory before they were folded
	Clamped     *metrics.Counter // events from too far in the future
	Parts       *metrics.Counter // of Batches, handed to the store
	Undecodable *metrics.Counter // Partials passed on as they are
	Frames      *metrics.Counter // of streams, committed
	Streams     *metrics.Counter // opened

	// Trail keeps what became of names that did not simply count; nil: nobody does.
	Trail *trail.Trail

	v1, v2, parts *Door // what comes in by each door

	overTabs, overStates *metrics.Counter // events of parts that count in overflow tabs and clients

	requests map[string]*metrics.Counter // refused requests by reason

	mu     sync.Mutex
	events map[string]*metrics.Counter // refused events by reason
}

// maxReasons bounds the labels that Types of a user's own can make.
const maxReasons = 64

// NewMetrics returns Metrics that stand at zero.
func NewMetrics() *Metrics {
	s := metrics.NewSet()
	m := &Metrics{
		set:         s,
		Requests:    s.NewCounter("taba_ingest_requests_total"),
		Events:      s.NewCounter("taba_ingest_events_total"),
		Bytes:       s.NewCounter("taba_ingest_bytes_total"),
		Copied:      s.NewCounter("taba_ingest_copied_bytes_total"),
		Clamped:     s.NewCounter("taba_ingest_clamped_events_total"),
		Parts:       s.NewCounter("taba_ingest_parts_total"),
		Undecodable: s.NewCounter("taba_ingest_undecodable_partials_total"),
		Frames:      s.NewCounter("taba_ingest_frames_total"),
		Streams:     s.NewCounter("taba_ingest_streams_total"),
		v1:          newDoor(s, trail.DoorV1),
		v2:          newDoor(s, trail.DoorV2),
		parts:       newDoor(s, trail.DoorParts),
		overTabs:    s.NewCounter(fmt.Sprintf(`taba_ingest_overflow_events_total{reason=%q}`, reasonTabs)),
		overStates:  s.NewCounter(fmt.Sprintf(`taba_ingest_overflow_events_total{reason=%q}`, reasonStates)),
		requests:    make(map[string]*metrics.Counter),
		events:      make(map[string]*metrics.Counter),
	}
	for _, reason := range requestReasons {
		m.requests[reason] = s.NewCounter(fmt.Sprintf(`taba_ingest_refused_requests_total{reason=%q}`, reason))
	}
	return m
}

// A Door counts what comes in by one way: events that are durable and bytes as
// they were sent.
type Door struct {
	Name          string
	Events, Bytes *metrics.Counter
}

func newDoor(s *metrics.Set, name string) *Door {
	return &Door{
		Name:   name,
		Events: s.NewCounter(fmt.Sprintf(`taba_ingest_door_events_total{door=%q}`, name)),
		Bytes:  s.NewCounter(fmt.Sprintf(`taba_ingest_door_bytes_total{door=%q}`, name)),
	}
}

// Doors returns what counts by door.
func (m *Metrics) Doors() []*Door { return []*Door{m.v1, m.v2, m.parts} }

// EachRefused calls f for every reason for which requests or events were refused.
func (m *Metrics) EachRefused(f func(unit, reason string, n uint64)) {
	for _, reason := range requestReasons {
		if n := m.requests[reason].Get(); n > 0 {
			f("requests", reason, n)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, reason := range slices.Sorted(maps.Keys(m.events)) {
		f("events", reason, m.events[reason].Get())
	}
}

// WritePrometheus writes all counters in Prometheus text format.
func (m *Metrics) WritePrometheus(w io.Writer) { m.set.WritePrometheus(w) }

// RefusedRequests returns how many requests were refused for reason.
func (m *Metrics) RefusedRequests(reason string) uint64 {
	if c := m.requests[reason]; c != nil {
		return c.Get()
	}
	return 0
}

// RefusedEvents returns how many events were refused for reason.
func (m *Metrics) RefusedEvents(reason string) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.events[label(reason)]; c != nil {
		return c.Get()
	}
	return 0
}

// overflowed counts events that were moved, once they are durable.
func (m *Metrics) overflowed(o overflow) {
	if o != (overflow{}) {
		m.overTabs.Add(int(o.tabs))
		m.overStates.Add(int(o.states))
	}
}

func (m *Metrics) refusedRequest(reason string) {
	if c := m.requests[reason]; c != nil {
		c.Inc()
	}
}

func (m *Metrics) refusedEvents(reason string, n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := label(reason)
	c := m.events[name]
	if c == nil && len(m.events) >= maxReasons {
		name = "other"
		c = m.events[name]
	}
	if c == nil {
		c = m.set.NewCounter(fmt.Sprintf(`taba_ingest_refused_events_total{reason=%q}`, name))
		m.events[name] = c
	}
	c.Add(int(n))
}

// label makes a reason fit for a metric label and a header.
func label(reason string) string {
	const most = 40
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_':
			return c
		case c >= 'A' && c <= 'Z':
			return c + ('a' - 'A')
		default:
			return '_'
		}
	}, reason[:min(len(reason), most)])
}
