package ingest

import (
	"fmt"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/trail"
	"github.com/tabaproject/taba/state"
)

// checker looks at the Partials of parts. It is not safe for concurrent use.
type checker struct {
	reg    *state.Registry
	trail  *trail.Trail
	states map[string]state.State // one of each Type, used again and again

	now     float64     // of the Batch that is looked at, UTC seconds
	level   state.Level // of everybody who reads the store
	viewers trail.Viewers
}

func newChecker(reg *state.Registry, t *trail.Trail) *checker {
	return &checker{reg: reg, trail: t, level: state.Newest, states: make(map[string]state.State)}
}

func (c *checker) size() (n int) {
	for _, s := range c.states {
		n += s.Size()
	}
	return n
}

// checked is what a look at one part found.
type checked struct {
	body        []byte // the part's own, or a copy with what was clamped or is too new
	clamped     uint64 // events
	newer       uint64 // Partials in encodings that not everybody reads
	undecodable uint64 // Partials that pass as they are
	tabs        int
	states      int
}

// part checks that the body of p parses, that its counts add up, that its
// tabs belong into p's vbucket, and clamps its Partials to limit.
func (c *checker) part(p *store.Part, cut store.Partition, limit float64) (got checked, err error) {
	got.body = p.Body
	var total uint64
	c.viewers = c.trail.Viewers()
	r := store.NewBodyReader(p.Body)
	for r.NextTab() {
		if len(r.Tab.Namespace) > 0 {
			return got, fmt.Errorf("tab %q is of namespace %q; namespaces are reserved and must be empty", r.Tab.Name, r.Tab.Namespace)
		}
		if vb := cut.Of("", string(r.Tab.Name)); vb != p.VB {
			return got, fmt.Errorf("tab %q belongs to vbucket %d, not %d", r.Tab.Name, vb, p.VB)
		}
		if err := c.partials(&r, limit, &got); err != nil {
			return got, err
		}
		total += r.Tab.Events
		got.tabs++
	}
	if err := r.Err(); err != nil {
		return got, err
	}
	if total != p.Events {
		return got, fmt.Errorf("it is said to hold %d events; its tabs hold %d", p.Events, total)
	}
	if got.clamped+got.newer > 0 {
		got.body, err = c.rewrite(p.Body, limit)
	}
	return got, err
}

// partials checks the Partials of one tab.
func (c *checker) partials(r *store.BodyReader, limit float64, got *checked) error {
	var total uint64
	s, h := c.state(r.Tab.Type)
	for r.NextPartial() {
		total += r.Partial.Events
		got.states++
		if s == nil || s.Decode(r.Partial.State) != nil {
			got.undecodable++
			continue
		}
		if n := s.N(); n != r.Partial.Events {
			return fmt.Errorf("tab %q, client %q: the State holds %d events, not %d", r.Tab.Name, r.Partial.Client, n, r.Partial.Events)
		}
		if moved := s.Clamp(limit); moved > 0 {
			got.clamped += moved
			c.trail.Note(trail.Note{Kind: trail.Clamped, Door: trail.DoorParts, Reason: noteFuture,
				Name: string(r.Tab.Name), Client: string(r.Partial.Client), Type: string(r.Tab.Type), Events: moved})
		}
		if state.Newer(h, r.Partial.State, c.level) {
			got.newer++
		}
		if c.viewers != nil {
			c.show(r)
		}
	}
	if r.Err() == nil && total != r.Tab.Events {
		return fmt.Errorf("tab %q is said to hold %d events; its Partials hold %d", r.Tab.Name, r.Tab.Events, total)
	}
	return nil
}

// show shows a Partial to those who look.
func (c *checker) show(r *store.BodyReader) {
	c.viewers.Event(c.now, &trail.Event{
		Door: trail.DoorParts, Name: string(r.Tab.Name), Type: string(r.Tab.Type), Client: string(r.Partial.Client),
		Time: c.now, Weight: r.Partial.Events, Whole: true,
	})
}

// rewrite writes body again with every Partial clamped, and in an encoding that
// everybody reads.
func (c *checker) rewrite(body []byte, limit float64) ([]byte, error) {
	var w store.BodyWriter
	r := store.NewBodyReader(body)
	for r.NextTab() {
		w.Tab(r.Tab.Tab())
		s, h := c.state(r.Tab.Type)
		for r.NextPartial() {
			encode := func(dst []byte) []byte { return append(dst, r.Partial.State...) }
			if s != nil && s.Decode(r.Partial.State) == nil && (s.Clamp(limit) > 0 || state.Newer(h, r.Partial.State, c.level)) {
				encode = func(dst []byte) []byte { return state.AppendAt(dst, s, c.level) }
			}
			w.Partial(string(r.Partial.Client), r.Partial.Events, encode)
		}
	}
	return w.Bytes(), r.Err()
}

// state returns the State to decode Partials of a Type into and its Handler, or
// nil if the Type is not known.
func (c *checker) state(typ []byte) (state.State, state.Handler) {
	h, ok := c.reg.LookupBytes(typ)
	if !ok {
		return nil, nil
	}
	s := c.states[h.Type()]
	if s == nil {
		s = h.New()
		c.states[h.Type()] = s
	}
	return s, h
}
