package demo

import (
	"context"
	"time"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/fleet"
)

// monitor puts together what fleet, probe and server say.
type monitor struct {
	start  time.Time
	server *cli.Client
	fleet  *fleet.Fleet
	probe  *probe
	last   sample
}

// sample is the state of things at one moment.
type sample struct {
	at      time.Time
	age     time.Duration
	fleet   fleet.Counts
	lag     lag
	rate    float64 // events a second that the fleet recorded since the last sample
	answers map[string]cli.Answer
	clients map[string]uint64 // holders of each build
	tabs    []tabCount
	err     error // why the server did not answer
}

// tabCount compares the figures of one tab whose Type counts.
type tabCount struct {
	name                            string
	recorded, acknowledged, counted uint64
}

// counts sums tabCounts up.
func (s *sample) counts() (total tabCount) {
	for _, t := range s.tabs {
		total.recorded += t.recorded
		total.acknowledged += t.acknowledged
		total.counted += t.counted
	}
	return total
}

// take takes a sample. The server is asked before the fleet, so that an event
// is never counted before it is recorded.
func (m *monitor) take(ctx context.Context) sample {
	list, err := m.server.Aggregates(ctx, cli.Query{})
	now := time.Now()
	s := sample{at: now, age: now.Sub(m.start), fleet: m.fleet.Counts(), lag: m.probe.lag(), answers: map[string]cli.Answer{}, err: err}
	for _, a := range list {
		s.answers[a.Name] = a
	}
	for _, tab := range fleet.Tabs {
		if !tab.Counted {
			continue
		}
		a := s.answers[tab.Name]
		counted, _ := a.Counted()
		s.tabs = append(s.tabs, tabCount{tab.Name, s.fleet.RecordedOf[tab.Name], s.fleet.AcknowledgedOf[tab.Name], counted})
	}
	s.rate = rate(&m.last, &s)
	m.last = s
	return s
}

func rate(last, s *sample) float64 {
	since := s.age - last.age
	if since <= 0 {
		return 0
	}
	return float64(s.fleet.Recorded-last.fleet.Recorded) / since.Seconds()
}

// settled waits until everything acknowledged is counted, or settle has
// passed, and returns the last sample.
func (m *monitor) settled() sample {
	ctx, cancel := context.WithTimeout(context.Background(), settle)
	defer cancel()
	for {
		s := m.take(ctx)
		if total := s.counts(); s.err == nil && total.counted >= total.acknowledged {
			return s
		}
		select {
		case <-ctx.Done():
			return s
		case <-time.After(20 * time.Millisecond):
		}
	}
}
