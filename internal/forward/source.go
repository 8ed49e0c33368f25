package forward

import (
	"slices"
	"sort"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// source is one id of the spool and what is held under it.
type source struct {
	n uint32 // its number in the spool; 0: records from before the first id
	opened
	since time.Duration // opened at; meaningful if opened by this process

	seq      uint64   // of the last seal
	history  [][]mark // per vbucket, ascending: the chain as far back as known
	pending  pending  // records not sealed
	cover    uint64   // records up to this LSN are sealed under this id
	batches  []*batch // sealed and not released, ascending
	from     int      // batches before it are acknowledged
	retained int64    // bytes of acknowledged batches
	ackedTo  []uint64 // highest seq acknowledged, per vbucket
	stable   []uint64 // highest seq that cannot be lost, per vbucket

	orphan    bool // its source record was lost to damage
	lacks     bool // the store said that it lacks Batches that were released
	exclusive bool // to be closed and renumbered: the store lost more than was kept
	token     store.Token

	closed bool         // its records are sealed under heir's id
	heir   uint32       // of a closed source
	final  []store.Head // of a closed source, per vbucket
	moved  uint64       // records up to this LSN are sealed under the heir

	dropped bool // to be put in quarantine, then forgotten
	why     string

	ask      bool          // heads are to be asked for now
	askedAt  time.Duration // heads were last asked for
	ackDirty bool          // an acknowledgement is to be recorded
}

// mark is a head of the source's own history.
type mark struct {
	store.Head
	events uint64 // of the vbucket that were sealed under the id up to it
}

// pending describes unsealed records.
type pending struct {
	first, last uint64 // LSNs; records of other sources may lie between
	count       tally
	since       time.Duration // the oldest was appended at about
}

// batch is a sealed Batch.
type batch struct {
	seq, lsn uint64
	bytes    int64
	records  int
	parts    []part
	acked    bool // all parts are
	ackedAt  time.Duration
}

// part is a part of a batch; its bytes are in the spool.
type part struct {
	vb     int
	prev   uint64
	head   store.Head // after it
	digest store.Digest
	events uint64
	bytes  int
	acked  bool
	again  bool // it was acknowledged before, and the store lacked it
	tries  int
}

// relation of a head that a store reported to what was sent.
type relation uint8

const (
	onChain  relation = iota
	offChain          // another history
	unknown           // further back than this side remembers
)

// keptHeads is how many heads per vbucket are remembered beyond those of
// Batches still held.
const keptHeads = 4096

// relate looks a head up in the source's own history.
func (s *source) relate(vb int, h store.Head) relation {
	if h.Seq == 0 {
		if h.Chain == (store.Chain{}) {
			return onChain
		}
		return offChain
	}
	if vb < 0 || vb >= len(s.history) {
		return offChain
	}
	hist := s.history[vb]
	i := sort.Search(len(hist), func(i int) bool { return hist[i].Seq >= h.Seq })
	switch {
	case i < len(hist) && hist[i].Head == h:
		return onChain
	case i == 0 && len(hist) > 0 && hist[0].Seq > h.Seq:
		return unknown
	}
	return offChain
}

// head is the last sealed head of a vbucket.
func (s *source) head(vb int) store.Head {
	return s.last(vb).Head
}

func (s *source) last(vb int) mark {
	if vb < 0 || vb >= len(s.history) || len(s.history[vb]) == 0 {
		return mark{}
	}
	return s.history[vb][len(s.history[vb])-1]
}

// eventsAt is the events sealed up to a head that is on the chain.
func (s *source) eventsAt(vb int, h store.Head) uint64 {
	if h.Seq == 0 {
		return 0
	}
	hist := s.history[vb]
	return hist[sort.Search(len(hist), func(i int) bool { return hist[i].Seq >= h.Seq })].events
}

func (s *source) heads() []store.Head {
	hs := make([]store.Head, len(s.history))
	for vb := range hs {
		hs[vb] = s.head(vb)
	}
	return hs
}

func (s *source) setHeads(hs []store.Head) {
	s.history = make([][]mark, len(hs))
	for vb, h := range hs {
		if h.Seq > 0 {
			s.history[vb] = []mark{{Head: h}}
		}
	}
}

// extend adds a head, with the events of its part, to the history.
func (s *source) extend(vb int, h store.Head, events uint64) {
	s.extendTo(vb, mark{h, s.last(vb).events + events})
}

// extendTo forgets the oldest heads. Those that held Batches refer to are at
// most keptHeads Batches old or still in list.
func (s *source) extendTo(vb int, h mark) {
	for vb >= len(s.history) {
		s.history = append(s.history, nil)
	}
	if h.Seq <= s.head(vb).Seq {
		return // known from a checkpoint
	}
	s.history[vb] = append(s.history[vb], h)
	if hist := s.history[vb]; len(hist) >= 2*keptHeads {
		oldest := s.oldest(vb)
		cut := min(len(hist)-keptHeads, sort.Search(len(hist), func(i int) bool { return hist[i].Seq >= oldest }))
		s.history[vb] = append([]mark(nil), hist[cut:]...)
	}
}

// oldest is the smallest seq that a held part of the vbucket refers to.
func (s *source) oldest(vb int) uint64 {
	for _, b := range s.batches {
		for i := range b.parts {
			if b.parts[i].vb == vb {
				return b.parts[i].prev
			}
		}
	}
	return s.head(vb).Seq
}

// add notes unsealed records.
func (p *pending) add(first, last uint64, c tally, now time.Duration) {
	if p.empty() {
		*p = pending{first: first, since: now}
	}
	p.last = last
	p.count.Records += c.Records
	p.count.Bytes += c.Bytes
	p.count.Events += c.Events
}

func (p *pending) empty() bool { return p.last == 0 }

// sub takes away the records up to LSN cover.
func (p *pending) sub(cover uint64, c tally, now time.Duration) {
	if p.last <= cover {
		*p = pending{}
		return
	}
	p.first, p.since = max(p.first, cover+1), now
	p.count.Records -= min(p.count.Records, c.Records)
	p.count.Bytes -= min(p.count.Bytes, c.Bytes)
	p.count.Events -= min(p.count.Events, c.Events)
}

// unacked reports whether a part waits to be acknowledged.
func (s *source) unacked() bool {
	for s.from < len(s.batches) && s.batches[s.from].acked {
		s.from++
	}
	return s.from < len(s.batches)
}

// release forgets the oldest n batches.
func (s *source) release(n int) {
	for _, b := range s.batches[:n] {
		if b.acked {
			s.retained -= b.bytes
		}
	}
	clear(s.batches[:n])
	s.batches = s.batches[n:]
	s.from = max(0, s.from-n)
}

// holds reports whether the seal at an LSN is not released, though it may be in
// the spool for longer.
func (s *source) holds(lsn uint64) bool {
	return slices.ContainsFunc(s.batches, func(b *batch) bool { return b.lsn == lsn })
}

// held reports whether anything was not yet released.
func (s *source) held() bool { return len(s.batches) > 0 || !s.pending.empty() }

// lowest is the LSN of the oldest record that is still needed.
func (s *source) lowest() uint64 {
	low := ^uint64(0)
	if !s.pending.empty() {
		low = s.pending.first
	}
	if len(s.batches) > 0 {
		low = min(low, s.batches[0].lsn)
	}
	return low
}

// unackedOf is the first batch that may have an unacknowledged part of a vbucket.
func (s *source) unackedOf(vb int) int {
	from := s.batches[s.from:]
	if vb >= len(s.ackedTo) {
		return s.from
	}
	return s.from + sort.Search(len(from), func(i int) bool { return from[i].seq > s.ackedTo[vb] })
}

// ack marks the parts of a vbucket up to and including seq. restored is the
// events of those that were acknowledged before.
func (s *source) ack(vb int, seq uint64, now time.Duration) (parts int, restored uint64) {
	if !s.unacked() {
		return 0, 0
	}
	for _, b := range s.batches[s.unackedOf(vb):] {
		if b.seq > seq {
			break
		}
		done := true
		for i := range b.parts {
			p := &b.parts[i]
			if p.vb == vb && !p.acked {
				p.acked = true
				parts++
				if p.again {
					p.again = false
					restored += p.events
				}
			}
			done = done && p.acked
		}
		if done && !b.acked {
			b.acked, b.ackedAt = true, now
			s.retained += b.bytes
		}
	}
	for vb >= len(s.ackedTo) {
		s.ackedTo = append(s.ackedTo, 0)
	}
	if parts > 0 {
		s.ackedTo[vb], s.ackDirty = max(s.ackedTo[vb], seq), true
	}
	return parts, restored
}

// resend marks the parts of a vbucket after seq as not acknowledged. It
// reports false, and marks none, if the first of them does not follow seq: then
// what lies between is no longer held.
func (s *source) resend(vb int, seq uint64) (parts int, missing uint64, ok bool) {
	found := false
	for at, b := range s.batches {
		for i := range b.parts {
			p := &b.parts[i]
			if p.vb != vb || p.head.Seq <= seq {
				continue
			}
			if !found && p.prev > seq {
				return 0, p.prev, false
			}
			found = true
			if p.acked {
				if b.acked {
					b.acked = false
					s.retained -= b.bytes
				}
				p.acked, p.again = false, true
				s.from = min(s.from, at)
				parts++
			}
		}
	}
	if vb < len(s.ackedTo) {
		s.ackedTo[vb] = min(s.ackedTo[vb], seq)
	}
	return parts, 0, true
}

// acks is what an acknowledgement record says.
func (s *source) acks() []acked {
	var as []acked
	for vb, seq := range s.ackedTo {
		if seq > 0 {
			as = append(as, acked{VB: vb, Seq: seq, Stable: s.stableUpTo(vb)})
		}
	}
	return as
}

func (s *source) stableUpTo(vb int) uint64 {
	if vb >= len(s.stable) {
		return 0
	}
	return s.stable[vb]
}

func (s *source) setStable(vb int, seq uint64) {
	for vb >= len(s.stable) {
		s.stable = append(s.stable, 0)
	}
	s.stable[vb] = max(s.stable[vb], seq)
}

// isStable reports whether no part of b can be lost any more.
func (s *source) isStable(b *batch) bool {
	for i := range b.parts {
		if s.stableUpTo(b.parts[i].vb) < b.parts[i].head.Seq {
			return false
		}
	}
	return true
}
