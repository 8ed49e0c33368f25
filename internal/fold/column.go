package fold

import (
	"fmt"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// Slot is where the columns of one tab and client go. Finding it costs two
// look-ups by name; whoever has many columns for it keeps it, until the
// Accumulator is committed, merged or reset.
type Slot struct{ state state.Columnar }

// IsZero reports whether the Slot is none.
func (s Slot) IsZero() bool { return s.state == nil }

// Columnar reports whether a Type is registered and folds columns.
func (a *Accumulator) Columnar(typ string) bool {
	k := a.kind(typ)
	return k != nil && k.columnar
}

// Slot finds the Slot of a tab, whose Type must fold columns, and a client. It
// makes it if it is not there: a column must follow, or an empty State is left.
func (a *Accumulator) Slot(tab store.Tab, client string) Slot {
	t := a.tabs[tab]
	if t == nil {
		t = a.addTab(tab, a.kind(tab.Type))
	}
	s, exists := t.clients[client]
	if !exists {
		s = t.kind.get()
		a.keep(t, client, s)
	}
	return Slot{s.(state.Columnar)}
}

// Touch reads the memory that columns of the Slot will be added to: see
// state.Columnar.
func (s Slot) Touch() uint64 { return s.state.Touch() }

// FoldColumn adds a column of finite values that happened at second (UTC).
// slot is one of a's.
func (a *Accumulator) FoldColumn(slot Slot, second int64, values []float64) {
	a.events += uint64(len(values))
	a.size += slot.state.FoldColumn(second, values)
}

// AddPartial merges one encoded State that somebody else has folded, after
// moving to limit what it says happened later; moved is how many events that
// were. The error is ErrUnknownType or ErrBadState; nothing was merged then.
func (a *Accumulator) AddPartial(tab store.Tab, client string, events uint64, enc []byte, limit float64) (moved uint64, err error) {
	k := a.kind(tab.Type)
	if k == nil {
		return 0, fmt.Errorf("%w %q", ErrUnknownType, tab.Type)
	}
	s, err := k.decodeState(enc, events)
	if err != nil {
		return 0, err
	}
	moved = s.Clamp(limit)
	t := a.tabs[tab]
	if t == nil {
		t = a.addTab(tab, k)
	}
	if have, exists := t.clients[client]; exists {
		a.absorb(have, s, k)
	} else {
		a.keep(t, client, s)
	}
	return moved, nil
}
