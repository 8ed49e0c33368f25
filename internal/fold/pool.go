package fold

import "github.com/tabaproject/taba/state"

// Bounds on what an Accumulator keeps for reuse. Beyond them memory goes to
// the garbage collector: one burst must not be held for ever.
const (
	maxSpareTabs    = 1 << 14
	maxSpareClients = 1 << 10 // of one tab's map; a larger map is not kept
	maxSpareState   = 64 << 10
	maxSpareBytes   = 64 << 20 // of one Type: ten thousand Partials with sketches
	maxSpareBody    = 4 << 20  // the buffer of Encode
)

// kind is one Type within an Accumulator, with States ready for reuse.
type kind struct {
	handler  state.Handler
	columnar bool // its States fold columns
	spare    []spareState
	bytes    int // held by spare
	used     int // States filed since the last settle
	peak     int // how many were used lately; bounds spare
}

type spareState struct {
	state state.State
	size  int
}

// kind returns what the Accumulator keeps for a Type, nil if the Type is not
// registered.
func (a *Accumulator) kind(typ string) *kind {
	if k := a.kinds[typ]; k != nil {
		return k
	}
	h, ok := a.reg.Lookup(typ)
	if !ok {
		return nil
	}
	_, columnar := h.New().(state.Columnar)
	k := &kind{handler: h, columnar: columnar}
	a.kinds[h.Type()] = k
	return k
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

// settle ends a round: it keeps twice as many spares as recent rounds needed,
// because rounds differ. The memory of a peak fades by an eighth per round.
func (k *kind) settle() {
	k.peak = max(k.used, k.peak-(k.peak+7)/8)
	k.used = 0
	for len(k.spare) > 2*k.peak {
		last := len(k.spare) - 1
		k.bytes -= k.spare[last].size
		k.spare[last] = spareState{}
		k.spare = k.spare[:last]
	}
}

// recycle keeps the memory of a tab whose States were taken out.
func (a *Accumulator) recycle(t *tab) {
	if len(a.spare) >= maxSpareTabs || len(t.clients) > maxSpareClients {
		return
	}
	clear(t.clients)
	clear(t.order)
	*t = tab{clients: t.clients, order: t.order[:0]}
	a.spare = append(a.spare, t)
}
