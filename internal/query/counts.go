package query

import (
	"fmt"
	"io"

	"github.com/VictoriaMetrics/metrics"
)

// counts counts requests of v2.
type counts struct {
	set     *metrics.Set
	asked   *metrics.Counter
	listed  *metrics.Counter
	live    *metrics.Counter // subscriptions
	pushed  *metrics.Counter // evaluations for subscribers
	refused map[string]*metrics.Counter
}

func newCounts(watching func() float64) *counts {
	s := metrics.NewSet()
	c := &counts{
		set:     s,
		asked:   s.NewCounter("taba_query_requests_total"),
		listed:  s.NewCounter("taba_query_lists_total"),
		live:    s.NewCounter("taba_query_live_requests_total"),
		pushed:  s.NewCounter("taba_query_live_evaluations_total"),
		refused: newRefused(s),
	}
	s.NewGauge("taba_query_live_subscribers", watching)
	return c
}

func newRefused(s *metrics.Set) map[string]*metrics.Counter {
	refused := map[string]*metrics.Counter{}
	for _, code := range codes {
		refused[code] = s.NewCounter(fmt.Sprintf("taba_query_refused_requests_total{reason=%q}", code))
	}
	return refused
}

// WritePrometheus writes what was asked and refused in Prometheus's text format.
func (h *Handler) WritePrometheus(w io.Writer) { h.counts.set.WritePrometheus(w) }
