package builtin

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/tabaproject/taba/state"
)

// uniqueExact is how many different values a Unique tells apart exactly.
const uniqueExact = 1024

// The finest that a Unique knows about time: uniqueAges intervals of
// uniqueWidth seconds, a day together. What is older has the age uniqueOld.
const (
	uniqueWidth = 15
	uniqueAges  = 86400 / uniqueWidth
	uniqueOld   = uniqueAges
)

// uniqueWindows are how many intervals each of windowNames has.
var uniqueWindows = [4]int64{60 / uniqueWidth, 600 / uniqueWidth, 3600 / uniqueWidth, uniqueAges}

// Unique is the Type that counts how many different values there were in the
// last minute, ten minutes, hour and day, and ever. The payload is a string or
// a number; 5 and "5" are the same value. Up to 1,024 different values are
// counted exactly, more within a standard error of 1.6 %.
//
// Values are known by a hash of 64 bits, XXH64 of their text, which is part of
// the encoding and never changes.
type Unique struct{}

// Type implements state.Handler.
func (Unique) Type() string { return "Unique" }

// New implements state.Handler.
func (Unique) New() state.State { return new(unique) }

// A unique knows when each value was seen last, as its age: how many intervals
// before the newest one. A window that ends now, or in future, needs no more.
// It is a function of the multiset of events: exact if and only if there are
// at most uniqueExact values.
type unique struct {
	n        uint64
	newest   int64    // the newest interval
	hashes   []uint64 // ascending; in use unless sketched
	ages     []uint16 // of hashes
	cells    cells    // in use if sketched
	sketched bool
}

func (s *unique) Fold(_ float64, b *state.Bundle, refuse func(int, state.Reason)) {
	for i := range b.Events {
		e := &b.Events[i]
		h, why := hashOf(e)
		if why != "" {
			refuse(i, why)
			continue
		}
		age := s.ageOf(floorDiv(secondOf(e.Time), uniqueWidth))
		s.n = addCount(s.n, e.Count())
		s.add(h, age)
	}
}

// hashOf returns the hash of the value that an event carries.
func hashOf(e *state.Event) (uint64, state.Reason) {
	if !finite(e.Time) {
		return 0, state.ReasonNotFinite
	}
	if !e.Number {
		if text, ok := plainString(e.JSON); ok {
			return xxhash.Sum64(text), ""
		}
	}
	var buf [64]byte
	text, why := uniqueText(buf[:0], e)
	if why != "" {
		return 0, why
	}
	return xxhash.Sum64(text), ""
}

// plainString returns what is between the quotes of a JSON string that has
// nothing in it to escape.
func plainString(json []byte) ([]byte, bool) {
	n := len(json) - 1
	if n < 1 || json[0] != '"' || json[n] != '"' {
		return nil, false
	}
	for _, c := range json[1:n] {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return nil, false
		}
	}
	return json[1:n], true
}

// uniqueText appends the text that stands for an event's value: what is
// between the quotes of a canonical string, or a number with as few digits as
// tell it from others.
func uniqueText(dst []byte, e *state.Event) ([]byte, state.Reason) {
	text, why := canonical(dst, e)
	switch {
	case why != "":
		return nil, why
	case text[0] == '"':
		return text[1 : len(text)-1], ""
	case !isNumber(text):
		return nil, state.ReasonPayload
	}
	if v, why := numberOfValue(text); why != "" || v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return canonicalNumber(text[:0], v) // 5.0 is 5
	}
	return text, ""
}

// ageOf returns the age of an interval, having made it the newest if it is.
func (s *unique) ageOf(interval int64) uint32 {
	if s.n == 0 {
		s.newest = interval
	}
	if interval > s.newest {
		s.advance(interval)
	}
	return uint32(min(s.newest-interval, uniqueOld))
}

// advance makes interval, which is newer, the newest one.
func (s *unique) advance(interval int64) {
	by := uint32(min(interval-s.newest, uniqueOld))
	s.newest = interval
	for i, age := range s.ages {
		s.ages[i] = uint16(min(uint32(age)+by, uniqueOld))
	}
	s.cells.advance(by)
}

// add notes that a value was seen.
func (s *unique) add(hash uint64, age uint32) {
	if s.sketched {
		s.cells.add(cellOf(hash, age))
		return
	}
	i, found := slices.BinarySearch(s.hashes, hash)
	switch {
	case found:
		s.ages[i] = min(s.ages[i], uint16(age))
	case len(s.hashes) == uniqueExact:
		s.toSketch()
		s.cells.add(cellOf(hash, age))
	default:
		s.hashes = slices.Insert(s.hashes, i, hash)
		s.ages = slices.Insert(s.ages, i, uint16(age))
	}
}

func (s *unique) toSketch() {
	s.cells = s.cells[:0]
	for i, h := range s.hashes {
		s.cells = append(s.cells, cellOf(h, uint32(s.ages[i])))
	}
	slices.Sort(s.cells)
	s.cells = s.cells.pruned()
	s.hashes, s.ages, s.sketched = s.hashes[:0], s.ages[:0], true
}

func (s *unique) Merge(src state.State) {
	o := src.(*unique)
	if o.n == 0 {
		return
	}
	by := s.ageOf(o.newest)
	s.n = addCount(s.n, o.n)
	if !o.sketched {
		for i, h := range o.hashes {
			s.add(h, min(uint32(o.ages[i])+by, uniqueOld))
		}
	} else {
		if !s.sketched {
			s.toSketch()
		}
		s.cells.merge(o.cells, by)
	}
	if s.sketched { // what is merged into lives long
		s.hashes, s.ages = nil, nil
	}
}

