package main

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"

	"github.com/tabaproject/taba/state"
)

// Extremes is a Type that keeps the smallest and the largest number ever
// recorded.
type Extremes struct{}

// Type implements state.Handler.
func (Extremes) Type() string { return "Extremes" }

// New implements state.Handler.
func (Extremes) New() state.State { return new(extremes) }

// extremes is the State. Count, minimum and maximum do not depend on the order
// in which numbers arrive, or on how they were grouped: that is the law.
type extremes struct {
	n        uint64
	min, max float64 // 0 if n is 0
}

// Fold implements state.State.
func (s *extremes) Fold(_ float64, b *state.Bundle, refuse func(event int, why state.Reason)) {
	for i := range b.Events {
		e := &b.Events[i]
		switch {
		case !e.Number:
			refuse(i, state.ReasonPayload)
		case math.IsNaN(e.Value) || math.IsInf(e.Value, 0):
			refuse(i, state.ReasonNotFinite)
		default:
			s.add(&extremes{n: e.Count(), min: e.Value, max: e.Value})
		}
	}
}

// Merge implements state.State.
func (s *extremes) Merge(src state.State) { s.add(src.(*extremes)) }

func (s *extremes) add(o *extremes) {
	switch {
	case o.n == 0:
	case s.n == 0:
		*s = *o
	default:
		s.n += o.n
		s.min = min(s.min, o.min)
		s.max = max(s.max, o.max)
	}
}

// N implements state.State.
func (s *extremes) N() uint64 { return s.n }

// Clamp implements state.State: the State knows no times.
func (s *extremes) Clamp(float64) uint64 { return 0 }

// Expired implements state.State: extremes are kept for ever.
func (s *extremes) Expired(float64) bool { return s.n == 0 }

// Render implements state.State.
func (s *extremes) Render(dst []byte, _ float64, _ state.Format) []byte {
	dst = strconv.AppendUint(append(dst, `{"count": `...), s.n, 10)
	dst = strconv.AppendFloat(append(dst, `, "min": `...), s.min, 'f', 2, 64)
	dst = strconv.AppendFloat(append(dst, `, "max": `...), s.max, 'f', 2, 64)
	return append(dst, '}')
}

// version is the first byte of every encoding. A later release may write
// another, but must read this one for ever.
const version = 1

// Append implements state.State: version, count, and unless that is zero the
// bits of minimum and maximum.
func (s *extremes) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, version), s.n)
	if s.n == 0 {
		return dst
	}
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(s.min))
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(s.max))
}

var errEncoding = errors.New("malformed State of Extremes")

// Decode implements state.State.
func (s *extremes) Decode(src []byte) error {
	*s = extremes{}
	if len(src) == 0 || src[0] != version {
		return errEncoding
	}
	n, size := binary.Uvarint(src[1:])
	rest := src[1+max(size, 0):]
	switch {
	case size <= 0:
		return errEncoding
	case n == 0 && len(rest) == 0:
		return nil
	case n == 0 || len(rest) != 16:
		return errEncoding
	}
	lowest := math.Float64frombits(binary.LittleEndian.Uint64(rest))
	highest := math.Float64frombits(binary.LittleEndian.Uint64(rest[8:]))
	if !(lowest <= highest) || math.IsInf(lowest, 0) || math.IsInf(highest, 0) {
		return errEncoding
	}
	*s = extremes{n: n, min: lowest, max: highest}
	return nil
}

// Reset implements state.State.
func (s *extremes) Reset() { *s = extremes{} }

// Size implements state.State.
func (s *extremes) Size() int { return 24 }
