package view

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/RaduBerinde/btreemap"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// A Range chooses tabs by their names.
type Range struct {
	Prefix string
	Whole  bool                   // Prefix is the whole name
	Match  func(name string) bool // nil: all that begin with Prefix

	// Next returns, of a name that does not match, the least one behind it that
	// may; more is false if there is none. Nil: whichever comes next. It spares
	// looking at everything that begins with Prefix.
	Next func(name string) (next string, more bool)
}

// A Look says which States are asked for.
type Look struct {
	Namespace string
	Tabs      []Range // those that any of them chooses
	Clients   []Range // empty: all
	PerClient bool    // the State of every chosen client, instead of the one over all clients
	Most      int     // States; 0: any number
	Lacks     *Lacks  // as that of a Request
}

// A TooManyError says that more States were asked for than a Look may read.
type TooManyError struct{ Tabs, States, Most int }

func (e *TooManyError) Error() string {
	return fmt.Sprintf("%d tabs have %d States, more than %d", e.Tabs, e.States, e.Most)
}

// Tab is one tab that was chosen.
type Tab struct {
	Name    string
	Type    string
	Handler state.Handler // nil: the Type is not registered
	Clients int
	Others  []string // Types under which it has events that are no part of its answer
}

// Chosen is what a Look found.
type Chosen struct {
	Tabs []Tab // sorted by name

	v       *View
	look    Look
	targets []target
	clients clientSet
}

// Choose catches up with the log and returns what the Look chooses.
func (v *View) Choose(ctx context.Context, l Look) (*Chosen, error) {
	shards, err := v.read(ctx, v.ofLook(&l), l.Lacks)
	if err != nil {
		return nil, err
	}
	c := &Chosen{v: v, look: l}
	if len(l.Clients) > 0 {
		c.clients = clientsIn(shards, &l)
	}
	for _, s := range shards {
		if err := s.choose(ctx, c); err != nil {
			return nil, err
		}
	}
	c.sort()
	return c, c.count()
}

// ofLook returns the shards that may have what a Look chooses.
func (v *View) ofLook(l *Look) []*shard {
	names := make(map[string]struct{}, len(l.Tabs))
	for _, r := range l.Tabs {
		if !r.Whole {
			return v.shards
		}
		names[r.Prefix] = struct{}{}
	}
	return v.ofNames(l.Namespace, names)
}

// sort brings targets and Tabs in the order of names, each once.
func (c *Chosen) sort() {
	slices.SortFunc(c.targets, func(a, b target) int { return strings.Compare(a.name(), b.name()) })
	c.targets = slices.CompactFunc(c.targets, func(a, b target) bool { return a.name() == b.name() })
	c.Tabs = make([]Tab, len(c.targets))
	for i, t := range c.targets {
		c.Tabs[i] = Tab{Name: t.name(), Type: t.kind.typ, Handler: t.kind.handler, Clients: t.clients, Others: t.others}
	}
}

// count refuses too many States.
func (c *Chosen) count() error {
	states := len(c.targets)
	if c.look.PerClient {
		states = 0
		for _, t := range c.targets {
			states += c.statesOf(t)
		}
	}
	if c.look.Most > 0 && states > c.look.Most {
		return &TooManyError{Tabs: len(c.targets), States: states, Most: c.look.Most}
	}
	return nil
}

func (c *Chosen) statesOf(t target) int {
	if c.clients != nil {
		return min(len(c.clients), t.clients)
	}
	return t.clients
}

// choose adds the shard's tabs that are chosen.
func (s *shard) choose(ctx context.Context, c *Chosen) error {
	for _, r := range c.look.Tabs {
		if !r.Whole {
			if err := s.chooseRange(ctx, c, r); err != nil {
				return err
			}
			continue
		}
		s.mu.RLock()
		if t := s.dir.tabs[store.TabName{Namespace: c.look.Namespace, Name: r.Prefix}]; t != nil && r.matches(r.Prefix) {
			s.take(c, t)
		}
		s.mu.RUnlock()
	}
	return nil
}

