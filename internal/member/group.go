package member

import (
	"context"
	crand "crypto/rand"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// Options of a Group. Members and Say are needed.
type Options struct {
	Members  store.Members
	VBuckets int
	// Say returns what this server is and how it does; its name is always the
	// same. Beat is filled in.
	Say func() Info
	// Unsaid is the level of encodings that members read that do not say it, and
	// Oldest the one that everybody reads.
	Unsaid, Oldest int
	// Told is called when another member says something new, with what it said
	// before. Nil: nobody is told. It must not block.
	Told func(before, after Info)
	// Changed is called when members have come or gone. Nil: nobody is told.
	// It must not block.
	Changed func()
	// Log gets what an operator should know; nil: nobody does.
	Log *slog.Logger
}

// Group is the members as one of them sees them.
type Group struct {
	o    Options
	id   store.MemberID
	name string

	start time.Time // what times count from, by the monotonic clock

	level atomic.Int64 // of encodings, that all read

	mu     sync.Mutex // guards what follows
	track  *tracker
	met    bool     // the others were seen, once
	owners []string // per vbucket, and of what is done once
	others []Peer   // those that live
	names  []string // of them and of this one
	backs  []string // of those of them that look after vbuckets
	failed bool     // the last time members were read
	twin   bool     // another server goes by this name, and it was said
	beat   uint64
}

// New returns a Group of one. Run makes it known.
func New(o Options) *Group {
	if o.Told == nil {
		o.Told = func(Info, Info) {}
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	g := &Group{o: o, name: o.Say().Name, start: time.Now(), track: newTracker()}
	_, _ = crand.Read(g.id[:]) // never fails
	g.settle()
	g.level.Store(int64(o.Oldest)) // it is not known yet who is there
	return g
}

// Run announces this server until ctx ends, and then takes its leave.
func (g *Group) Run(ctx context.Context) {
	for {
		beat := g.Beat(ctx)
		// Not all at once: up to a tenth earlier than was said.
		early := time.Duration(rand.Int64N(int64(beat)/10 + 1))
		select {
		case <-ctx.Done():
			g.leave()
			return
		case <-time.After(beat - early):
		}
	}
}

// leaveWithin bounds a farewell. Who cannot take his leave is missed.
const leaveWithin = 2 * time.Second

func (g *Group) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	if err := g.o.Members.Forget(ctx, g.id); err != nil {
		g.o.Log.Debug("the other servers will have to miss this one, it could not say that it stops", "error", err)
	}
}

// Beat announces this server once, reads what all say, and returns how long
// the next beat may be away.
func (g *Group) Beat(ctx context.Context) time.Duration {
	info := g.o.Say()
	g.mu.Lock()
	beat := beatOf(len(g.names))
	g.beat++
	info.Beat = beat.Milliseconds()
	m := store.Member{ID: g.id, Beat: g.beat, Says: info.encode()}
	g.mu.Unlock()
	list, err := g.o.Members.Announce(ctx, m)
	if err != nil {
		g.missed(ctx, err)
		return beat
	}
	dead, changed := g.heard(list)
	if changed {
		g.o.Changed()
	}
	if len(dead) > 0 {
		if err := g.o.Members.Forget(ctx, dead...); err != nil {
			g.o.Log.Debug("members that are gone could not be forgotten", "error", err)
		}
	}
	return beat
}

// missed notes that members could not be read: who was there is taken to be
// there still.
func (g *Group) missed(ctx context.Context, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.failed && ctx.Err() == nil {
		g.o.Log.Warn("the other servers cannot be seen; those that were there are taken to be there", "error", err)
	}
	g.failed = true
}

func (g *Group) heard(list []store.Member) (dead []store.MemberID, changed bool) {
	list = slices.DeleteFunc(list, func(m store.Member) bool { return m.ID == g.id })
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failed = false
	dead = g.track.look(list, time.Since(g.start), func(before, after Info) {
		if after.Name == g.name && !g.twin {
			g.twin = true
			g.o.Log.Warn("another server goes by this one's name: give each its own, or their work is not divided", "name", g.name, "address", after.Address)
		}
		g.o.Told(before, after)
	})
	return dead, g.settle()
}

// settle divides the work and reports whether members have come or gone.
func (g *Group) settle() (changed bool) {
	list := g.live()
	var names []string
	g.others = g.others[:0]
	for _, p := range list {
		if p.ID != g.id {
			g.others = append(g.others, p)
		}
		names = append(names, p.Info.Name)
	}
	backs := g.lookers(list)
	g.agree(list)
	if g.owners != nil && slices.Equal(names, g.names) && slices.Equal(backs, g.backs) {
		return false
	}
	if g.owners != nil {
		g.o.Log.Info("servers have come or gone", "joined", difference(names, g.names), "left", difference(g.names, names), "servers", len(names))
	}
	g.names, g.backs, g.owners = names, backs, shares(backs, g.o.VBuckets)
	return true
}

func difference(a, b []string) (only []string) {
	for _, s := range a {
		if !slices.Contains(b, s) {
			only = append(only, s)
		}
	}
	return only
}

// live returns who lives, this server included.
func (g *Group) live() []Peer {
	own := g.o.Say()
	list := slices.DeleteFunc(g.track.live(time.Since(g.start)), func(p Peer) bool { return p.Info.Name == g.name })
	at, _ := slices.BinarySearchFunc(list, g.name, func(p Peer, name string) int { return strings.Compare(p.Info.Name, name) })
	return slices.Insert(list, at, Peer{ID: g.id, Info: own})
}

// Live returns the servers that live, sorted by name; this one as it is now.
func (g *Group) Live() []Peer {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.live()
}

// Others calls f for the other servers that lived at the last beat. It is cheap.
func (g *Group) Others(f func(*Peer)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.others {
		f(&g.others[i])
	}
}

// Mine reports whether a vbucket is this server's to look after.
func (g *Group) Mine(vb int) bool { return g.owns(vb) }

// Leads reports whether what is to be done by one server is this one's to do.
func (g *Group) Leads() bool { return g.owns(g.o.VBuckets) }

func (g *Group) owns(n int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.owners[n] == g.name
}

// Share returns how many vbuckets a member looks after.
func (g *Group) Share(name string) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, owner := range g.owners[:g.o.VBuckets] {
		if owner == name {
			n++
		}
	}
	return n
}
