package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tabaproject/taba/internal/cli"
)

// How often a person and a file see what is new.
const (
	refreshTerminal = 500 * time.Millisecond
	refreshPlain    = time.Second
)

// watch shows samples until ctx ends.
func (o Options) watch(ctx context.Context, m *monitor) {
	head := m.scene.head
	if !o.Out.Terminal {
		_, _ = fmt.Fprintf(o.Out.W, "%s\n\n", head.text())
		m.each(ctx, refreshPlain, func(s sample) {
			_, _ = fmt.Fprint(o.Out.W, m.story.news(m.start), s.line(), "\n")
		})
		return
	}
	screen := newScreen(o.Out.W)
	defer screen.close()
	screen.draw(head.text() + "\n\nstarting the fleet …")
	m.each(ctx, refreshTerminal, func(s sample) {
		width, height := screen.size()
		out := o.Out
		out.Width = width
		text := head.text() + "\n" + s.body(out)
		if strings.Count(text, "\n") > height {
			text = head.short() + "\n" + s.body(out)
		}
		screen.draw(text)
	})
}

// each takes a sample every d and hands it to f, until ctx ends. A sample that
// the end interrupted is nothing to show.
func (m *monitor) each(ctx context.Context, d time.Duration, f func(sample)) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if s := m.take(ctx); ctx.Err() == nil {
			f(s)
		}
	}
}

// header is what does not change.
type header struct {
	server, agent string
	until         time.Duration
	what          string // who is there; empty: an agent and a server
}

func (h header) text() string {
	end := "Ctrl-C ends it."
	if h.until > 0 {
		end = fmt.Sprintf("It ends after %s, or with Ctrl-C.", h.until)
	}
	what := h.what
	if what == "" {
		what = "a fleet of bidders posts to an agent, the agent forwards to a server."
	}
	return fmt.Sprintf(`Taba demo: %[4]s %[3]s
Watch it in a browser: %[1]s
Ask it yourself:
  curl '%[1]s/tabs?name=bids_won,bid_latency_ms'
  curl '%[1]s/projection?name=bids_won&client=bidder-us-east-000'
  curl -H 'Accept: application/json' %[1]s/types
  curl %[2]s/status
  taba agg --server %[1]s --re 'bid.*'`, h.server, h.agent, end, what)
}

// short is for terminals with few lines.
func (h header) short() string {
	return fmt.Sprintf("Taba demo: server and page %s, agent %s", h.server, h.agent)
}

// line is a sample in one line, for files and pipes.
func (s *sample) line() string {
	total := s.counts()
	text := fmt.Sprintf("%6.1fs  %s events/s  recorded %s  acknowledged %s  counted %s  lag %s (worst %s)",
		s.age.Seconds(), whole(s.rate), number(total.recorded), number(total.acknowledged), number(total.counted), millis(s.lag.median), millis(s.lag.worst))
	won, price := s.answers["bids_won"], s.answers["winning_bid_price"]
	if p := price.Line("1m").Percentiles; len(p) > 5 {
		text += fmt.Sprintf("  won/1m %s  price/1m p50 %s p99 %s", cli.Group(won.Line("1m").Count), p[1], p[5])
	}
	if s.err != nil {
		text += fmt.Sprintf("  (%v)", s.err)
	}
	return text
}
