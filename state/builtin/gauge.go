package builtin

import "github.com/tabaproject/taba/state"

// gaugeLife is how long after its time a gauge is shown, in seconds.
const gaugeLife = 48 * 60 * 60

// Gauge is the Type whose answer is how many clients hold which value: of each
// client the one with the newest time. A payload may be any JSON value; of a
// list the first element counts.
type Gauge struct{}

// Type implements state.Handler.
func (Gauge) Type() string { return "Gauge" }

// New implements state.Handler.
func (Gauge) New() state.State { return new(gauge) }

type gauge struct {
	holders // ranked by time
}

func (s *gauge) Fold(now float64, b *state.Bundle, refuse func(int, state.Reason)) {
	var newest float64
	found := false
	for i := range b.Events {
		e := &b.Events[i]
		value, why := s.read(e)
		if why != "" {
			refuse(i, why)
			continue
		}
		s.n = addCount(s.n, e.Count())
		if !found || e.Time > newest {
			newest, found = e.Time, true
			s.best = append(s.best[:0], value...)
		}
	}
	s.advance(now, gaugeLife)
	if found && (newest+gaugeLife > now || !finite(now)) {
		s.set(b.Client, s.best, newest, gaugeLife)
	}
}

// read returns the canonical value of an event. It is valid until the next
// call.
func (s *gauge) read(e *state.Event) ([]byte, state.Reason) {
	if !finite(e.Time) {
		return nil, state.ReasonNotFinite
	}
	value, why := canonical(s.value[:0], e)
	s.value = value
	if why == "" && value[0] == '[' {
		if value = firstElement(value); value == nil {
			why = state.ReasonPayload
		}
	}
	return value, why
}

func (s *gauge) Merge(src state.State) { s.merge(&src.(*gauge).holders, gaugeLife) }

func (s *gauge) N() uint64 { return s.n }

func (s *gauge) Clamp(limit float64) uint64 {
	s.foldedAt = min(s.foldedAt, max(limit, 0))
	var moved uint64
	for i := range s.list {
		if e := &s.list[i]; e.rank > limit {
			e.rank = limit
			moved++
		}
	}
	return moved
}

func (s *gauge) Expired(at float64) bool { return s.expired(at, gaugeLife) }

func (s *gauge) Render(dst []byte, at float64, _ state.Format) []byte {
	return s.render(dst, at, gaugeLife)
}

func (s *gauge) Append(dst []byte) []byte { return s.append(dst) }

func (s *gauge) Decode(src []byte) error { return s.decode(src, "Gauge", gaugeLife) }

func (s *gauge) Reset() { s.reset() }

func (s *gauge) Size() int { return s.size() }
