package app

import (
	"context"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/query"
)

// A meter tells how fast counters grow, over the last seconds, and what an event
// costs. It reads them once a second, the finest that windows tell apart.
type meter struct {
	read func() reading

	mu   sync.Mutex
	last []reading  // the oldest first
	cost query.Cost // of the last stretch with events
}

// A reading is what counters were at a time.
type reading struct {
	at     time.Time
	doors  []doorReading
	copied uint64 // bytes
	costs  costReading
}

type doorReading struct {
	name          string
	events, bytes uint64
}

// meterSeconds is over how long rates are told.
const meterSeconds = 10

func newMeter(read func() reading) *meter { return &meter{read: read, last: []reading{read()}} }

// run reads until ctx ends.
func (m *meter) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.turn()
		}
	}
}

// turn takes a reading.
func (m *meter) turn() {
	now := m.read()
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := costSince(&m.last[0], &now); c.Events > 0 {
		m.cost = c
	}
	if m.last = append(m.last, now); len(m.last) > meterSeconds {
		m.last = append(m.last[:0], m.last[len(m.last)-meterSeconds:]...)
	}
}

// rates tells how fast doors take events in.
func (m *meter) rates() (rates []query.DoorRate, cost query.Cost) {
	now := m.read()
	m.mu.Lock()
	defer m.mu.Unlock()
	from := &m.last[0]
	seconds := max(now.at.Sub(from.at).Seconds(), 1)
	for i, d := range now.doors {
		r := query.DoorRate{Door: d.name, Events: d.events, Bytes: d.bytes}
		var before doorReading
		if i < len(from.doors) {
			before = from.doors[i]
		}
		r.PerSec, r.BytesSec = float64(d.events-before.events)/seconds, float64(d.bytes-before.bytes)/seconds
		rates = append(rates, r)
	}
	if c := costSince(from, &now); c.Events > 0 {
		return rates, c
	}
	return rates, m.cost
}

// costSince tells what events cost between two readings.
func costSince(from, to *reading) query.Cost {
	c := query.Cost{Events: to.events() - from.events(), Seconds: to.at.Sub(from.at).Seconds()}
	if c.Events == 0 {
		return query.Cost{}
	}
	per := func(unit float64, n float64) *float64 {
		v := n * unit / float64(c.Events)
		return &v
	}
	c.Copied = per(1, float64(to.copied-from.copied))
	if to.costs.switches >= 0 {
		c.Switches = per(1000, float64(to.costs.switches-from.costs.switches))
	}
	c.Allocs = per(1000, float64(to.costs.allocs-from.costs.allocs))
	c.LockWait = per(1, (to.costs.wait-from.costs.wait)*float64(time.Second))
	return c
}

func (r *reading) events() (n uint64) {
	for _, d := range r.doors {
		n += d.events
	}
	return n
}

// costReading is what the process has spent beside computing.
type costReading struct {
	switches int64 // voluntary; -1: not known
	allocs   uint64
	wait     float64 // seconds that goroutines waited for locks
}

// What the runtime calls what it counts.
const (
	metricAllocs = "/gc/heap/allocs:objects"
	metricWait   = "/sync/mutex/wait/total:seconds"
)

func readCosts() costReading {
	samples := []metrics.Sample{{Name: metricAllocs}, {Name: metricWait}}
	metrics.Read(samples)
	return costReading{switches: voluntarySwitches(), allocs: samples[0].Value.Uint64(), wait: samples[1].Value.Float64()}
}
