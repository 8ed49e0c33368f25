package statsd

import (
	"hash/maphash"
	"math/bits"

	"github.com/tabaproject/taba/internal/wire/statsdtext"
)

// A cache finds what the head of a line means by its bytes: client, name and
// tail. It is a table with open addressing of fingerprints, the entries they
// lead to, and an arena of the bytes that must be equal.
type cache struct {
	seed    maphash.Seed
	slots   []slot // a power of two of them, at most half of them used
	entries []entry
	keys    []byte
}

type slot struct {
	hash  uint64
	entry uint32 // index + 1; 0: free
}

// An entry is what a head means. weight belongs to it because what a sampled
// line stands for is rarely a whole number of events.
type entry struct {
	key              uint32 // in keys
	nameLen, tailLen uint16
	client           uint32
	series           uint32 // in the lane
	kind             statsdtext.Kind
	sampled          bool
	inverse          float64 // 1 / rate
	carry            float64
}

// What a cache holds at most for each series that names may have; other
// spellings of names are read anew each time.
const (
	spellings   = 2
	longestHead = 1024 // bytes of name and tail
	keyBytes    = 128  // of keys, for each entry
)

func newCache() cache {
	return cache{seed: maphash.MakeSeed(), slots: make([]slot, 1<<10)}
}

// shortTail is how long a tail is that does not fit into a word with its
// length.
const shortTail = 8

// hash returns the fingerprint of a head. Those of one name that differ in a
// short tail have different ones, whoever chose them.
func (c *cache) hash(client uint32, name, tail []byte) uint64 {
	const mix = 0x9E3779B97F4A7C15 // odd: multiplying by it loses nothing
	t := uint64(len(tail))
	if len(tail) < shortTail {
		for _, b := range tail {
			t = t<<8 | uint64(b)
		}
	} else {
		t ^= maphash.Bytes(c.seed, tail)
	}
	return maphash.Bytes(c.seed, name) ^ bits.RotateLeft64(t*mix, 29) ^ bits.RotateLeft64(uint64(client)*mix, 47)
}

// find returns the index of the entry of a head, -1 if there is none.
func (c *cache) find(hash uint64, client uint32, name, tail []byte) int {
	mask := uint64(len(c.slots) - 1)
	for i := hash & mask; c.slots[i].entry != 0; i = (i + 1) & mask {
		if c.slots[i].hash != hash {
			continue
		}
		e := &c.entries[c.slots[i].entry-1]
		if e.client != client || int(e.nameLen) != len(name) || int(e.tailLen) != len(tail) {
			continue
		}
		key := c.keys[e.key:]
		// Of equal names, short tails with the same hash are equal.
		if string(key[:len(name)]) == string(name) && (len(tail) < shortTail || string(key[len(name):][:len(tail)]) == string(tail)) {
			return int(c.slots[i].entry - 1)
		}
	}
	return -1
}

// add adds the entry of a head that is not there and returns its index.
func (c *cache) add(hash uint64, name, tail []byte, e entry) int {
	if 2*(len(c.entries)+1) > len(c.slots) {
		c.grow()
	}
	e.key, e.nameLen, e.tailLen = uint32(len(c.keys)), uint16(len(name)), uint16(len(tail))
	c.keys = append(append(c.keys, name...), tail...)
	c.entries = append(c.entries, e)
	c.put(slot{hash, uint32(len(c.entries))})
	return len(c.entries) - 1
}

func (c *cache) put(s slot) {
	mask := uint64(len(c.slots) - 1)
	i := s.hash & mask
	for c.slots[i].entry != 0 {
		i = (i + 1) & mask
	}
	c.slots[i] = s
}

func (c *cache) grow() {
	old := c.slots
	c.slots = make([]slot, 2*len(old))
	for _, s := range old {
		if s.entry != 0 {
			c.put(s)
		}
	}
}

// holds reports whether a cache for so many series has room for a head.
func (c *cache) holds(series int, name, tail []byte) bool {
	most := spellings*series + 1
	return len(name)+len(tail) <= longestHead && len(c.entries) < most && len(c.keys) < keyBytes*most+longestHead
}

// weigh returns how many events the next line of e stands for. It is within
// half an event of what the rates say, over all lines of e together.
func (e *entry) weigh() uint32 {
	if !e.sampled {
		return 1
	}
	w := e.inverse + e.carry
	n := uint32(w + 0.5)
	e.carry = w - float64(n)
	return n
}
