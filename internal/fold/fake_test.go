package fold

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tabaproject/taba/state"
)

// sumHandler is a Type that sums whole numbers.
type sumHandler struct{ name string }

type sumState struct{ n, sum uint64 }

func (h sumHandler) Type() string     { return h.name }
func (h sumHandler) New() state.State { return new(sumState) }

func (s *sumState) Fold(_ float64, b *state.Bundle, refuse func(int, state.Reason)) {
	for i := range b.Events {
		e := &b.Events[i]
		if !e.Number {
			refuse(i, state.ReasonPayload)
			continue
		}
		s.n += e.Count()
		s.sum += uint64(e.Value) * e.Count()
	}
}

func (s *sumState) Merge(src state.State) {
	o := src.(*sumState)
	s.n += o.n
	s.sum += o.sum
}

func (s *sumState) N() uint64            { return s.n }
func (s *sumState) Clamp(float64) uint64 { return 1 }
func (s *sumState) Expired(float64) bool { return false }
func (s *sumState) Reset()               { *s = sumState{} }
func (s *sumState) Size() int            { return 16 }

func (s *sumState) Render(dst []byte, _ float64, _ state.Format) []byte {
	return fmt.Append(dst, s.sum)
}

func (s *sumState) Append(dst []byte) []byte {
	dst = append(dst, 1)
	dst = binary.AppendUvarint(dst, s.n)
	return binary.AppendUvarint(dst, s.sum)
}

func (s *sumState) Decode(src []byte) error {
	*s = sumState{}
	if len(src) == 0 || src[0] != 1 {
		return errors.New("no version")
	}
	n, used := binary.Uvarint(src[1:])
	if used <= 0 {
		return errors.New("no n")
	}
	sum, rest := binary.Uvarint(src[1+used:])
	if rest <= 0 || 1+used+rest != len(src) {
		return errors.New("no sum")
	}
	*s = sumState{n, sum}
	return nil
}

func testRegistry() *state.Registry {
	reg, err := state.NewRegistry(sumHandler{"Sum"}, sumHandler{"Total"})
	if err != nil {
		panic(err)
	}
	return reg
}

func bundle(tab, client string, values ...float64) *state.Bundle {
	b := &state.Bundle{Tab: tab, Client: client}
	for _, v := range values {
		b.Events = append(b.Events, state.Event{Time: 1, Value: v, Number: true})
	}
	return b
}
