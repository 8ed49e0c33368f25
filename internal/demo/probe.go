package demo

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/cli"
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

	mu   sync.Mutex
	lags []time.Duration // the latest probeKeep
	sent uint64
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
	return p.sent
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
	body := probeBody(began)
	if p.post(context.WithoutCancel(ctx), body) != nil {
		return
	}
	p.mu.Lock()
	p.sent++
	want := p.sent
	p.mu.Unlock()
	for ctx.Err() == nil {
		if p.counted(ctx) >= want {
			p.keep(time.Since(began))
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(probeLook):
		}
	}
}

// counted asks how many of the probe's events an answer contains now.
func (p *probe) counted(ctx context.Context) uint64 {
	var bodies map[string]json.RawMessage
	if p.server.JSON(ctx, "/tabs", cli.Query{Names: []string{probeTab}}, &bodies) != nil {
		return 0
	}
	a := cli.Answer{Name: probeTab, Type: "CounterGroup", Body: bodies[probeTab]}
	n, _ := a.Counted()
	return n
}

func (p *probe) keep(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lags = append(p.lags, d)
	if len(p.lags) > probeKeep {
		p.lags = p.lags[1:]
	}
}

func probeBody(at time.Time) []byte {
	var e wire.Encoder
	_ = e.Client(probeTab) // neither name has a line end
	_ = e.Tab(probeTab)
	e.EventInt("CounterGroup", float64(at.UnixNano())/1e9, 1)
	return e.Close()
}