func (s *shard) chooseRange(ctx context.Context, c *Chosen, r Range) error {
	from := store.TabName{Namespace: c.look.Namespace, Name: r.Prefix}
	for more := true; more; {
		more = false
		err := s.eachTab(ctx, from, func(t *tab) bool {
			if !strings.HasPrefix(t.name.Name, r.Prefix) || t.name.Namespace != c.look.Namespace {
				return false
			}
			if r.matches(t.name.Name) {
				s.take(c, t)
				return true
			}
			if r.Next == nil {
				return true
			}
			from.Name, more = r.Next(t.name.Name)
			return false
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Range) matches(name string) bool { return r.Match == nil || r.Match(name) }

// take adds a tab unless none of its clients is chosen. The shard's lock is
// held.
func (s *shard) take(c *Chosen, t *tab) {
	k := t.kinds[0]
	if c.clients != nil && !s.hasAny(k, c.clients) {
		return
	}
	chosen := target{shard: s, kind: k, clients: len(k.clients)}
	for _, o := range t.kinds[1:] {
		chosen.others = append(chosen.others, o.typ)
	}
	c.targets = append(c.targets, chosen)
}

// stride is how many entries of an index are looked at while it is locked:
// commits wait no longer than that takes.
const stride = 1 << 12

// eachTab calls f for the shard's tabs from one on, in order, until it returns
// false.
func (s *shard) eachTab(ctx context.Context, from store.TabName, f func(*tab) bool) error {
	start := btreemap.GE(&tab{name: from})
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		more = false
		s.ordered(func(x *index) {
			left := stride
			for t := range x.tabs.Ascend(start, btreemap.Max[*tab]()) {
				if !f(t) {
					return
				}
				if left--; left == 0 {
					start, more = btreemap.GT(t), true
					return
				}
			}
		})
	}
	return nil
}

// clientsIn returns the clients that a Look chooses.
func clientsIn(shards []*shard, l *Look) clientSet {
	set := clientSet{}
	for _, r := range l.Clients {
		for _, s := range shards {
			s.clientsIn(l.Namespace, &r, set)
		}
	}
	return set
}

func (s *shard) clientsIn(namespace string, r *Range, set clientSet) {
	if r.Whole {
		if s.hasClient(namespace, r.Prefix) {
			set[r.Prefix] = struct{}{}
		}
		return
	}
	s.ordered(func(x *index) {
		for c := range x.clients.Ascend(btreemap.GE(&client{name: store.TabName{Namespace: namespace, Name: r.Prefix}}), btreemap.Max[*client]()) {
			if c.name.Namespace != namespace || !strings.HasPrefix(c.name.Name, r.Prefix) {
				return
			}
			if r.matches(c.name.Name) {
				set[c.name.Name] = struct{}{}
			}
		}
	})
}

// Clients returns the names of the clients that those tabs have for which want
// holds, in no order; of a choice of clients nothing is asked.
func (c *Chosen) Clients(want func(tab int) bool) (names []string) {
	seen := clientSet{}
	for i, t := range c.targets {
		if !want(i) {
			continue
		}
		t.shard.mu.RLock()
		for cl := range t.kind.clients {
			if _, known := seen[cl.name.Name]; !known {
				seen[cl.name.Name] = struct{}{}
				names = append(names, cl.name.Name)
			}
		}
		t.shard.mu.RUnlock()
	}
	return names
}

// Visitor is called with a chosen tab's index in Chosen.Tabs and one of its
// States, which is its own during the call: nil for what cannot be decoded. The
// client is empty unless States are looked at per client.
type Visitor func(tab int, client string, st state.State)

// Visit calls visitors, several side by side, with the States that were
// chosen, of those tabs for which want holds. Each gets its tabs in order.
func (c *Chosen) Visit(ctx context.Context, visitors []Visitor, want func(tab int) bool) error {
	detail := store.WithAll
	if c.look.PerClient {
		detail = store.WithClients
	}
	var targets []target
	var places []int
	for i, t := range c.targets {
		if t.kind.handler != nil && want(i) {
			targets, places = append(targets, t), append(places, i)
		}
	}
	var order []string // of the chosen clients
	if c.clients != nil {
		order = slices.Sorted(maps.Keys(c.clients))
	}
	return c.v.chunks(ctx, targets, detail, c.look.Lacks, func(_ []target, hots []*hot) error {
		n := (len(hots) + len(visitors) - 1) / len(visitors)
		side(len(visitors), func(w int) {
			for i := w * n; i < min((w+1)*n, len(hots)); i++ {
				if hots[i] != nil && ctx.Err() == nil {
					c.visit(hots[i], places[i], order, visitors[w])
				}
			}
		})
		places = places[len(hots):]
		return ctx.Err()
	})
}

func (c *Chosen) visit(h *hot, place int, order []string, f Visitor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer c.v.hots.account(h)
	if h.content.moved.setAside > 0 {
		f(place, "", nil)
	}
	if !c.look.PerClient {
		h.content.tell(&h.content.all, place, "", f)
		return
	}
	if len(order) == 0 || len(order) > len(h.content.clients) {
		order = h.content.names()
	}
	for _, name := range order {
		if _, chosen := c.clients[name]; c.clients != nil && !chosen {
			continue
		}
		if cl := h.content.clients[name]; cl != nil {
			h.content.tell(cl, place, name, f)
		}
	}
}

// tell calls f with a State, if there is one.
func (c *content) tell(h *held, place int, client string, f Visitor) {
	if c.open(h) {
		f(place, client, h.st)
	} else if h.broken {
		f(place, client, nil)
	}
}
