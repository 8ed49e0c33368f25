package builtin

import (
	"math"

	"github.com/tabaproject/taba/state"
)

// heldOf sets what a canonical value is as a number; text is none.
func heldOf(h state.Held, value []byte) state.Held {
	v, why := numberOfValue(value)
	h.Value, h.Number = v, why == ""
	return h
}

// Held implements state.Holding.
func (s *gauge) Held(at float64, f func(state.Held)) {
	for _, e := range s.list {
		if e.rank+gaugeLife > at {
			f(heldOf(state.Held{Client: e.client, Time: e.rank}, []byte(e.value)))
		}
	}
}

// Held implements state.Holding: since when a value holds is not kept.
func (s *expiryGauge) Held(at float64, f func(state.Held)) {
	for _, e := range s.list {
		if e.rank > at {
			f(heldOf(state.Held{Client: e.client, Time: math.NaN()}, []byte(e.value)))
		}
	}
}

// Held implements state.Holding.
func (s *buffer) Held(at float64, f func(state.Held)) {
	for i := range s.list {
		if k := &s.list[i]; k.expiry > at {
			f(heldOf(state.Held{Time: k.time}, k.value))
		}
	}
}
