package statsd

import (
	"hash/maphash"
	"math/bits"

	"github.com/tabaproject/taba/internal/wire/statsdtext"
)

// A cache finds what the head of a line means: client, name and tail. It is one
// table with open addressing, two entries to a line of the processor's cache,
// so that a look-up misses once. It has no pointers and keeps no names: an
// entry is known by a fingerprint of 128 bits, whose seeds are secret. That two
// of a million heads have the same happens in one of 10^26 processes.
type cache struct {
	seeds   [2]maphash.Seed
	entries []entry // a power of two of them, at most half of them used
	used    int
	samples []sample // of sampled entries
}

type fingerprint struct{ lo, hi uint64 }

// An entry is what a head means.
type entry struct {
	fingerprint // zero: free
	series      uint32
	sample      uint32 // index + 1 in samples; 0: every line is one event
	kind        statsdtext.Kind
	_           [7]byte // to 32 bytes
}

// A sample belongs to an entry, because what a sampled line stands for is
// rarely a whole number of events.
type sample struct {
	inverse float64 // 1 / rate
	carry   float64
}

// spellings is how many entries a cache holds at most for each series that
// names may have; other spellings of names are read anew each time.
const spellings = 2

func newCache() cache {
	return cache{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, entries: make([]entry, 1<<10)}
}

// shortTail is how long a tail is that does not fit into a word with its
// length.
const shortTail = 8

// of returns the fingerprint of a head. Those of one name that differ in a
// short tail have different ones, whoever chose them.
func (c *cache) of(client uint32, name, tail []byte) fingerprint {
	const mix = 0x9E3779B97F4A7C15 // odd: multiplying by it loses nothing
	lo := uint64(len(tail))
	hi := lo
	if len(tail) < shortTail {
		for _, b := range tail {
			lo = lo<<8 | uint64(b)
		}
		hi = lo
	} else {
		lo ^= maphash.Bytes(c.seeds[0], tail)
		hi ^= maphash.Bytes(c.seeds[1], tail)
	}
	owner := bits.RotateLeft64(uint64(client)*mix, 47)
	return fingerprint{
		maphash.Bytes(c.seeds[0], name) ^ bits.RotateLeft64(lo*mix, 29) ^ owner,
		maphash.Bytes(c.seeds[1], name) ^ bits.RotateLeft64(hi*mix, 41) ^ owner | 1, // never zero
	}
}

// find returns the index of an entry, -1 if there is none.
func (c *cache) find(f fingerprint) int {
	mask := uint64(len(c.entries) - 1)
	for i := f.lo & mask; ; i = (i + 1) & mask {
		switch c.entries[i].fingerprint {
		case f:
			return int(i)
		case fingerprint{}:
			return -1
		}
	}
}

// add adds an entry that is not there and returns its index. It reports true if
// the others were moved to make room.
func (c *cache) add(e entry) (i int, moved bool) {
	if moved = 2*(c.used+1) > len(c.entries); moved {
		c.grow()
	}
	c.used++
	return c.put(e), moved
}

func (c *cache) put(e entry) int {
	mask := uint64(len(c.entries) - 1)
	i := e.lo & mask
	for c.entries[i].fingerprint != (fingerprint{}) {
		i = (i + 1) & mask
	}
	c.entries[i] = e
	return int(i)
}

func (c *cache) grow() {
	old := c.entries
	c.entries = make([]entry, 2*len(old))
	for _, e := range old {
		if e.fingerprint != (fingerprint{}) {
			c.put(e)
		}
	}
}

// sampled returns what an entry of a rate has in its field sample.
func (c *cache) sampled(rate float64) uint32 {
	if rate == 1 {
		return 0
	}
	c.samples = append(c.samples, sample{inverse: 1 / rate})
	return uint32(len(c.samples))
}

// holds reports whether a cache for so many series has room for another entry.
func (c *cache) holds(series int) bool { return c.used <= spellings*series }

// weigh returns how many events the next line of e stands for.
func (c *cache) weigh(e *entry) uint32 {
	if e.sample == 0 {
		return 1
	}
	return c.samples[e.sample-1].weigh()
}

// weigh is within half an event of what the rate says, over all lines together.
func (s *sample) weigh() uint32 {
	w := s.inverse + s.carry
	n := uint32(w + 0.5)
	s.carry = w - float64(n)
	return n
}
