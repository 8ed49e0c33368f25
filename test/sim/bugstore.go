package sim

import (
	"context"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/view"
)

// claims are the chains that senders said they had after a number.
type claims map[claim]store.Chain

type claim struct {
	id  store.SourceID
	vb  int
	seq uint64
}

// loose decides without the chain: by the number alone or, with prev, by the
// number and that before it. What it stores is made to fit.
type loose struct {
	store.Store
	claims claims
	prev   bool
}

// Append implements store.Store.
func (l *loose) Append(ctx context.Context, parts []store.Part) ([]store.PartResult, error) {
	parts = cloneParts(parts)
	for i := range parts {
		p := &parts[i]
		l.claims[claim{p.Source, p.VB, p.Seq}] = p.Chain
		heads, err := l.Store.Heads(ctx, p.Source)
		if err != nil || heads[p.VB].Verdict != store.Applied {
			continue
		}
		head := heads[p.VB].Head
		switch {
		case head.Seq >= p.Seq: // sent again as it was stored: a duplicate
			p.Seq, p.Chain = head.Seq, head.Chain
		case !l.prev || head.Seq == p.Prev:
			p.Prev, p.Chain = head.Seq, store.NextChain(head.Chain, p.Seq, head.Seq, p.Digest)
		}
	}
	rs, err := l.Store.Append(ctx, parts)
	for i := range rs {
		rs[i].Head.Chain = l.claims[claim{parts[i].Source, parts[i].VB, rs[i].Head.Seq}]
	}
	return rs, err
}

// Heads implements store.Store.
func (l *loose) Heads(ctx context.Context, id store.SourceID) ([]store.SourceHead, error) {
	heads, err := l.Store.Heads(ctx, id)
	l.claimed(id, heads)
	return heads, err
}

// Close implements store.Store.
func (l *loose) Close(ctx context.Context, id store.SourceID, t store.Token) (store.Closed, error) {
	c, err := l.Store.Close(ctx, id, t)
	l.claimed(id, c.Heads)
	return c, err
}

func (l *loose) claimed(id store.SourceID, heads []store.SourceHead) {
	for i := range heads {
		h := &heads[i]
		h.Head.Chain = l.claims[claim{id, h.VB, h.Head.Seq}]
	}
}

// amnesiac forgets watermarks and takes the source for new: at every
// collection of garbage, or when it is asked about one it has forgotten.
type amnesiac struct {
	store.Store
	early bool
	known map[store.SourceID]store.SourceID // under what id a source is now
}

func newAmnesiac(st store.Store, early bool) *amnesiac {
	return &amnesiac{st, early, map[store.SourceID]store.SourceID{}}
}

// as is the id under which a source is kept.
func (a *amnesiac) as(id store.SourceID) store.SourceID {
	if other, ok := a.known[id]; ok {
		return other
	}
	return id
}

func (a *amnesiac) forget(id store.SourceID) {
	fresh := a.as(id)
	fresh.Nonce[15]++
	fresh.Birth = 1 << 50
	a.known[id] = fresh
}

// GC implements store.Store.
func (a *amnesiac) GC(ctx context.Context, elapsed time.Duration, now time.Time) (int, error) {
	if a.early {
		for id := range a.known {
			a.forget(id)
		}
	}
	return a.Store.GC(ctx, elapsed, now)
}

// Append implements store.Store.
func (a *amnesiac) Append(ctx context.Context, parts []store.Part) ([]store.PartResult, error) {
	renamed := cloneParts(parts)
	for i := range parts {
		a.known[parts[i].Source] = a.as(parts[i].Source)
		renamed[i].Source = a.as(parts[i].Source)
	}
	rs, err := a.Store.Append(ctx, renamed)
	for i := range rs {
		if rs[i].Verdict == store.SourceGone {
			a.forget(parts[i].Source)
			return a.Append(ctx, parts)
		}
	}
	return rs, err
}

// Heads implements store.Store.
func (a *amnesiac) Heads(ctx context.Context, id store.SourceID) ([]store.SourceHead, error) {
	return a.Store.Heads(ctx, a.as(id))
}

// Close implements store.Store.
func (a *amnesiac) Close(ctx context.Context, id store.SourceID, t store.Token) (store.Closed, error) {
	return a.Store.Close(ctx, a.as(id), t)
}

// hasty raises horizons as far as the clock says.
type hasty struct{ store.Store }

// GC implements store.Store.
func (h hasty) GC(ctx context.Context, _ time.Duration, now time.Time) (int, error) {
	return h.Store.GC(ctx, 1000*24*time.Hour, now)
}

// careless compacts whatever has the same offset.
type careless struct{ store.Store }

// Compact implements store.Store.
func (c careless) Compact(ctx context.Context, vb int, us []store.Update, trim store.Position) (store.Compacted, error) {
	l, err := c.Store.Load(ctx, vb, store.LoadRequest{Records: store.DirectoryOnly})
	if err != nil {
		return store.Compacted{}, err
	}
	at := map[uint64]store.Position{l.Trim.Offset: l.Trim}
	for i := range l.Entries {
		at[l.Entries[i].Position.Offset] = l.Entries[i].Position
	}
	same := func(p *store.Position) {
		if now, ok := at[p.Offset]; ok {
			*p = now
		}
	}
	for i := range us {
		same(&us[i].New)
		if us[i].Old.Offset == l.Trim.Offset {
			us[i].Old = l.Trim
		}
		for _, r := range l.Records {
			if r.Tab == us[i].Tab && r.Position.Offset == us[i].Old.Offset {
				us[i].Old = r.Position
			}
		}
	}
	same(&trim)
	return c.Store.Compact(ctx, vb, us, trim)
}

// twoSteps reads the records at one time and the log at another; between the
// two somebody compacts.
type twoSteps struct{ store.Store }

// Load implements store.Store.
func (t twoSteps) Load(ctx context.Context, vb int, r store.LoadRequest) (*store.Loaded, error) {
	l, err := t.Store.Load(ctx, vb, r)
	if err != nil || r.Records == store.NoRecords {
		return l, err
	}
	if err := view.NewCompactor(t.Store, registry, view.CompactorOptions{}).Compact(ctx); err != nil {
		return nil, err
	}
	later, err := t.Store.Load(ctx, vb, r)
	if err != nil {
		return nil, err
	}
	later.Records = l.Records
	return later, nil
}
