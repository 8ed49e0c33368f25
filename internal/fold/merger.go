package fold

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// Merger merges encoded bodies into bodies, as an Accumulator does by AddBody
// and Encode, and gives the same bytes. It is for bodies of which much occurs
// once: such a Partial is checked, kept as the bytes it came as and written as
// those again (in whatever encoding they are, unless whoever reads them does not
// know it), so it costs its bytes and not a State. One that occurs again becomes a
// State and is merged with.
//
// A Merger is pure, not safe for concurrent use and has no bound of its own:
// callers stop feeding it by Size.
type Merger struct {
	reg      *state.Registry
	level    state.Level // of what is written
	kinds    kinds
	tabs     numbering[store.Tab]
	about    []mergedTab // by the number of a tab
	clients  numbering[string]
	at       map[pair]int // in partials
	partials []merged
	raw      []byte // of Partials that occurred once
	events   uint64
	size     int
	needed   recent // size
	largest  int    // size since memory was last let go

	writer store.BodyWriter
	order  []ranked // scratch of Encode
}

// pair names a Partial by the numbers of its tab and client.
type pair struct{ tab, client int }

type mergedTab struct {
	kind *kind
	vb   int // scratch of Encode
}

// merged is one Partial: a State if it occurred more than once, else bytes.
type merged struct {
	pair
	state    state.State
	from, to int // in raw
	events   uint64
}

// ranked is the place of a Partial in what is written.
type ranked struct{ tab, client, partial int }

// mergedOverhead is roughly what a Partial costs beside its bytes.
const mergedOverhead = 128

// NewMerger returns an empty Merger for the Types in reg.
func NewMerger(reg *state.Registry) *Merger {
	m := &Merger{reg: reg, level: state.Newest, kinds: make(kinds)}
	m.forget()
	return m
}

// SetLevel says who will read what Encode writes from now on; until then it is
// those that read state.Newest.
func (m *Merger) SetLevel(l state.Level) { m.level = l }

// AddBody merges the Partials of an encoded body. A body that is malformed as
// a whole is an error, and nothing of it was merged. A Partial of an unknown Type
// or whose State does not decode is passed to onBad, which decides what becomes
// of it; what it receives as state points into body.
func (m *Merger) AddBody(body []byte, onBad func(tab store.Tab, client string, events uint64, state []byte, err error)) error {
	if err := checkBody(body); err != nil {
		return err
	}
	for r := store.NewBodyReader(body); r.NextTab(); {
		k := m.kinds.of(m.reg, string(r.Tab.Type))
		tab := -1
		for r.NextPartial() {
			s, err := k.decode(&r)
			if err != nil {
				onBad(r.Tab.Tab(), string(r.Partial.Client), r.Partial.Events, r.Partial.State, err)
				continue
			}
			if tab < 0 {
				tab = m.tab(&r.Tab, k)
			}
			m.add(pair{tab, m.client(r.Partial.Client)}, k, s, &r.Partial)
		}
	}
	return nil
}

// add merges one Partial, which s is decoded from, and takes s over.
func (m *Merger) add(at pair, k *kind, s state.State, p *store.PartialBytes) {
	m.events += p.Events
	i, exists := m.at[at]
	if !exists {
		m.at[at] = len(m.partials)
		from := len(m.raw)
		m.raw = append(m.raw, p.State...)
		m.partials = append(m.partials, merged{pair: at, from: from, to: len(m.raw), events: p.Events})
		m.size += len(p.State) + mergedOverhead
		k.put(s)
		return
	}
	have := &m.partials[i]
	if have.state == nil {
		have.state = m.decoded(have, k)
		k.used.now++
		m.size += have.state.Size()
	}
	size := have.state.Size()
	have.state.Merge(s)
	m.size += have.state.Size() - size
	have.events = have.state.N()
	k.put(s)
}

// decoded returns the State of a Partial that was kept as bytes.
func (m *Merger) decoded(p *merged, k *kind) state.State {
	s, err := k.decodeState(m.raw[p.from:p.to], p.events)
	if err != nil {
		panic(fmt.Sprintf("fold: a State that did decode does not any more: %v", err))
	}
	return s
}

func (m *Merger) tab(t *store.TabBytes, k *kind) int {
	n, ok := m.tabs.of[store.Tab{Namespace: string(t.Namespace), Name: string(t.Name), Type: string(t.Type)}]
	if !ok {
		n = m.tabs.add(t.Tab())
		m.about = append(m.about, mergedTab{kind: k})
		m.size += len(t.Namespace) + len(t.Name) + tabOverhead
	}
	return n
}

