package view

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wait"
	"github.com/tabaproject/taba/state"
)

// CompactorOptions of a Compactor. The zero value is ready to use.
type CompactorOptions struct {
	// View is caught up before a log is trimmed, so that it need not start
	// again from the records, and before Run compacts for the first time; may
	// be nil.
	View *View
	// Mine reports whether a vbucket is for this Compactor to look after, where
	// several share a store; nil means that all are. It is asked again and again.
	Mine func(vb int) bool
	// Level is that of everybody who reads the store; nil: state.Newest.
	Level func() state.Level
	// Log is told of what was set aside and of failures; nil means nobody is.
	Log *slog.Logger
	// Floor is the size in bytes below which a log is left alone; 0 means
	// 1 MiB. It keeps tiny stores from being compacted all the time.
	Floor int64
	// ColdQuery is the longest that reading a tab nobody asked for lately may
	// take, where that costs not too much compaction; 0 means 10 ms.
	ColdQuery time.Duration
	// Restart is the longest that reading a log again may take, as a View does
	// when it begins; 0 means 2 s.
	Restart time.Duration
	// Chunk is how many bytes of States are held at once, about; 0 means 32
	// MiB. The log is read once for every chunk of what it touches.
	Chunk int64
	// Page is how many bytes of the log are read at once, about; 0 means 8 MiB.
	Page int64
}

// Compactor folds the logs into the records and trims them. It rewrites the
// records of what a log touches, whatever the log has of them; so it runs as
// rarely as it may: when a log has grown to a multiple of the records it folds
// into, or to a part of them and a cold tab would take too long to read, or when a
// View would take too long to begin. How long that is it has seen when it last
// compacted. See due.
//
// Any number of Compactors may work on one store: the store applies an update
// only to the record it was made from.
type Compactor struct {
	st    store.Store
	reg   *state.Registry
	o     CompactorOptions
	kick  chan struct{}
	asks  asks
	grown []growth // by vbucket

	cold   speed // of reading one tab
	all    speed // of reading everything
	weight weight
}

