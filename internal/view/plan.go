package view

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// planCompaction returns the tabs that the log touches after their records,
// in chunks that hold about so many bytes of records.
//
// The log is read once for every chunk, so a chunk should be no small part of
// it: then a log is read a few times and not once for every tab.
func planCompaction(l *store.Loaded, stats store.Stats, chunk int64) [][]store.TabName {
	p := planner{folded: make(map[store.Tab]uint64, len(l.Records)), states: map[store.TabName]int64{}}
	var states int64
	for i := range l.Records {
		r := &l.Records[i]
		p.folded[r.Tab] = r.Position.Offset
		n := int64(len(r.Clients)) + 1
		p.states[nameOf(r.Tab)] += n
		states += n
	}
	p.touched = make(map[store.TabName]struct{})
	for i := range l.Entries {
		p.entry(&l.Entries[i])
	}
	return p.chunks(chunk / max(stats.RecordBytes/max(states, 1), 1))
}

// planner collects the tabs that are touched.
type planner struct {
	folded  map[store.Tab]uint64
	states  map[store.TabName]int64 // in the record of a tab
	touched map[store.TabName]struct{}
}

func nameOf(t store.Tab) store.TabName {
	return store.TabName{Namespace: t.Namespace, Name: t.Name}
}

func (p *planner) entry(e *store.Entry) {
	switch e.Kind {
	case store.KindPartials:
		r := store.NewBodyReader(e.Body)
		for r.NextTab() {
			t := r.Tab.Tab()
			if e.Position.Offset > p.folded[t] {
				p.touched[nameOf(t)] = struct{}{}
			}
		}
	case store.KindDelete:
		for _, n := range e.Command.Names {
			if _, recorded := p.states[n]; recorded {
				p.touched[n] = struct{}{}
			}
		}
	case store.KindPrune:
		for t, folded := range p.folded {
			if e.Position.Offset > folded {
				p.touched[nameOf(t)] = struct{}{}
			}
		}
	}
}

// chunks cuts the touched tabs, in order, into chunks of about so many States.
func (p *planner) chunks(states int64) [][]store.TabName {
	names := make([]store.TabName, 0, len(p.touched))
	for n := range p.touched {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b store.TabName) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	var chunks [][]store.TabName
	for start, i, sum := 0, 0, int64(0); i < len(names); {
		sum += max(p.states[names[i]], 1)
		i++
		if sum >= states || i == len(names) {
			chunks = append(chunks, names[start:i])
			start, sum = i, 0
		}
	}
	return chunks
}

// speed learns how fast a log is folded.
type speed struct{ nanosPerMiB atomic.Int64 }

// learn notes that folding so many bytes took d.
func (s *speed) learn(bytes int64, d time.Duration) {
	if bytes < 64<<10 {
		return // too little to tell from noise
	}
	now := int64(float64(d) * (1 << 20) / float64(bytes))
	if old := s.nanosPerMiB.Load(); old > 0 {
		now = (3*old + now) / 4
	}
	s.nanosPerMiB.Store(max(now, 1))
}

// of predicts how long so many bytes will take, 0 if that is not known yet.
func (s *speed) of(bytes int64) time.Duration {
	return time.Duration(float64(s.nanosPerMiB.Load()) * float64(bytes) / (1 << 20))
}
