package member

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// world is servers that share a store.
type world struct {
	*testing.T
	st   *store.Mem
	mu   sync.Mutex
	away bool // the store
	log  bytes.Buffer
}

func newWorld(t *testing.T) *world { return &world{T: t, st: store.NewMem(store.MemOptions{})} }

func (w *world) Announce(ctx context.Context, m store.Member) ([]store.Member, error) {
	if w.isAway() {
		return nil, errors.New("the store is away")
	}
	return w.st.Announce(ctx, m)
}

func (w *world) Forget(ctx context.Context, ids ...store.MemberID) error {
	if w.isAway() {
		return errors.New("the store is away")
	}
	return w.st.Forget(ctx, ids...)
}

func (w *world) isAway() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.away
}

func (w *world) setAway(away bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = away
}

func (w *world) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(b)
}

func (w *world) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// node is one server.
type node struct {
	*Group
	mortal
	end     context.CancelFunc
	commits atomic.Uint64
	heard   atomic.Uint64 // how often another said that it committed
}

// mortal is a way to a store that can be cut: its server is dead for all others.
type mortal struct {
	store.Members
	cut *atomic.Bool
}

func (m mortal) Announce(ctx context.Context, who store.Member) ([]store.Member, error) {
	if m.cut.Load() {
		return nil, errors.New("dead")
	}
	return m.Members.Announce(ctx, who)
}

func (m mortal) Forget(ctx context.Context, ids ...store.MemberID) error {
	if m.cut.Load() {
		return errors.New("dead")
	}
	return m.Members.Forget(ctx, ids...)
}

const vbuckets = 16

func (w *world) join(name string, roles ...string) *node { return w.joinReading(2, name, roles...) }

// joinReading is join for a server of a release that reads some encodings; one
// from before releases said what they read, if that is 0.
func (w *world) joinReading(encodings int, name string, roles ...string) *node {
	n := &node{mortal: mortal{w, new(atomic.Bool)}}
	n.Group = New(Options{
		Members: n.mortal, VBuckets: vbuckets, Log: slog.New(slog.NewTextHandler(w, nil)), Unsaid: 2, Oldest: 1,
		Say:  func() Info { return Info{Name: name, Roles: roles, Encodings: encodings, Commits: n.commits.Load()} },
		Told: func(before, after Info) { n.heard.Add(after.Commits - before.Commits) },
	})
	ctx, end := context.WithCancel(w.Context())
	n.end = end
	w.Cleanup(end)
	go n.Run(ctx)
	synctest.Wait()
	return n
}

// dies is kill -9.
func (n *node) dies() { n.cut.Store(true) }

func (n *node) sees() string {
	var names []string
	for _, p := range n.Live() {
		names = append(names, p.Info.Name)
	}
	return strings.Join(names, " ")
}

// divided requires that each vbucket is exactly one's, and what is done once.
func (w *world) divided(nodes ...*node) {
	w.Helper()
	for vb := range vbuckets {
		owners := 0
		for _, n := range nodes {
			if n.Mine(vb) {
				owners++
			}
		}
		if owners != 1 {
			w.Errorf("vbucket %d is looked after by %d servers", vb, owners)
		}
	}
	leaders := 0
	for _, n := range nodes {
		if n.Leads() {
			leaders++
		}
	}
	if leaders != 1 {
		w.Errorf("%d servers do what is to be done by one", leaders)
	}
}

func (w *world) want(n *node, sees string) {
	w.Helper()
	if got := n.sees(); got != sees {
		w.Errorf("a server sees %q, want %q", got, sees)
	}
}

// TestMembership: who comes is taken in and who dies is taken out within
// seconds, who stops at once.
func TestMembership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.join("a", Roles...)
		for vb := range vbuckets {
			if !a.Mine(vb) {
				t.Errorf("vbucket %d is nobody's", vb)
			}
		}
		b := w.join("b", Roles...)
		w.want(b, "a b")
		time.Sleep(minBeat)
		w.want(a, "a b")
		w.divided(a, b)
		c := w.join("c", Back)
		front := w.join("f", Front)
		time.Sleep(minBeat)
		w.want(a, "a b c f")
		w.divided(a, b, c)
		for vb := range vbuckets {
			if front.Mine(vb) {
				t.Errorf("vbucket %d is looked after by a server that is no %s", vb, Back)
			}
		}
		if got := a.Share("a") + a.Share("b") + a.Share("c"); got != vbuckets {
			t.Errorf("%d vbuckets are looked after", got)
		}
		c.dies()
		time.Sleep((lease + 2) * minBeat)
		w.want(a, "a b f")
		w.divided(a, b)
		b.end()
		synctest.Wait()
		time.Sleep(minBeat)
		w.want(a, "a f")
		time.Sleep(grave * minBeat)
		list, err := w.st.Announce(t.Context(), store.Member{})
		if err != nil || len(list) != 3 {
			t.Errorf("%d rows are left of a, f and this one: %v", len(list)-1, err)
		}
		c.cut.Store(false) // it was only stopped
		time.Sleep(2 * minBeat)
		w.want(a, "a c f")
		w.divided(a, c)
	})
}

// TestStoreAway: while the store cannot be read nobody is buried, nor when it
// comes back with what was said long ago.
func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.join("a", Roles...), w.join("b", Roles...)
		time.Sleep(minBeat)
		w.setAway(true)
		time.Sleep(10 * time.Minute)
		w.want(a, "a b")
		w.divided(a, b)
		w.setAway(false)
		for range 100 {
			time.Sleep(minBeat / 10)
			w.want(a, "a b")
			w.want(b, "a b")
		}
		if n := strings.Count(w.text(), "cannot be seen"); n != 2 {
			t.Errorf("it was said %d times that the store is away", n)
		}
	})
}

