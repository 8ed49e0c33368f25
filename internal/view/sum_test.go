package view

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/tabaproject/taba/state"
)

// sum is a Type simple enough to reckon with: a count, a total, and the
// newest time, which is a value here. It expires once its newest is past.
type sum struct {
	typ    string
	n      uint64
	total  int64
	newest int64
}

type sumType string

func (t sumType) Type() string     { return string(t) }
func (t sumType) New() state.State { return &sum{typ: string(t)} }

func testRegistry(t testing.TB) *state.Registry {
	t.Helper()
	reg, err := state.NewRegistry(sumType("sum"), sumType("other"))
	if err != nil {
		t.Fatal(err)
	}
	return reg
}

func (s *sum) Fold(now float64, b *state.Bundle, _ func(int, state.Reason)) {
	for i := range b.Events {
		s.n++
		s.total += int64(b.Events[i].Value)
		s.newest = max(s.newest, int64(b.Events[i].Value))
	}
}

func (s *sum) Merge(src state.State) {
	o := src.(*sum)
	s.n, s.total, s.newest = s.n+o.n, s.total+o.total, max(s.newest, o.newest)
}

func (s *sum) N() uint64               { return s.n }
func (s *sum) Clamp(float64) uint64    { return 0 }
func (s *sum) Expired(at float64) bool { return float64(s.newest) < at }
func (s *sum) Reset()                  { *s = sum{typ: s.typ} }
func (s *sum) Size() int               { return 48 }

func (s *sum) Render(dst []byte, at float64, _ state.Format) []byte {
	return fmt.Appendf(dst, "%d/%d", s.total, s.n)
}

func (s *sum) Append(dst []byte) []byte {
	dst = append(dst, 1)
	dst = binary.AppendUvarint(dst, s.n)
	dst = binary.AppendVarint(dst, s.total)
	return binary.AppendVarint(dst, s.newest)
}

func (s *sum) Decode(src []byte) error {
	s.Reset()
	if len(src) == 0 || src[0] != 1 {
		return errors.New("bad version")
	}
	src = src[1:]
	n, a := binary.Uvarint(src)
	if a <= 0 {
		return errors.New("cut off")
	}
	total, b := binary.Varint(src[a:])
	if b <= 0 {
		return errors.New("cut off")
	}
	newest, c := binary.Varint(src[a+b:])
	if c <= 0 || a+b+c != len(src) {
		return errors.New("cut off")
	}
	s.n, s.total, s.newest = n, total, newest
	return nil
}
