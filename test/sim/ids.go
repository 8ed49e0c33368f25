package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/tabaproject/taba/state"
)

// idType is a Type whose State is the multiset of the numbers recorded: an
// answer tells which events were counted and how often.
type idType struct{}

// Type implements state.Handler.
func (idType) Type() string { return "IDs" }

// New implements state.Handler.
func (idType) New() state.State { return new(ids) }

// ids is the State. A client's State expires when its newest event is old.
type ids struct {
	sorted []uint32
	newest float64
}

// Fold implements state.State.
func (s *ids) Fold(_ float64, b *state.Bundle, refuse func(int, state.Reason)) {
	for i := range b.Events {
		e := &b.Events[i]
		if !e.Number {
			refuse(i, state.ReasonPayload)
			continue
		}
		s.Merge(&ids{sorted: []uint32{uint32(e.Value)}, newest: e.Time})
	}
}

// Merge implements state.State.
func (s *ids) Merge(src state.State) {
	o := src.(*ids)
	s.sorted = append(s.sorted, o.sorted...)
	slices.Sort(s.sorted)
	s.newest = max(s.newest, o.newest)
}

// N implements state.State.
func (s *ids) N() uint64 { return uint64(len(s.sorted)) }

// Clamp implements state.State.
func (s *ids) Clamp(limit float64) uint64 {
	if s.newest <= limit {
		return 0
	}
	s.newest = limit
	return s.N()
}

// Expired implements state.State.
func (s *ids) Expired(at float64) bool { return s.newest < at }

// Render implements state.State: the numbers, each followed by a blank.
func (s *ids) Render(dst []byte, _ float64, _ state.Format) []byte {
	for _, id := range s.sorted {
		dst = append(strconv.AppendUint(dst, uint64(id), 10), ' ')
	}
	return dst
}

const (
	idVersion = 1
	tokenLen  = 9 // of token
)

// token is how a number is stored: it can be found in the bytes of a file.
func token(id uint32) string { return fmt.Sprintf("#%08d", id) }

// Append implements state.State: version, newest, tokens.
func (s *ids) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(append(dst, idVersion), math.Float64bits(s.newest))
	for _, id := range s.sorted {
		dst = append(dst, token(id)...)
	}
	return dst
}

var errIDs = errors.New("malformed State of IDs")

// Decode implements state.State.
func (s *ids) Decode(src []byte) error {
	s.Reset()
	if len(src) < 9 || src[0] != idVersion || (len(src)-9)%tokenLen != 0 {
		return errIDs
	}
	newest := math.Float64frombits(binary.LittleEndian.Uint64(src[1:]))
	var sorted []uint32
	for t := src[9:]; len(t) > 0; t = t[tokenLen:] {
		id, err := strconv.ParseUint(string(t[1:tokenLen]), 10, 32)
		if err != nil || t[0] != '#' {
			return errIDs
		}
		sorted = append(sorted, uint32(id))
	}
	if !slices.IsSorted(sorted) {
		return errIDs
	}
	s.sorted, s.newest = sorted, newest
	return nil
}

// Reset implements state.State.
func (s *ids) Reset() { s.sorted, s.newest = s.sorted[:0], 0 }

// Size implements state.State.
func (s *ids) Size() int { return 32 + 4*cap(s.sorted) }

// registry knows the one Type.
var registry = func() *state.Registry {
	r, err := state.NewRegistry(idType{})
	if err != nil {
		panic(err)
	}
	return r
}()
