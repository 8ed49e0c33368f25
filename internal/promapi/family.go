package promapi

import (
	"strings"

	"github.com/prometheus/common/model"

	"github.com/tabaproject/taba/state"
)

// A fact is one thing that is told of a tab.
type fact uint8

const (
	factHistogram fact = iota // all values, as a native histogram that only grows
	factCount                 // events, as a counter
	factSum                   // the sum of their values, as a counter
	factWindow                // of a window, as a gauge
	factValue                 // what is held, as a gauge
)

// A family is the metrics of one kind that tabs have.
type family struct {
	fact   fact
	suffix string // behind the tab's name
	need   state.Facts
	kind   model.MetricType
	help   string
}

// families of a tab. Colons cannot be in a suffix that a tab brings by itself in
// Prometheus's conventions, so a window's metrics are told from others.
var (
	histograms   = family{factHistogram, "", state.Spread, model.MetricTypeHistogram, "all values of the last day"}
	values       = family{factValue, "", 0, model.MetricTypeGauge, "the numbers that are held"}
	counts       = family{factCount, "_count", state.Counts, model.MetricTypeCounter, "events"}
	sums         = family{factSum, "_sum", state.Totals, model.MetricTypeCounter, "the sum of the values"}
	totals       = family{factSum, "_total", state.Totals, model.MetricTypeCounter, "the sum of the values"}
	windowCounts = family{factWindow, ":count", state.Counts, model.MetricTypeGauge, "events in a window"}
	windowTotals = family{factWindow, ":total", state.Totals, model.MetricTypeGauge, "the sum of the values in a window"}
	averages     = family{factWindow, ":average", state.Counts | state.Totals, model.MetricTypeGauge, "the average of the values in a window"}
	minima       = family{factWindow, ":min", state.Spread, model.MetricTypeGauge, "the least value in a window"}
	maxima       = family{factWindow, ":max", state.Spread, model.MetricTypeGauge, "the greatest value in a window"}
	quantiles    = family{factWindow, ":quantile", state.Spread, model.MetricTypeGauge, "a quantile of the values in a window"}
	distincts    = family{factWindow, ":distinct", state.Distinct, model.MetricTypeGauge, "how many different values there are in a window"}

	allFamilies = []*family{&histograms, &values, &counts, &sums, &totals, &windowCounts, &windowTotals, &averages, &minima, &maxima, &quantiles, &distincts}
	windowed    = []*family{&windowCounts, &windowTotals, &averages, &minima, &maxima, &quantiles, &distincts}
)

// kind is what a Type's tabs have.
type kind struct {
	handler  state.Windowing // nil: it counts events only
	ever     state.Facts
	window   state.Facts
	families []*family
}

func kindOf(h state.Handler) *kind {
	k := &kind{}
	if _, ok := h.New().(state.Holding); ok {
		k.families = append(k.families, &values)
	}
	k.handler, _ = h.(state.Windowing)
	if k.handler == nil {
		k.families = append(k.families, &counts)
		return k
	}
	k.ever, k.window = k.handler.Tells(true), 0
	if len(k.handler.Rings()) > 0 {
		k.window = k.handler.Tells(false)
	}
	spread := k.slices()&state.Spread != 0
	if k.slicing() && spread {
		k.families = append(k.families, &histograms)
	}
	k.families = append(k.families, &counts)
	switch {
	case (k.ever|k.window)&state.Totals == 0:
	case spread:
		k.families = append(k.families, &sums)
	default:
		k.families = append(k.families, &totals)
	}
	for _, f := range windowed {
		if k.window&f.need == f.need || k.ever&f.need == f.need && !k.counted(f) {
			k.families = append(k.families, f)
		}
	}
	return k
}

// slices are the facts of the stretch of time that the Type is about: its
// windows if there are any.
func (k *kind) slices() state.Facts {
	if k.window != 0 {
		return k.window
	}
	return k.ever
}

// slicing reports whether what happened can be told bucket by bucket.
func (k *kind) slicing() bool { return k.window&state.Slicing != 0 }

// counted reports whether a counter tells of all events what f would.
func (k *kind) counted(f *family) bool {
	return f.need&^(state.Counts|state.Totals) == 0 && f != &averages
}

// everTells reports whether f is told of all events that there have been.
func (k *kind) everTells(f *family) bool { return k.ever&f.need == f.need && !k.counted(f) }

// windowTells reports whether f is told of windows.
func (k *kind) windowTells(f *family) bool { return k.window&f.need == f.need }

// bases returns what the tabs may be called that have a metric of this name.
func bases(metric string) []string {
	list := []string{metric}
	for _, f := range allFamilies {
		if base, ok := strings.CutSuffix(metric, f.suffix); ok && f.suffix != "" && base != "" {
			list = append(list, base)
		}
	}
	return list
}
