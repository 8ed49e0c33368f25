package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

var errAway = errors.New("a shard of the store is away")

var errLink = errors.New("the connection to the store was lost")

// compaction is what a link calls one.
const compaction = "compaction"

// link is a server process's connection to the store. What goes through it may
// be lost before or after it was done, or be done later, when the server has
// given up or is no more.
type link struct {
	store.Store
	w *World
}

// do sends something through the link. later is called if it is done late.
func (l *link) do(what string, chance int, done func() error, later func()) error {
	w := l.w
	if !w.chance(chance) {
		return done()
	}
	how := w.rng.IntN(3)
	if what == compaction {
		how = 2 // it is held up: that is what Slow says
	}
	switch how {
	case 0:
		w.say("  the store never hears of the %s", what)
	case 1:
		w.say("  the %s is done, but the server does not learn it", what)
		_ = done()
	default:
		w.say("  the %s hangs and may be done later", what)
		w.late = append(w.late, func() {
			w.say("a late %s reaches the store", what)
			later()
		})
	}
	return errLink
}

// Append implements store.Store.
func (l *link) Append(ctx context.Context, parts []store.Part) (rs []store.PartResult, err error) {
	parts = cloneParts(parts)
	if len(parts) > 0 && l.w.isAway(parts[0].VB) {
		l.w.say("  the shard of vbucket %d is away", parts[0].VB)
		if l.w.rng.IntN(4) == 0 { // it is done when the shard goes on
			l.w.late = append(l.w.late, func() { _, _ = l.w.store.Append(ctx, parts) })
		}
		return nil, errAway
	}
	err = l.do("commit", l.w.mix.Link, func() (err error) {
		rs, err = l.Store.Append(ctx, parts)
		return err
	}, func() { _, _ = l.w.store.Append(ctx, parts) })
	return rs, err
}

// Compact implements store.Store.
func (l *link) Compact(ctx context.Context, vb int, us []store.Update, trim store.Position) (done store.Compacted, err error) {
	if l.w.isAway(vb) {
		return done, errAway
	}
	for i := range us {
		us[i].Clients = slices.Clone(us[i].Clients)
	}
	err = l.do(compaction, l.w.mix.Slow, func() (err error) {
		done, err = l.Store.Compact(ctx, vb, us, trim)
		return err
	}, func() { _, _ = l.w.store.Compact(ctx, vb, us, trim) })
	return done, err
}

// Command implements store.Store.
func (l *link) Command(ctx context.Context, vb int, c store.Command) (at store.Position, err error) {
	if l.w.isAway(vb) {
		return at, errAway
	}
	err = l.do("command", l.w.mix.Link, func() (err error) {
		at, err = l.Store.Command(ctx, vb, c)
		return err
	}, func() {
		for _, n := range c.Names {
			l.w.book.deleted(n.Name, false, len(l.w.book.fates))
		}
		_, _ = l.w.store.Command(ctx, vb, c)
	})
	return at, err
}

// Close implements store.Store.
func (l *link) Close(ctx context.Context, id store.SourceID, t store.Token) (c store.Closed, err error) {
	if slices.Contains(l.w.away, true) {
		return c, errAway
	}
	err = l.do("close of a source", l.w.mix.Link, func() (err error) {
		c, err = l.Store.Close(ctx, id, t)
		return err
	}, func() { _, _ = l.w.store.Close(ctx, id, t) })
	return c, err
}

// Heads implements store.Store: it needs every shard.
func (l *link) Heads(ctx context.Context, id store.SourceID) ([]store.SourceHead, error) {
	if slices.Contains(l.w.away, true) {
		return nil, errAway
	}
	return l.Store.Heads(ctx, id)
}

// Load implements store.Store.
func (l *link) Load(ctx context.Context, vb int, r store.LoadRequest) (*store.Loaded, error) {
	if l.w.isAway(vb) {
		return nil, errAway
	}
	return l.Store.Load(ctx, vb, r)
}

// GC implements store.Store.
func (l *link) GC(ctx context.Context, elapsed time.Duration, now time.Time) (n int, err error) {
	err = l.do("garbage collection", l.w.mix.Link, func() (err error) {
		n, err = l.Store.GC(ctx, elapsed, now)
		return err
	}, func() { _, _ = l.w.store.GC(ctx, elapsed, now) })
	return n, err
}