func (m *Merger) client(name []byte) int {
	n, ok := m.clients.of[string(name)]
	if !ok {
		n = m.clients.add(string(name))
		m.size += len(name) + clientOverhead
	}
	return n
}

// Encode passes the Partials to emit as one body per vbucket that has any, by
// ascending vbucket. Within a body they are sorted by tab and client. A body is
// valid only during emit.
func (m *Merger) Encode(p store.Partition, emit func(vb int, body []byte, events uint64)) {
	for i, name := range m.tabs.names {
		m.about[i].vb = p.Of(name.Namespace, name.Name)
	}
	w := &m.writer
	w.Reset()
	vb, tab := 0, -1
	for _, o := range m.sorted() {
		q := &m.partials[o.partial]
		about := &m.about[q.tab]
		if about.vb != vb && tab >= 0 {
			emit(vb, w.Bytes(), w.Events())
			w.Reset()
		}
		vb = about.vb
		if q.tab != tab {
			tab = q.tab
			w.Tab(m.tabs.names[tab])
		}
		w.Partial(m.clients.names[q.client], q.events, func(dst []byte) []byte { return m.append(dst, q, about.kind) })
	}
	if tab >= 0 {
		emit(vb, w.Bytes(), w.Events())
	}
}

// append appends the encoding of a Partial.
func (m *Merger) append(dst []byte, p *merged, k *kind) []byte {
	enc := m.raw[p.from:p.to]
	switch {
	case p.state != nil:
		return state.AppendAt(dst, p.state, m.level)
	case state.Newer(k.handler, enc, m.level):
		s := m.decoded(p, k)
		defer k.put(s)
		return state.AppendAt(dst, s, m.level)
	}
	return append(dst, enc...)
}

// sorted returns the Partials by vbucket, tab and client. Names are compared
// once each, not once for each Partial.
func (m *Merger) sorted() []ranked {
	tabs := m.tabs.ranks(func(x, y int) int {
		return cmp.Or(cmp.Compare(m.about[x].vb, m.about[y].vb), compareTabs(&m.tabs.names[x], &m.tabs.names[y]))
	})
	clients := m.clients.ranks(func(x, y int) int {
		return strings.Compare(m.clients.names[x], m.clients.names[y])
	})
	m.order = m.order[:0]
	for i, p := range m.partials {
		m.order = append(m.order, ranked{tabs[p.tab], clients[p.client], i})
	}
	slices.SortFunc(m.order, func(x, y ranked) int {
		return cmp.Or(cmp.Compare(x.tab, y.tab), cmp.Compare(x.client, y.client))
	})
	return m.order
}

// Events is the number of events in the Partials.
func (m *Merger) Events() uint64 { return m.events }

// Size is the approximate memory held by the Partials, in bytes.
func (m *Merger) Size() int { return m.size }

// Reset drops all Partials and keeps their memory for reuse, as far as it was
// needed lately.
func (m *Merger) Reset() {
	for i := range m.partials {
		if p := &m.partials[i]; p.state != nil {
			m.about[p.tab].kind.put(p.state)
		}
	}
	m.needed.now = m.size
	m.largest = max(m.largest, m.size)
	if m.largest > m.needed.settle() {
		m.forget()
	}
	m.tabs.clear()
	m.clients.clear()
	clear(m.at)
	clear(m.partials)
	m.about, m.partials, m.raw, m.order = m.about[:0], m.partials[:0], m.raw[:0], m.order[:0]
	m.events, m.size = 0, 0
	m.writer.Reset()
	for _, k := range m.kinds {
		k.settle()
	}
}

// forget drops the memory that is kept for reuse.
func (m *Merger) forget() {
	m.tabs, m.clients = newNumbering[store.Tab](), newNumbering[string]()
	m.about, m.partials, m.raw, m.order = nil, nil, nil, nil
	m.at = make(map[pair]int)
	m.writer, m.largest = store.BodyWriter{}, 0
}

// numbering gives names numbers, from 0.
type numbering[T comparable] struct {
	of    map[T]int
	names []T
}

func newNumbering[T comparable]() numbering[T] { return numbering[T]{of: make(map[T]int)} }

func (n *numbering[T]) add(name T) int {
	n.of[name] = len(n.names)
	n.names = append(n.names, name)
	return len(n.names) - 1
}

func (n *numbering[T]) clear() {
	clear(n.of)
	clear(n.names)
	n.names = n.names[:0]
}

// ranks returns the place of each number in the order that compare gives.
func (n *numbering[T]) ranks(compare func(x, y int) int) []int {
	order := make([]int, len(n.names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, compare)
	ranks := make([]int, len(order))
	for rank, i := range order {
		ranks[i] = rank
	}
	return ranks
}
