package view

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)

// Options of a View. The zero value is ready to use.
type Options struct {
	// Budget is how many bytes of States are held; 0 means 256 MiB.
	Budget int64
	// Idle is how long States are held that nobody asks for; 0 means 30 s.
	Idle time.Duration
	// Page is how many bytes of the log are read at once, about; 0 means 8 MiB.
	Page int64
	// Log is told of entries that cannot be read; nil means nobody is.
	Log *slog.Logger
}

const (
	defaultBudget = 256 << 20
	defaultIdle   = 30 * time.Second // dashboards refresh more often
	defaultPage   = 8 << 20
)

// View answers questions about one store.
type View struct {
	st     store.Store
	reg    *state.Registry
	log    *slog.Logger
	page   int64
	part   store.Partition
	shards []*shard
	hots   hots

	average   atomic.Int64 // learned: bytes that one State takes
	restarts  atomic.Uint64
	conflicts atomic.Uint64
	aside     atomic.Uint64
}

// New returns a View of st. It reads nothing yet.
func New(st store.Store, reg *state.Registry, o Options) *View {
	if o.Budget <= 0 {
		o.Budget = defaultBudget
	}
	if o.Idle <= 0 {
		o.Idle = defaultIdle
	}
	if o.Page <= 0 {
		o.Page = defaultPage
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	v := &View{st: st, reg: reg, log: o.Log, page: o.Page, part: st.Meta().Partition}
	v.hots.budget, v.hots.idle = o.Budget, o.Idle
	v.average.Store(firstAverage)
	for vb := range max(v.part.VBuckets, 1) {
		v.shards = append(v.shards, newShard(v, vb))
	}
	return v
}

// Stats tell how a View does.
type Stats struct {
	HotTabs   int64  // tabs whose States are held
	HotBytes  int64  // bytes of them
	Restarts  uint64 // times a vbucket was read again from its records
	Conflicts uint64 // events seen in the log under another Type than their tab's
	SetAside  uint64 // events seen in the log in States that cannot be decoded
}

// Stats returns the figures of this View. Those that count events of the log
// start with the process and may count an event again after a restart; the
// ledger (Compactor.Audit) is exact.
func (v *View) Stats() Stats {
	return Stats{
		HotTabs:   v.hots.count.Load(),
		HotBytes:  v.hots.bytes.Load(),
		Restarts:  v.restarts.Load(),
		Conflicts: v.conflicts.Load(),
		SetAside:  v.aside.Load(),
	}
}

// TypeOf returns the Type of a tab. If it does not know the tab it looks
// whether the log has brought it meanwhile. ok is false for a tab that is not
// there, and if the store cannot be read.
func (v *View) TypeOf(namespace, name string) (typ string, ok bool) {
	n := store.TabName{Namespace: namespace, Name: name}
	s := v.shardOf(n)
	if typ, ok = s.typeOf(n); ok {
		return typ, true
	}
	if err := s.catchUp(context.Background()); err != nil {
		return "", false
	}
	v.hots.trim()
	return s.typeOf(n)
}

// CatchUp brings the View to the end of every log.
func (v *View) CatchUp(ctx context.Context) error {
	_, err := v.catchUp(ctx, v.shards, nil)
	v.hots.trim()
	return err
}

func (v *View) shardOf(n store.TabName) *shard { return v.shards[v.part.Of(n.Namespace, n.Name)] }

// setAside counts a State that cannot be decoded. The Compactor reports it.
func (v *View) setAside(_ store.Tab, _ []byte, events uint64) { v.aside.Add(events) }
