// Package builtin holds the Types that come with Taba, one file per Type: those
// of the original, CounterGroup, PercentileGroup, PercentileCounter,
// TotalsCounter, Gauge, ExpiryGauge and Buffer, and Unique.
//
// Every file has the same shape: an empty Handler struct, the State with a
// documented layout, and then the methods of state.State in the order of that
// interface. What several Types need has a file of its own: sum (totals that
// do not depend on the order of addition), dist (percentiles), bins and
// mapping (the sketch below them), unique_cells (the sketch of Unique), ring
// (windows), holders (one value per client), value (canonical JSON), codec (the
// encodings) and decimal (numbers with few digits, encoded).
//
// # Encodings
//
// The first byte of an encoding is its version: 2 of Types that have
// distributions, 1 of the others. What a Type writes is described by the
// comments at its State's Append and, of distributions, in dist_codec; version 1
// of those, which is written for those who read no other, in dist_codec1. testdata/golden holds
// States of every released version, which must decode for ever.
//
// # Concurrency and back-pressure
//
// Handlers are stateless. A State belongs to one goroutine at a time. Nothing
// blocks, and what a State holds is bounded: by its windows, by the number of
// bins of a sketch, by a Buffer's limit, or by the number of clients that hold
// an unexpired gauge.
package builtin

import "github.com/tabaproject/taba/state"

// Handlers returns the Handlers of all built-in Types.
func Handlers() []state.Handler {
	return []state.Handler{
		CounterGroup{},
		PercentileGroup{},
		PercentileCounter{},
		TotalsCounter{},
		Gauge{},
		ExpiryGauge{},
		Buffer{},
		Unique{},
	}
}

// Registry returns a Registry of all built-in Types. To add Types of one's
// own, pass them with Handlers to state.NewRegistry.
func Registry() *state.Registry {
	r, err := state.NewRegistry(Handlers()...)
	if err != nil {
		panic(err) // the names above are distinct
	}
	return r
}
