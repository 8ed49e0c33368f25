package view

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// planner collects the tabs that the log touches after their records, and
// hands them out in chunks.
type planner struct {
	trim    store.Position
	folded  map[store.Tab]uint64
	states  map[store.TabName]int64 // of each tab: in its records, and Partials that may make more
	touched map[store.TabName]struct{}
	names   []store.TabName // touched and not handed out
}

func newPlanner() *planner {
	return &planner{
		folded: map[store.Tab]uint64{}, states: map[store.TabName]int64{}, touched: map[store.TabName]struct{}{},
	}
}

func nameOf(t store.Tab) store.TabName {
	return store.TabName{Namespace: t.Namespace, Name: t.Name}
}

// page takes in records and entries.
func (p *planner) page(l *store.Loaded) {
	p.trim = l.Trim
	for i := range l.Records {
		r := &l.Records[i]
		p.folded[r.Tab] = r.Position.Offset
		p.states[nameOf(r.Tab)] += int64(len(r.Clients)) + 1
	}
	for i := range l.Entries {
		p.entry(&l.Entries[i])
	}
}

func (p *planner) entry(e *store.Entry) {
	switch e.Kind {
	case store.KindPartials:
		r := store.NewBodyReader(e.Body)
		for r.NextTab() {
			t := r.Tab.Tab()
			if e.Position.Offset <= p.folded[t] {
				continue
			}
			var partials int64
			for r.NextPartial() {
				partials++
			}
			p.touched[nameOf(t)] = struct{}{}
			p.states[nameOf(t)] += partials
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

// all adds the tabs that the log does not touch.
func (p *planner) all() {
	for t := range p.folded {
		p.touched[nameOf(t)] = struct{}{}
	}
}

// sort ends the taking in.
func (p *planner) sort() {
	p.names = make([]store.TabName, 0, len(p.touched))
	for n := range p.touched {
		p.names = append(p.names, n)
	}
	slices.SortFunc(p.names, func(a, b store.TabName) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

// next returns the next tabs, with about so many States, and how many these
// are; none when all were returned.
func (p *planner) next(limit int64) (names []store.TabName, states int64) {
	n := 0
	for n < len(p.names) && (n == 0 || states < limit) {
		states += max(p.states[p.names[n]], 1)
		n++
	}
	names, p.names = p.names[:n:n], p.names[n:]
	return names, states
}

// weight learns what a State takes in memory, as a planner counts States.
type weight struct{ bytes atomic.Int64 }

// firstWeight is what a State is assumed to take until it is known.
const firstWeight = 1 << 10

// learn notes what so many States took. A chunk is at most four times as large
// as the one before it, whatever the last one was like.
func (w *weight) learn(states, bytes int64) {
	w.bytes.Store(max(bytes/max(states, 1), w.of()/4, 1))
}

func (w *weight) of() int64 {
	if b := w.bytes.Load(); b > 0 {
		return b
	}
	return firstWeight
}

// states is how many States fit in so many bytes, about.
func (w *weight) states(bytes int64) int64 { return bytes / w.of() }

// speed learns how fast a log is read.
type speed struct{ nanosPerMiB atomic.Int64 }

// learn notes that reading so many bytes took d.
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

func (s *speed) known() bool { return s.nanosPerMiB.Load() > 0 }

// of predicts how long so many bytes will take, 0 if that is not known yet.
func (s *speed) of(bytes int64) time.Duration {
	return time.Duration(float64(s.nanosPerMiB.Load()) * float64(bytes) / (1 << 20))
}