// NewCompactor returns a Compactor of st. It does nothing until Run or one of
// its commands is called.
func NewCompactor(st store.Store, reg *state.Registry, o CompactorOptions) *Compactor {
	if o.Mine == nil {
		o.Mine = func(int) bool { return true }
	}
	if o.Level == nil {
		o.Level = func() state.Level { return state.Newest }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Floor <= 0 {
		o.Floor = 1 << 20
	}
	if o.ColdQuery <= 0 {
		o.ColdQuery = 10 * time.Millisecond
	}
	if o.Restart <= 0 {
		o.Restart = 2 * time.Second
	}
	if o.Chunk <= 0 {
		o.Chunk = 32 << 20
	}
	if o.Page <= 0 {
		o.Page = defaultPage
	}
	c := &Compactor{st: st, reg: reg, o: o, kick: make(chan struct{}, 1)}
	c.grown = make([]growth, c.vbuckets())
	return c
}

// Kick says that logs are to be looked at. It never blocks and costs nothing
// while a Kick is pending.
func (c *Compactor) Kick() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// restShare bounds what deciding may cost under load: at most one part in so
// many of the time is spent looking at sizes.
const restShare = 100

// Run compacts what is due at its start, after Kicks and as logs grow, until ctx
// ends. An idle store is not looked at.
func (c *Compactor) Run(ctx context.Context) {
	c.Kick()
	if v := c.o.View; v != nil {
		// A process that was just started, maybe after a crash in the middle
		// of much work, should answer before it tidies up.
		if err := v.CatchUp(ctx); err != nil {
			c.o.Log.Debug("the View could not catch up before the first compaction", "err", err)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.kick:
		}
		c.answer(ctx)
		deciding := c.pass(ctx)
		if wait.For(ctx, min(deciding*restShare, time.Second)) != nil {
			return
		}
	}
}

// pass compacts every vbucket of the share that is due and returns how long
// deciding took.
func (c *Compactor) pass(ctx context.Context) (deciding time.Duration) {
	start := time.Now()
	sized := c.sizes(ctx)
	deciding = time.Since(start)
	for _, s := range sized {
		err := s.err
		if err == nil && c.due(s.stats) {
			if err = c.compact(ctx, s.vb, s.stats, false); err == nil {
				_, err = c.look(ctx, s.vb)
			}
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrClosed) {
			c.o.Log.Error("compaction failed and will be tried again", "vbucket", s.vb, "err", err)
		}
	}
	return deciding
}

// How large a log becomes, in the sizes of its records. A byte of the log then
// costs at most a quarter of a byte of records written again, or four where a cold tab
// would take too long.
const (
	mostRecords  = 4
	leastRecords = 4 // the part of them is one in so many
)

// due decides whether a log is worth folding.
func (c *Compactor) due(s store.Stats) bool {
	switch {
	case s.LogBytes < c.o.Floor:
		return false
	case s.LogBytes >= mostRecords*s.RecordBytes, c.all.of(s.LogBytes) > c.o.Restart:
		return true
	}
	slow := !c.cold.known() || c.cold.of(s.LogBytes) > c.o.ColdQuery
	return s.LogBytes >= s.RecordBytes/leastRecords && slow
}

// Compact compacts every vbucket of the share, whether it is due or not.
func (c *Compactor) Compact(ctx context.Context) error { return c.compactAll(ctx, false) }

func (c *Compactor) vbuckets() int { return max(c.st.Meta().Partition.VBuckets, 1) }

// compact folds what the log holds now into the records of the tabs it
// touches, chunk by chunk, and trims it. If somebody else trims the log
// meanwhile it starts again. To renew is to write the records of all other tabs
// as well, as far as they would be written differently now.
func (c *Compactor) compact(ctx context.Context, vb int, stats store.Stats, renew bool) error {
	for range maxRestarts {
		if err := c.fold(ctx, vb, stats, renew); !errors.Is(err, store.ErrDiverged) {
			return err
		}
	}
	return nil // whoever trims it compacts it
}

func (c *Compactor) fold(ctx context.Context, vb int, stats store.Stats, renew bool) error {
	p := newPlanner()
	start := time.Now()
	end, err := pages(ctx, c.st, vb, c.o.Page, store.LoadRequest{Records: store.DirectoryOnly}, p.page)
	if err != nil {
		return err
	}
	c.all.learn(stats.LogBytes, time.Since(start))
	if renew {
		p.all()
	} else if end == p.trim {
		return nil
	}
	p.sort()
	if err := c.try(ctx, vb, p.names, stats.LogBytes); err != nil {
		return err
	}
	for {
		names, states := p.next(c.weight.states(c.o.Chunk))
		if len(names) == 0 {
			break
		}
		bytes, err := c.chunk(ctx, vb, names, renew)
		if err != nil {
			return err
		}
		c.weight.learn(states, bytes)
	}
	if v := c.o.View; v != nil {
		v.follow(ctx, vb)
	}
	_, err = c.st.Compact(ctx, vb, nil, end)
	return err
}

// tries is how many tabs are read to learn how long that takes. The least counts: a
// busy machine makes any single reading long.
const tries = 3

// try reads some of the tabs as a query would if they were cold.
func (c *Compactor) try(ctx context.Context, vb int, names []store.TabName, logBytes int64) error {
	var least time.Duration
	for i := range min(tries, len(names)) {
		one := []store.TabName{names[i*len(names)/tries]}
		start := time.Now()
		m := newMaterial(c.reg, store.WithAll, one, func(store.Tab, []byte, uint64) {})
		if _, err := pages(ctx, c.st, vb, c.o.Page, store.LoadRequest{Names: one, Records: store.WithAll}, m.follow); err != nil {
			return err
		}
		if d := time.Since(start); i == 0 || d < least {
			least = d
		}
	}
	c.cold.learn(logBytes, least)
	return nil
}

// chunk brings the records of some tabs to the end of the log. It returns how
// many bytes their States took.
func (c *Compactor) chunk(ctx context.Context, vb int, names []store.TabName, renew bool) (size int64, err error) {
	var lost asideCount
	m := newMaterial(c.reg, store.WithClients, names, lost.add)
	read := make(map[store.Tab]store.Position, len(names))
	var trim store.Position
	_, err = pages(ctx, c.st, vb, c.o.Page, store.LoadRequest{Names: names, Records: store.WithClients}, func(l *store.Loaded) {
		for i := range l.Records {
			read[l.Records[i].Tab] = l.Records[i].Position
		}
		if m.end == (store.Position{}) {
			trim = l.Trim // what was read belongs to the first page's
		}
		m.follow(l)
	})
	if err != nil {
		return 0, err
	}
	var updates []store.Update
	enc := arena{level: c.o.Level()}
	for _, n := range names {
		for _, t := range m.tabs[n] {
			size += int64(t.size)
			old, stored := read[t.tab]
			if !stored {
				old = trim
			}
			if fresh := renew && t.renew(enc.level); fresh || t.at > old.Offset {
				u := t.update(old, m.end, &enc)
				u.Stored = stored
				updates = append(updates, u)
			}
		}
	}
	done, err := c.st.Compact(ctx, vb, updates, store.Position{})
	if done.Stale > 0 {
		c.o.Log.Debug("somebody else compacted the same tabs", "vbucket", vb, "tabs", done.Stale)
	}
	if lost.states > 0 && err == nil {
		c.o.Log.Warn("States that cannot be decoded were set aside", "vbucket", vb, "states", lost.states,
			"events", lost.events, "first.tab", lost.tab.Name, "first.type", lost.tab.Type, "first.client", lost.client)
	}
	return size, err
}

// asideCount counts States that were set aside and remembers the first, so
// that bad input cannot flood the log.
type asideCount struct {
	states, events uint64
	tab            store.Tab
	client         string
}

func (a *asideCount) add(t store.Tab, client []byte, events uint64) {
	if a.states == 0 {
		a.tab, a.client = t, string(client)
	}
	a.states++
	a.events += events
}
