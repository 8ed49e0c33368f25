package builtin

import "github.com/tabaproject/taba/state"

// percentileCounterExact is how many different values a PercentileCounter
// keeps exactly.
const percentileCounterExact = 512

// PercentileCounter is the Type that counts and sums all its events and knows
// the percentiles of their values. The payload is a number or [number].
type PercentileCounter struct{}

// Type implements state.Handler.
func (PercentileCounter) Type() string { return "PercentileCounter" }

// New implements state.Handler.
func (PercentileCounter) New() state.State { return new(percentileCounter) }

// Version implements state.Versioned.
func (PercentileCounter) Version(l state.Level) byte { return distVersionAt(l) }

type percentileCounter struct {
	life dist
}

// FoldColumn implements state.Columnar.
func (s *percentileCounter) FoldColumn(_ int64, values []float64) (grown int) {
	m := measured(values)
	s.life.total.addColumn(values, m)
	return s.life.addColumn(values, m, percentileCounterExact)
}

// Touch implements state.Columnar.
func (s *percentileCounter) Touch() uint64 { return s.life.touch() }

func (s *percentileCounter) Fold(_ float64, b *state.Bundle, refuse func(int, state.Reason)) {
	var total sum
	for i := range b.Events {
		e := &b.Events[i]
		v, why := number(e)
		if why != "" {
			refuse(i, why)
			continue
		}
		n := e.Count()
		total.addProduct(v, n)
		s.life.add(v, n, percentileCounterExact)
	}
	s.life.total.merge(total.normal())
}

func (s *percentileCounter) Merge(src state.State) {
	s.life.merge(&src.(*percentileCounter).life, percentileCounterExact)
	s.life.release()
}

func (s *percentileCounter) N() uint64 { return s.life.count }

// Clamp has nothing to move: a PercentileCounter keeps no times.
func (s *percentileCounter) Clamp(float64) uint64 { return 0 }

func (s *percentileCounter) Expired(float64) bool { return s.life.count == 0 }

func (s *percentileCounter) Render(dst []byte, _ float64, _ state.Format) []byte {
	s.life.tidy(percentileCounterExact)
	return s.life.appendJSON(dst)
}

// Append writes the version and the distribution.
func (s *percentileCounter) Append(dst []byte) []byte { return s.AppendAt(dst, state.Newest) }

// AppendAt implements state.Leveled.
func (s *percentileCounter) AppendAt(dst []byte, l state.Level) []byte {
	version := distVersionAt(l)
	return s.life.appendAt(append(dst, version), percentileCounterExact, version)
}

func (s *percentileCounter) Decode(src []byte) error {
	s.Reset()
	d := newDecoder(src, distVersion)
	s.life.decode(&d, percentileCounterExact)
	err := d.finish("PercentileCounter")
	if err != nil {
		s.Reset()
	}
	return err
}

func (s *percentileCounter) Reset() { s.life.reset() }

func (s *percentileCounter) Size() int { return 96 + s.life.size() }
