package fold

import (
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// Bounds on what an Accumulator keeps for reuse. It keeps what recent rounds
// needed, within these; beyond them memory goes to the garbage collector: one
// burst must not be held for ever.
const (
	maxSpareClients = 1 << 10 // of one tab's map; a larger map is not kept
	maxSpareState   = 64 << 10
	maxSpareBytes   = 128 << 20 // of the States of one Type
)

// recent is the most that recent rounds needed of something. Rounds differ, so
// twice as much may be kept; a peak fades by an eighth per round.
type recent struct{ now, peak int }

// settle ends a round and returns how much may be kept.
func (r *recent) settle() int {
	r.peak = max(r.now, r.peak-(r.peak+7)/8)
	r.now = 0
	return 2 * r.peak
}

// kind is one Type within an Accumulator, with States ready for reuse.
type kind struct {
	handler  state.Handler
	columnar bool // its States fold columns
	spare    []spareState
	bytes    int    // held by spare
	used     recent // States filed
}

type spareState struct {
	state state.State
	size  int
}

// kinds are the Types that were met, by name.
type kinds map[string]*kind

// of returns what is kept for a Type, nil if the Type is not registered.
func (m kinds) of(reg *state.Registry, typ string) *kind {
	if k := m[typ]; k != nil {
		return k
	}
	k := newKind(reg, typ)
	if k != nil {
		m[k.handler.Type()] = k
	}
	return k
}

// kind returns what the Accumulator keeps for a Type, nil if the Type is not
// registered.
func (a *Accumulator) kind(typ string) *kind { return a.kinds.of(a.reg, typ) }

// newKind returns a kind without spares, nil if the Type is not registered.
func newKind(reg *state.Registry, typ string) *kind {
	h, ok := reg.Lookup(typ)
	if !ok {
		return nil
	}
	_, columnar := h.New().(state.Columnar)
	return &kind{handler: h, columnar: columnar}
}

// get returns a zero State.
func (k *kind) get() state.State {
	last := len(k.spare) - 1
	if last < 0 {
		return k.handler.New()
	}
	s := k.spare[last]
	k.spare[last] = spareState{}
	k.spare = k.spare[:last]
	k.bytes -= s.size
	return s.state
}

// put takes back a State that nobody uses any more.
func (k *kind) put(s state.State) {
	size := s.Size() // before Reset: what it may hold on to
	if size > maxSpareState || k.bytes+size > maxSpareBytes {
		return
	}
	s.Reset()
	k.spare = append(k.spare, spareState{s, size})
	k.bytes += size
}

// lend hands a spare State to another Accumulator's kind.
func (k *kind) lend(to *kind) {
	last := len(k.spare) - 1
	if last < 0 {
		return
	}
	s := k.spare[last]
	k.spare[last] = spareState{}
	k.spare = k.spare[:last]
	k.bytes -= s.size
	to.spare = append(to.spare, s)
	to.bytes += s.size
}

// settle ends a round.
func (k *kind) settle() {
	for keep := k.used.settle(); len(k.spare) > keep; {
		last := len(k.spare) - 1
		k.bytes -= k.spare[last].size
		k.spare[last] = spareState{}
		k.spare = k.spare[:last]
	}
}

// settle ends a round of tabs, of the body that was written and of the States
// that AddBody decoded.
func (a *Accumulator) settle() {
	if keep := a.made.settle(); len(a.spare) > keep {
		clear(a.spare[keep:])
		a.spare = a.spare[:keep]
	}
	a.written.now = a.writer.Len()
	a.largest = max(a.largest, a.writer.Len())
	if keep := a.written.settle(); a.largest > keep {
		a.writer, a.largest = store.BodyWriter{}, 0
	}
	a.writer.Reset()
}

// recycle keeps the memory of a tab whose States were taken out.
func (a *Accumulator) recycle(t *tab) {
	if len(t.clients) > maxSpareClients {
		return
	}
	clear(t.clients)
	clear(t.order)
	*t = tab{clients: t.clients, order: t.order[:0]}
	a.spare = append(a.spare, t)
}
