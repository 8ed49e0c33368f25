package builtin

import "github.com/tabaproject/taba/state"

// TotalsCounter is the Type that counts and sums all its events. The payload
// is a number or [number].
type TotalsCounter struct{}

// Type implements state.Handler.
func (TotalsCounter) Type() string { return "TotalsCounter" }

// New implements state.Handler.
func (TotalsCounter) New() state.State { return new(totalsCounter) }

type totalsCounter struct {
	cell
}

// FoldColumn implements state.Columnar.
func (s *totalsCounter) FoldColumn(_ int64, values []float64) (grown int) {
	s.addColumn(values, measured(values))
	return 0
}

// Touch implements state.Columnar.
func (s *totalsCounter) Touch() uint64 { return s.n }

func (s *totalsCounter) Fold(_ float64, b *state.Bundle, refuse func(int, state.Reason)) {
	var in cell
	for i := range b.Events {
		e := &b.Events[i]
		v, why := number(e)
		if why == "" && isBool(e) {
			why = state.ReasonPayload
		}
		if why != "" {
			refuse(i, why)
			continue
		}
		in.add(v, e.Count())
	}
	in.total = in.total.normal()
	s.merge(&in)
}

// isBool reports whether the payload is true or false, which the original
// took inside a list only.
func isBool(e *state.Event) bool {
	if e.Number {
		return false
	}
	p := valueParser{src: e.JSON}
	c := p.space()
	return c == 't' || c == 'f'
}

func (s *totalsCounter) Merge(src state.State) { s.merge(&src.(*totalsCounter).cell) }

func (s *totalsCounter) N() uint64 { return s.n }

// Clamp has nothing to move: a TotalsCounter keeps no times.
func (s *totalsCounter) Clamp(float64) uint64 { return 0 }

func (s *totalsCounter) Expired(float64) bool { return s.n == 0 }

func (s *totalsCounter) Render(dst []byte, _ float64, _ state.Format) []byte {
	return s.appendJSON(dst)
}

// Append writes the version, the count and the total.
func (s *totalsCounter) Append(dst []byte) []byte {
	return appendSum(appendUint(append(dst, version1), s.n), s.total)
}

func (s *totalsCounter) Decode(src []byte) error {
	d := newDecoder(src, version1)
	s.n, s.total = d.uint(), d.sum()
	if err := d.finish("TotalsCounter"); err != nil {
		s.Reset()
		return err
	}
	return nil
}

func (s *totalsCounter) Reset() { s.reset() }

func (s *totalsCounter) Size() int { return 24 }
