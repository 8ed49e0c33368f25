package member

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// How long members may be silent. Beats are minBeat, or longer if there are so
// many members that reading all of them that often would be more than rows a
// second; whoever misses lease of its own beats is taken to be dead, and is
// forgotten after grave of them.
const (
	minBeat = time.Second
	maxBeat = time.Minute
	rows    = 100
	lease   = 4
	grave   = 60
)

// beatOf is the beat of one of n members.
func beatOf(n int) time.Duration {
	return min(max(minBeat, time.Duration(n)*time.Second/rows), maxBeat)
}

// Peer is a member as another sees it.
type Peer struct {
	ID   store.MemberID
	Info Info
	Age  time.Duration // since it was seen to say something new
}

// tracker tells from what members say who lives. It has no clock.
type tracker struct {
	seen   map[store.MemberID]*seen
	looked bool
	last   time.Duration // when members were read
}

// seen is what is known of one member.
type seen struct {
	beat  uint64
	says  []byte
	info  Info
	known bool          // what it says could be read
	since time.Duration // when it said something new
	quiet time.Duration // counted against it since then
}

func newTracker() *tracker { return &tracker{seen: map[store.MemberID]*seen{}} }

// look takes what all members say at a time, and returns whom to forget. told
// is called for those that say something new, with what they said before.
func (t *tracker) look(list []store.Member, now time.Duration, told func(before, after Info)) (dead []store.MemberID) {
	passed := time.Duration(0)
	if t.looked {
		passed = now - t.last
	}
	t.looked, t.last = true, now
	here := make(map[store.MemberID]struct{}, len(list))
	for i := range list {
		m := &list[i]
		here[m.ID] = struct{}{}
		s := t.seen[m.ID]
		switch {
		case s == nil:
			s = &seen{since: now}
			s.hear(m)
			t.seen[m.ID] = s
		case s.beat != m.Beat:
			before := s.info
			s.since, s.quiet = now, 0
			s.hear(m)
			told(before, s.info)
		default:
			// However long nothing could be read, it is one silence.
			s.quiet += min(passed, s.info.beat())
			if s.quiet >= grave*s.info.beat() {
				dead = append(dead, m.ID)
			}
		}
	}
	for id := range t.seen {
		if _, there := here[id]; !there {
			delete(t.seen, id) // it has left
		}
	}
	return dead
}

// hear takes what a member says. One that has nothing to do says the same again.
func (s *seen) hear(m *store.Member) {
	s.beat = m.Beat
	if s.says == nil || !bytes.Equal(s.says, m.Says) {
		s.says = m.Says
		s.info, s.known = decode(m.Says)
	}
}

// live returns the members that live, sorted by name and id. Of those that go
// by one name, as lives of one server that was killed do, it is the one that
// spoke last.
func (t *tracker) live(now time.Duration) (list []Peer) {
	for id, s := range t.seen {
		if s.known && s.quiet < lease*s.info.beat() {
			list = append(list, Peer{ID: id, Info: s.info, Age: now - s.since})
		}
	}
	slices.SortFunc(list, func(a, b Peer) int {
		if c := strings.Compare(a.Info.Name, b.Info.Name); c != 0 {
			return c
		}
		if a.Age != b.Age {
			return int(max(min(a.Age-b.Age, 1), -1))
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
	return slices.CompactFunc(list, func(a, b Peer) bool { return a.Info.Name == b.Info.Name })
}
