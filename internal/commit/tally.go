package commit

import (
	"sync/atomic"

	"github.com/tabaproject/taba/internal/store"
)

// Tally counts what became of parts that agents sent, and of what this server
// folded itself. It tells what was sent again, and what is lost.
type Tally struct {
	Applied    uint64 // counted now
	Duplicates uint64 // sent again, and counted before
	Gaps       uint64 // the store lacks what was before: the agent sends that again
	Forked     uint64 // of another history
	Gone       uint64 // of a Source whose age is over
	Unknown    uint64 // the store did not tell: the agent asks, or sends it again
	// LostParts and LostEvents were acknowledged to senders without numbers, and
	// the store has lost them since: nobody can send them again. Of events there
	// may be more, if more parts are lost than are remembered.
	LostParts, LostEvents uint64
}

// Tally returns what has been counted so far.
func (s *Server) Tally() (t Tally) {
	for _, l := range s.lanes {
		l.tally.addTo(&t)
	}
	return t
}

// tally is that of one lane.
type tally struct {
	applied, duplicates, gaps, forked, gone, unknown, lostParts, lostEvents atomic.Uint64
}

func (c *tally) addTo(t *Tally) {
	t.Applied += c.applied.Load()
	t.Duplicates += c.duplicates.Load()
	t.Gaps += c.gaps.Load()
	t.Forked += c.forked.Load()
	t.Gone += c.gone.Load()
	t.Unknown += c.unknown.Load()
	t.LostParts += c.lostParts.Load()
	t.LostEvents += c.lostEvents.Load()
}

// count takes the results of parts that agents sent.
func (c *tally) count(results []store.PartResult) {
	for i := range results {
		r := &results[i]
		switch {
		case r.Err != nil || r.Verdict == store.Unknown:
			c.unknown.Add(1)
		case r.Verdict == store.Applied:
			c.applied.Add(1)
		case r.Verdict == store.Duplicate:
			c.duplicates.Add(1)
		case r.Verdict == store.Gap:
			c.gaps.Add(1)
		case r.Verdict == store.Forked:
			c.forked.Add(1)
		case r.Verdict == store.SourceGone, r.Verdict == store.SourceClosed:
			c.gone.Add(1)
		}
	}
}

// remembered is of how many parts a Source knows what they held.
const remembered = 1 << 8

// past is what the last parts of a Source held.
type past struct {
	events [remembered]uint64 // by sequence, the oldest overwritten
}

func (p *past) add(seq, events uint64) { p.events[seq%remembered] = events }

// after returns what the parts after one up to another held, as far as that is
// remembered.
func (p *past) after(from, to uint64) (events uint64) {
	if to > remembered {
		from = max(from, to-remembered)
	}
	for seq := from + 1; seq <= to; seq++ {
		events += p.events[seq%remembered]
	}
	return events
}
