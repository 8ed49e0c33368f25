package view

import (
	"slices"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// content is what the log up to some entry makes of one tab of one Type: its
// States. Views and the Compactor fold with it, so that they cannot disagree.
type content struct {
	tab     store.Tab
	handler state.Handler // nil if the Type is not registered: States are only carried
	at      uint64        // offset of the last entry that is folded
	within  uint64        // offset of the entry that is being folded
	first   uint64        // offset of the entry that created the tab
	exists  bool

	all     held
	clients map[string]*held // nil: only the all-clients State is followed
	order   []string         // the keys of clients, sorted; nil if it has to be made
	size    int              // bytes of States held

	reset bool  // deleted since the record was read
	moved moves // since the record was read
}

// moves are events that left the States, for the ledger.
type moves struct{ pruned, deleted, setAside uint64 }

// held is one State, decoded when it is first needed.
type held struct {
	enc     []byte      // as read, until decoded
	st      state.State // nil if there is none
	events  uint64
	changed bool // since the record was read
	broken  bool // enc cannot be decoded: it is carried and nothing is merged
	size    int  // of st, when it was last changed: to measure a State is as much work as to merge a small one
}

// heldOverhead is what a client costs beside its State.
const heldOverhead = 96

func newContent(tab store.Tab, reg *state.Registry, detail store.Detail) *content {
	c := &content{tab: tab}
	if h, ok := reg.Lookup(tab.Type); ok {
		c.handler = h
	}
	if detail >= store.WithClients {
		c.clients = map[string]*held{}
	}
	return c
}

// load takes over what a record holds.
func (c *content) load(r *store.Record) {
	c.at, c.first, c.exists = r.Position.Offset, r.First, true
	c.all = held{enc: r.All}
	c.size += len(r.All)
	if c.clients == nil {
		return
	}
	for i := range r.Clients {
		cl := &r.Clients[i]
		c.clients[cl.Client] = &held{enc: cl.State, events: cl.Events}
		c.size += len(cl.State) + len(cl.Client) + heldOverhead
	}
}

// begin notes that an entry has Partials of this tab. It reports false if the
// entry is folded already. An entry may name a tab several times.
func (c *content) begin(offset uint64) bool {
	if offset <= c.at && offset != c.within {
		return false
	}
	c.at, c.within = offset, offset
	if !c.exists {
		c.exists, c.first = true, offset
	}
	return true
}

// partial merges one Partial. It reports false if the State was set aside.
func (c *content) partial(p *store.PartialBytes, s *scratch) bool {
	var cl *held
	if c.clients != nil {
		cl = c.client(p.Client)
	}
	st := s.decode(c.handler, p.State)
	if st == nil {
		c.moved.setAside += p.Events
		return false
	}
	c.merge(&c.all, st)
	if cl == nil {
		return true
	}
	if !c.merge(cl, st) {
		c.moved.setAside += p.Events
		return false
	}
	cl.events += p.Events
	return true
}

// client returns the place of a client's State and makes it if need be.
func (c *content) client(name []byte) *held {
	cl, ok := c.clients[string(name)]
	if !ok {
		cl = &held{changed: true}
		c.clients[string(name)] = cl
		c.order = nil
		c.size += len(name) + heldOverhead
	}
	return cl
}

func (c *content) merge(h *held, src state.State) bool {
	if !c.open(h) {
		if h.broken {
			return false
		}
		h.st = c.handler.New()
	}
	h.st.Merge(src)
	c.measure(h)
	h.changed = true
	return true
}

// measure counts what a State takes.
func (c *content) measure(h *held) {
	size := h.st.Size()
	c.size += size - h.size
	h.size = size
}

// open decodes a State. It reports false if there is none, or none that can
// be decoded.
func (c *content) open(h *held) bool {
	if h.st != nil {
		return true
	}
	if len(h.enc) == 0 || h.broken || c.handler == nil {
		return false
	}
	st := c.handler.New()
	if err := st.Decode(h.enc); err != nil {
		h.broken = true
		return false
	}
	c.size -= len(h.enc)
	h.st, h.enc = st, nil
	c.measure(h)
	return true
}

// prune drops the clients' States with nothing left at the given time. Their
// names stay, and so does what they gave to the all-clients State.
func (c *content) prune(at float64) {
	for _, cl := range c.clients {
		if c.open(cl) && cl.st.Expired(at) {
			c.size -= cl.size
			c.moved.pruned += cl.events
			*cl = held{changed: true}
		}
	}
}

// drop deletes everything so far.
func (c *content) drop() {
	for _, cl := range c.clients {
		c.moved.deleted += cl.events
	}
	c.exists, c.first, c.reset = false, 0, true
	c.all, c.size, c.order = held{}, 0, nil
	clear(c.clients)
}

// names returns the clients' names in order.
func (c *content) names() []string {
	if c.order == nil && len(c.clients) > 0 {
		c.order = make([]string, 0, len(c.clients))
		for name := range c.clients {
			c.order = append(c.order, name)
		}
		slices.Sort(c.order)
	}
	return c.order
}

// scratch holds States to decode Partials into, one per Type. It belongs to
// one goroutine at a time.
type scratch struct{ states map[state.Handler]state.State }

// decode returns the State encoded in src, valid until the next call, or nil.
func (s *scratch) decode(h state.Handler, src []byte) state.State {
	if h == nil {
		return nil
	}
	st, ok := s.states[h]
	if !ok {
		if s.states == nil {
			s.states = map[state.Handler]state.State{}
		}
		st = h.New()
		s.states[h] = st
	}
	if st.Decode(src) != nil {
		return nil
	}
	return st
}