// TestTold: what a member says anew is passed on once.
func TestTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.join("a", Roles...), w.join("b", Front)
		time.Sleep(3 * minBeat)
		b.commits.Store(7)
		time.Sleep(3 * minBeat)
		if n := a.heard.Load(); n != 7 {
			t.Errorf("heard of %d commits, want 7", n)
		}
	})
}

// TestNames: a server that is killed and starts again under its name is one
// server, and two servers of one name are told apart in the log.
func TestNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.join("a", Roles...), w.join("b", Back)
		time.Sleep(minBeat)
		a.dies()
		again := w.join("a", Front, Control)
		time.Sleep(2 * minBeat)
		w.want(b, "a b")
		w.want(again, "a b")
		if b.Live()[0].Info.Has(Back) {
			t.Error("what a killed server was is told, and not what it is now")
		}
		w.divided(again, b)
		if strings.Contains(w.text(), "name") {
			t.Errorf("a server was started again: %s", w.text())
		}
		w.join("b", Back)
		time.Sleep(3 * minBeat)
		if n := strings.Count(w.text(), "goes by this one's name"); n != 2 {
			t.Errorf("it was said %d times that two servers have one name", n)
		}
	})
}

// TestEncodings: all write what all of them read, from a beat after one has come
// on and until the last of those that read less has left; of those that look after
// vbuckets it is the ones that read the most. While nobody can be seen it is what
// everybody reads.
func TestEncodings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.setAway(true)
		a := w.joinReading(3, "a", Roles...)
		writes := func(n *node, want int) {
			t.Helper()
			if got := n.Encodings(); got != want {
				t.Errorf("encodings of level %d are written, want %d", got, want)
			}
		}
		writes(a, 1)
		w.setAway(false)
		time.Sleep(minBeat)
		writes(a, 3)
		if log := w.text(); strings.Contains(log, "encodings") {
			t.Errorf("a server that is alone tells of encodings: %s", log)
		}
		unsaid := w.joinReading(0, "b", Roles...)
		writes(unsaid, 2)
		time.Sleep(minBeat)
		writes(a, 2)
		one := w.joinReading(1, "c", Front)
		time.Sleep(minBeat)
		writes(a, 1)
		writes(unsaid, 1)
		w.divided(a)
		if n := unsaid.Share("b"); n != 0 {
			t.Errorf("a server that reads less than another one looks after %d vbuckets", n)
		}
		if n := strings.Count(w.text(), "a server reads older encodings only"); n != 3 {
			t.Errorf("it was said %d times that a server reads less, want twice by a and once by b: %s", n, w.text())
		}
		w.setAway(true)
		time.Sleep(10 * minBeat)
		writes(a, 1)
		w.setAway(false)
		one.dies()
		time.Sleep((lease + 2) * minBeat)
		writes(a, 2)
		unsaid.end()
		synctest.Wait()
		time.Sleep(minBeat)
		writes(a, 3)
	})
}

// TestManyMembers: the more there are, the more seldom they speak, and nobody
// is taken for dead.
func TestManyMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var all []*node
		for i := range 110 {
			role := Front
			if i < 3 {
				role = Back
			}
			all = append(all, w.join(fmt.Sprint("server", i), role))
		}
		for range 4 {
			time.Sleep(2 * minBeat)
			if n := len(all[0].Live()); n != len(all) {
				t.Fatalf("%d of %d are seen", n, len(all))
			}
		}
		w.divided(all[:3]...)
		if beat := all[0].Beat(t.Context()); beat != 1100*time.Millisecond {
			t.Errorf("a beat is %v", beat)
		}
	})
}

// TestStrangers: what nobody of us says is left alone.
func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i, says := range []string{"", "{", `{"name":""}`, `{"roles":["be"]}`, `[1]`, "\xff"} {
			if _, err := w.st.Announce(t.Context(), store.Member{ID: store.MemberID{byte(i)}, Says: []byte(says)}); err != nil {
				t.Fatal(err)
			}
		}
		a := w.join("a", Roles...)
		time.Sleep(2 * minBeat)
		w.want(a, "a")
		w.divided(a)
	})
}

// TestShares: when a member goes only what it had changes hands, and who has
// what is the same in every release.
func TestShares(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	before := shares(names, 1000)
	count := map[string]int{}
	for _, owner := range before {
		count[owner]++
	}
	for _, n := range names {
		if count[n] < 150 {
			t.Errorf("%s has %d of 1,000 vbuckets", n, count[n])
		}
	}
	for vb, owner := range shares(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "c" }), 1000) {
		if before[vb] != "c" && owner != before[vb] {
			t.Errorf("vbucket %d went from %s to %s, which c's end is no reason for", vb, before[vb], owner)
		}
	}
	if got := strings.Join(shares(names, 15), ""); got != "cabaabcdbcdbadca" {
		t.Errorf("the work is divided as %s: releases would disagree", got)
	}
	if got := strings.Join(shares(nil, 3), ""); got != "" {
		t.Errorf("nobody's work is %q's", got)
	}
}

func FuzzInfo(f *testing.F) {
	whole := Info{Name: "a", Roles: Roles, Beat: 1000, Sent: Reconciliation{Lost: 1}}
	f.Add(whole.encode())
	f.Add([]byte(`{"name":"a","beat_ms":-9223372036854775808}`))
	f.Fuzz(func(t *testing.T, says []byte) {
		if i, ok := decode(says); ok {
			if b := i.beat(); b < minBeat || b > maxBeat {
				t.Errorf("a beat of %v", b)
			}
			if _, ok := decode(i.encode()); !ok {
				t.Errorf("%s cannot be read back", i.encode())
			}
		}
	})
}
