package ingest

import (
	"context"
	"fmt"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/trail"
	"github.com/tabaproject/taba/state"
)

// What agents have acknowledged is not refused, so the names in their parts that
// are over a limit of a server count elsewhere: what would be a new tab in the tab
// OverflowTab.TYPE, what would be a new client of a known tab in the same tab. In
// both they are one client, OverflowClient.
const (
	OverflowTab    = "taba.overflow"
	OverflowClient = "taba.overflow"
	// unknownType stands for Types that are not registered: of those there are as
	// many as anybody likes. Their States are carried and set aside, as ever.
	unknownType = "unknown"
)

// overflowTab is where Partials of a Type count in a vbucket, whose tabs must
// belong there: one of several names, if there are several vbuckets.
func overflowTab(cut store.Partition, vb int, typ string) store.Tab {
	name := OverflowTab + "." + typ
	for n := 2; cut.Of("", name) != vb; n++ {
		name = fmt.Sprintf("%s.%s.%d", OverflowTab, typ, n)
	}
	return store.Tab{Name: name, Type: typ}
}

// roomy reports whether a part of so many tabs and States can pass unseen.
func (q *Quota) roomy(tabs, states int) bool {
	return q.tabs.grab(int64(tabs)) && q.states.grab(int64(states))
}

// count finds out how many names there are.
func (q *Quota) count() {
	d := q.o.Directory
	if d.CatchUp(context.Background()) == nil {
		q.tabs.counted(d.TabCount())
		q.states.counted(d.StateCount())
	}
}

// sift returns the body of a part without names that are over a limit. It says
// what they were in over. What passes is taken by c, until the part is appended.
func (c *claim) sift(p *store.Part, got *checked, reg *state.Registry, level state.Level, cut store.Partition, t *trail.Trail) (body []byte, over overflow) {
	q := c.q
	if q == nil || q.roomy(got.tabs, got.states) {
		return got.body, overflow{}
	}
	q.count()
	if q.roomy(got.tabs, got.states) {
		return got.body, overflow{}
	}
	s := sifter{level: level, claim: c, trail: t, reg: reg, cut: cut, vb: p.VB, acc: fold.New(reg)}
	for r := store.NewBodyReader(got.body); r.NextTab(); {
		s.tab(&r)
	}
	if s.acc.Empty() && len(s.raw) == 0 {
		return got.body, overflow{}
	}
	return s.body(), s.over
}

// overflow is how many events of a part were over each limit.
type overflow struct{ tabs, states uint64 }

// A sifter writes a body again.
type sifter struct {
	claim *claim
	trail *trail.Trail
	reg   *state.Registry
	cut   store.Partition
	vb    int
	over  overflow
	w     store.BodyWriter  // what passes
	acc   *fold.Accumulator // what is over and merges
	level state.Level       // of everybody who reads the store
	raw   []rawPartial      // what is over and does not
}

type rawPartial struct {
	tab    store.Tab
	events uint64
	state  []byte
}

// tab sifts the Partials of one tab.
func (s *sifter) tab(r *store.BodyReader) {
	t := r.Tab.Tab()
	d := s.claim.q.o.Directory
	fits := d.HasTab(t.Name) || s.claim.takeTab()
	elsewhere := s.elsewhere(t, fits)
	begun := false
	for r.NextPartial() {
		client := string(r.Partial.Client)
		if !fits || !d.HasState(t, client) && !s.claim.takeState() {
			s.count(t.Name, client, r.Partial.Events, fits)
			s.move(elsewhere, &r.Partial)
			continue
		}
		if !begun {
			s.w.Tab(t)
			begun = true
		}
		s.copy(client, r.Partial.Events, r.Partial.State)
	}
}

// elsewhere is where those Partials of a tab count that are over a limit; fits says
// that the tab is not.
func (s *sifter) elsewhere(t store.Tab, fits bool) store.Tab {
	if _, registered := s.reg.Lookup(t.Type); !registered {
		return overflowTab(s.cut, s.vb, unknownType)
	}
	if !fits {
		return overflowTab(s.cut, s.vb, t.Type)
	}
	return t
}

// count counts events that are over a limit, of States if their tab fits.
func (s *sifter) count(tab, client string, events uint64, fits bool) {
	limit := reasonTabs
	if fits {
		limit = reasonStates
		s.over.states += events
	} else {
		s.over.tabs += events
	}
	s.trail.Note(trail.Note{Kind: trail.Moved, Door: trail.DoorParts, Reason: limit, Name: tab, Client: client, Events: events})
	s.claim.q.over(limit, 0, tab, client)
}

// move counts a Partial elsewhere.
func (s *sifter) move(to store.Tab, p *store.PartialBytes) {
	const never = 1 << 53 // it was clamped already
	if _, err := s.acc.AddPartial(to, OverflowClient, p.Events, p.State, never); err != nil {
		s.raw = append(s.raw, rawPartial{to, p.Events, p.State})
	}
}

// body ends what passes with what was moved.
func (s *sifter) body() []byte {
	s.acc.SetLevel(s.level)
	moved, _ := s.acc.EncodeAll(nil)
	for r := store.NewBodyReader(moved); r.NextTab(); {
		s.w.Tab(r.Tab.Tab())
		for r.NextPartial() {
			s.copy(string(r.Partial.Client), r.Partial.Events, r.Partial.State)
		}
	}
	for _, p := range s.raw {
		s.w.Tab(p.tab)
		s.copy(OverflowClient, p.events, p.state)
	}
	return s.w.Bytes()
}

func (s *sifter) copy(client string, events uint64, enc []byte) {
	s.w.Partial(client, events, func(dst []byte) []byte { return append(dst, enc...) })
}

// takeTab takes a tab however fast tabs are made: how fast was the agent's to say.
func (c *claim) takeTab() bool {
	if !c.q.tabs.take(c.q.o.Directory.TabCount()) {
		return false
	}
	c.tabs++
	return true
}

// takeState takes a State that the directory does not have.
func (c *claim) takeState() bool {
	if !c.q.takeState() {
		return false
	}
	c.states++
	return true
}
