package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/fleet"
	"github.com/tabaproject/taba/internal/wire"
)

// probeTab counts the probe's own events.
const probeTab = "demo_probe"

// How often the probe measures, how often it looks, and of how many
// measurements it tells.
const (
	probeEvery = 250 * time.Millisecond
	probeLook  = time.Millisecond
	probeKeep  = 60
)

// probe measures the lag: it posts one event to the agent and asks the server
// until an answer contains it.
type probe struct {
	server *cli.Client
	post   func(context.Context, []byte) error

	mu    sync.Mutex
	tab   string          // in which it counts
	lags  []time.Duration // the latest probeKeep
	sent  uint64          // to tab
	whole uint64          // to all tabs
	doubt uint64          // sent, and perhaps taken
	since time.Time       // when the last one that was counted was sent
}

func newProbe(server *cli.Client, post func(context.Context, []byte) error) *probe {
	return &probe{server: server, post: post, tab: probeTab}
}

// lag is what the latest measurements say.
type lag struct{ median, worst time.Duration }

func (p *probe) lag() lag {
	p.mu.Lock()
	sorted := slices.Sorted(slices.Values(p.lags))
	p.mu.Unlock()
	if len(sorted) == 0 {
		return lag{}
	}
	return lag{median: sorted[len(sorted)/2], worst: sorted[len(sorted)-1]}
}

// events is how many the probe has had acknowledged.
func (p *probe) events() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.whole
}

// doubtful is how many may have been acknowledged or not.
func (p *probe) doubtful() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.doubt
}

// counting reports whether an event that was sent after t was counted.
func (p *probe) counting(t time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.since.After(t)
}

func (p *probe) run(ctx context.Context) {
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.measure(ctx)
		}
	}
}

// measure takes one measurement, if all goes well. The post outlives ctx: an
// event that was sent must be known to be.
func (p *probe) measure(ctx context.Context) {
	began := time.Now()
	err := p.post(context.WithoutCancel(ctx), probeBody(p.tab, began))
	want := p.note(err)
	if err != nil {
		return
	}
	for ctx.Err() == nil {
		if p.counted(ctx) >= want {
			p.keep(began, time.Since(began))
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(probeLook):
		}
	}
}

// note takes what became of a post and returns how many there are to be counted.
// If that is not known, those that come are counted in another tab.
func (p *probe) note(err error) (want uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.sent++
		p.whole++
	case !errors.Is(err, fleet.ErrBusy):
		p.doubt++
		p.sent, p.tab = 0, fmt.Sprintf("%s_%d", probeTab, p.doubt+1)
	}
	return p.sent
}

// counted asks how many of the probe's events an answer contains now.
func (p *probe) counted(ctx context.Context) uint64 {
	var bodies map[string]json.RawMessage
	if p.server.JSON(ctx, "/tabs", cli.Query{Names: []string{p.tab}}, &bodies) != nil {
		return 0
	}
	a := cli.Answer{Name: p.tab, Type: "CounterGroup", Body: bodies[p.tab]}
	n, _ := a.Counted()
	return n
}

func (p *probe) keep(began time.Time, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = began
	p.lags = append(p.lags, d)
	if len(p.lags) > probeKeep {
		p.lags = p.lags[1:]
	}
}

func probeBody(tab string, at time.Time) []byte {
	var e wire.Encoder
	_ = e.Client(probeTab) // neither name has a line end
	_ = e.Tab(tab)
	e.EventInt("CounterGroup", float64(at.UnixNano())/1e9, 1)
	return e.Close()
}
