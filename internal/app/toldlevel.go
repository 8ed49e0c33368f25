package app

import (
	"sync/atomic"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// toldLevel is the level of encodings that every server reads, as one of them
// told an agent last. What is sealed already is sent as it is.
type toldLevel struct{ last atomic.Uint32 }

func newToldLevel() *toldLevel {
	t := new(toldLevel)
	t.set(state.Unsaid)
	return t
}

func (t *toldLevel) set(l state.Level) { t.last.Store(uint32(min(l, state.Newest))) }
func (t *toldLevel) get() state.Level  { return state.Level(t.last.Load()) }

// levelled merges records into Batches that every server reads, in whatever
// encodings the records are.
type levelled struct {
	*fold.Merger
	told *toldLevel
}

// Encode implements forward.Folder.
func (l *levelled) Encode(p store.Partition, emit func(vb int, body []byte, events uint64)) {
	l.SetLevel(l.told.get())
	l.Merger.Encode(p, emit)
}
