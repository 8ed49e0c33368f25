package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/fleet"
)

// monitor puts together what fleet, probe and server say.
type monitor struct {
	start  time.Time
	scene  *scene
	story  story
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
	tabs    []tabCount
	doubt   uint64   // events of fleet and probe in posts whose outcome is unknown
	story   []string // what was done to the processes, the latest last
	err     error    // why the server did not answer
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
	if err != nil && m.last.answers != nil {
		s.answers = m.last.answers // better than nothing
	}
	s.doubt, s.story = s.fleet.InDoubt+m.probe.doubtful(), m.story.lines(m.start)
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

// ledger is what the server's audit says.
type ledger struct {
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"`
	VBuckets []struct {
		Appended uint64 `json:"appended"`
	} `json:"vbuckets"`
}

// events is how many events of whatever Type the store has ever taken.
func (l *ledger) events() (n uint64) {
	for _, vb := range l.VBuckets {
		n += vb.Appended
	}
	return n
}

// settled waits until everything acknowledged is counted, or scene.settle has
// passed, and returns the last sample and ledger.
func (m *monitor) settled() (sample, ledger) {
	ctx, cancel := context.WithTimeout(context.Background(), m.scene.settle)
	defer cancel()
	for {
		s := m.take(ctx)
		var l ledger
		s.err = errors.Join(s.err, m.server.JSON(ctx, "/v2/check", cli.Query{}, &l), m.same(ctx, &s))
		total := s.counts()
		if s.err == nil && total.counted >= total.acknowledged && l.events() >= m.acknowledged(&s) {
			return s, l
		}
		select {
		case <-ctx.Done():
			return s, l
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// acknowledged is how many events of whatever Type fleet and probe had
// acknowledged.
func (m *monitor) acknowledged(s *sample) uint64 { return s.fleet.Acknowledged + m.probe.events() }

// same asks every server by itself: they must say what the one says that was
// asked for the sample.
func (m *monitor) same(ctx context.Context, s *sample) error {
	for _, server := range m.scene.each {
		list, err := server.Aggregates(ctx, cli.Query{})
		if err != nil {
			return err
		}
		for _, t := range s.tabs {
			i := slices.IndexFunc(list, func(a cli.Answer) bool { return a.Name == t.name })
			if i < 0 {
				return fmt.Errorf("%s does not know the tab %s", server.URL, t.name)
			}
			if counted, _ := list[i].Counted(); counted != t.counted {
				return fmt.Errorf("%s has counted %d events of %s, another server %d", server.URL, counted, t.name, t.counted)
			}
		}
	}
	return nil
}