func (s *unique) N() uint64 { return s.n }

// Clamp returns how many values it moved: it cannot tell how many events those
// were.
func (s *unique) Clamp(limit float64) (moved uint64) {
	last := floorDiv(secondOf(limit), uniqueWidth)
	if s.n == 0 || s.newest <= last {
		return 0
	}
	by := uint32(min(s.newest-last, uniqueOld))
	s.newest = last
	for i, age := range s.ages {
		if uint32(age) < by {
			moved++
		}
		s.ages[i] = uint16(younger(uint32(age), by))
	}
	return moved + s.cells.clamp(by)
}

// younger returns an age after the newest interval was moved back. What is too
// old to tell stays that.
func younger(age, by uint32) uint32 {
	switch {
	case age == uniqueOld:
		return age
	case age < by:
		return 0
	}
	return age - by
}

// Expired reports whether the window of a day is empty.
func (s *unique) Expired(at float64) bool {
	return s.n == 0 || s.since(at) >= uniqueAges
}

// since returns how many intervals the newest one is before the one of at.
func (s *unique) since(at float64) int64 {
	return max(floorDiv(secondOf(at), uniqueWidth)-s.newest, 0)
}

func (s *unique) Render(dst []byte, at float64, f state.Format) []byte {
	counts := s.counts(at)
	for i, name := range windowNames {
		dst = appendKey(dst, i, name)
		dst = appendCount(dst, counts[i])
	}
	dst = appendKey(dst, len(windowNames), "all")
	dst = appendCount(dst, counts[len(windowNames)])
	dst = appendKey(dst, len(windowNames), "count")
	dst = appendCount(dst, s.n)
	if f == state.Detailed {
		dst = appendKey(dst, len(windowNames), "standard_error")
		if s.sketched {
			dst = appendFixed(dst, cellsError, 6)
		} else {
			dst = append(dst, '0')
		}
	}
	return append(dst, '}')
}

// counts returns how many different values each window has, and ever.
func (s *unique) counts(at float64) (counts [5]uint64) {
	var below [5]uint32 // a window has the ages below this one
	since := s.since(at)
	for i, size := range uniqueWindows {
		below[i] = uint32(max(size-since, 0))
	}
	below[4] = uniqueOld + 1
	if s.sketched {
		return s.cells.counts(&below)
	}
	for _, age := range s.ages {
		for i := range below {
			if uint32(age) < below[i] {
				counts[i]++
			}
		}
	}
	return counts
}

// The two forms of an encoded Unique.
const (
	uniqueHashes = 0
	uniqueCells  = 1
)

// Append writes the version and the number of events; unless that is zero also
// the newest interval, a form and its elements: per value its hash and its
// age, or what cells.append says.
func (s *unique) Append(dst []byte) []byte {
	dst = appendUint(append(dst, version1), s.n)
	if s.n == 0 {
		return dst
	}
	dst = appendInt(dst, s.newest)
	if s.sketched {
		return s.cells.append(append(dst, uniqueCells))
	}
	dst = appendUint(append(dst, uniqueHashes), uint64(len(s.hashes)))
	for i, h := range s.hashes {
		dst = binary.BigEndian.AppendUint64(dst, h)
		dst = appendUint(dst, uint64(s.ages[i]))
	}
	return dst
}

func (s *unique) Decode(src []byte) error {
	s.Reset()
	d := newDecoder(src, version1)
	if s.n = d.uint(); s.n > 0 {
		s.newest = d.int()
		if s.newest < -maxTime || s.newest > maxTime {
			d.fail("an interval is out of range")
		}
		switch form := d.uint(); form {
		case uniqueHashes:
			s.decodeHashes(&d)
		case uniqueCells:
			s.sketched = true
			s.cells = s.cells.decode(&d)
		default:
			d.fail("a form of values is not known")
		}
		if s.n < uint64(len(s.hashes)) || s.sketched && s.n <= uniqueExact {
			d.fail("more values than events")
		}
	}
	err := d.finish("Unique")
	if err != nil {
		s.Reset()
	}
	return err
}

func (s *unique) decodeHashes(d *decoder) {
	n := d.length(uniqueExact, 9)
	newest := false
	s.hashes, s.ages = slices.Grow(s.hashes, n), slices.Grow(s.ages, n)
	for i := range n {
		if len(d.src) < 8 {
			d.fail("a hash is cut off")
			return
		}
		h := binary.BigEndian.Uint64(d.src)
		d.src = d.src[8:]
		age := d.uint()
		if age > uniqueOld || i > 0 && h <= s.hashes[i-1] {
			d.fail("a value is out of place")
			return
		}
		newest = newest || age == 0
		s.hashes, s.ages = append(s.hashes, h), append(s.ages, uint16(age))
	}
	if !newest {
		d.fail("the newest value is missing")
	}
}

func (s *unique) Reset() {
	*s = unique{hashes: s.hashes[:0], ages: s.ages[:0], cells: s.cells[:0]}
}

func (s *unique) Size() int { return 104 + 8*cap(s.hashes) + 2*cap(s.ages) + 4*cap(s.cells) }
