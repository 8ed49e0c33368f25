// Package storetest is the store contract as tests. Every engine runs it, and
// is compared with the reference engine, store.Mem, under random operations.
//
// The suite opens many small stores and uses them from the test's goroutine,
// but for the tests of concurrency, which start a few of their own and wait
// for them. It never sleeps; the clock is a parameter of the contract.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// Config is what the suite wants of a store.
type Config struct {
	VBuckets int
	Created  time.Time // by the store's clock
}

// Opened is a new store and what else its engine can do.
type Opened struct {
	Store store.Store
	// Reopen shuts the store down and opens it again on the same data. It is
	// nil for an engine that keeps nothing.
	Reopen func() store.Store
}

// Open opens a new, empty store. It registers its own clean-up with t.
type Open func(t testing.TB, c Config) Opened

// Run runs the whole suite.
func Run(t *testing.T, open Open) {
	tests := []struct {
		name string
		run  func(e *env)
	}{
		{"Meta", testMeta},
		{"Decide/Apply", testApply},
		{"Decide/Duplicate", testDuplicate},
		{"Decide/Gap", testGap},
		{"Decide/Forked", testForked},
		{"Decide/SeveralInOneCall", testSeveral},
		{"Decide/BadParts", testBadParts},
		{"Source/Birth", testBirth},
		{"Source/Unknown", testUnknown},
		{"Source/Close", testClose},
		{"Source/CloseUnused", testCloseUnused},
		{"Source/GC", testGC},
		{"Source/GCClock", testGCClock},
		{"Source/Heads", testHeads},
		{"Load/ReadYourWrites", testReadYourWrites},
		{"Load/After", testAfter},
		{"Load/Diverged", testDiverged},
		{"Load/Names", testNames},
		{"Load/MaxBytes", testMaxBytes},
		{"Load/Details", testDetails},
		{"Load/Owned", testOwned},
		{"Log/Commands", testCommands},
		{"Log/Identity", testIdentity},
		{"Compact/Update", testUpdate},
		{"Compact/StaleRecord", testStaleRecord},
		{"Compact/UnknownEntry", testUnknownEntry},
		{"Compact/Reset", testReset},
		{"Compact/Remove", testRemove},
		{"Compact/TrimStopsAtUnfolded", testTrimStops},
		{"Compact/TrimStopsAtDelete", testTrimDelete},
		{"Compact/TrimStopsAtPrune", testTrimPrune},
		{"Compact/TrimUnknown", testTrimUnknown},
		{"Stats", testStats},
		{"Odd/Names", testOddNames},
		{"Odd/VBuckets", testVBuckets},
		{"Members", testMembers},
		{"Shutdown", testShutdown},
		{"Reopen", testReopen},
		{"Concurrent", testConcurrent},
		{"Random", testRandom},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(newEnv(t, open)) })
	}
}

// created is when the suite's stores are made: any whole millisecond will do.
var created = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// env is what a test works with.
type env struct {
	*testing.T
	ctx  context.Context
	open Open
	Opened
}

const vbuckets = 3

func newEnv(t *testing.T, open Open) *env {
	e := &env{T: t, ctx: t.Context(), open: open}
	e.Opened = open(t, Config{VBuckets: vbuckets, Created: created})
	return e
}

// ok fails the test on an error.
func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func equal[T comparable](e *env, what string, got, want T) {
	e.Helper()
	if got != want {
		e.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// sender is a Source and its own history.
type sender struct {
	id    store.SourceID
	heads map[int]store.Head
}

func (e *env) newSender(n byte) *sender {
	e.Helper()
	id, err := e.Store.Open(e.ctx, store.ClassSpool, store.Nonce{n}, created)
	e.ok(err)
	return &sender{id: id, heads: map[int]store.Head{}}
}

// next seals the next part of a vbucket.
func (s *sender) next(vb int, body []byte) store.Part {
	prev := s.heads[vb]
	p := seal(s.id, vb, prev, prev.Seq+1, body)
	s.heads[vb] = store.Head{Seq: p.Seq, Chain: p.Chain}
	return p
}

// seal makes a part that follows prev.
func seal(id store.SourceID, vb int, prev store.Head, seq uint64, body []byte) store.Part {
	p := store.Part{Source: id, VB: vb, Seq: seq, Prev: prev.Seq, Body: body, Digest: digest(body), Events: events(body)}
	p.Chain = store.NextChain(prev.Chain, p.Seq, p.Prev, p.Digest)
	return p
}

// digest stands for the strong hash of the wire: enough to tell bodies apart.
func digest(body []byte) (d store.Digest) {
	for i, b := range body {
		d[i%len(d)] = d[i%len(d)]*31 + b
	}
	return d
}

func events(body []byte) (n uint64) {
	r := store.NewBodyReader(body)
	for r.NextTab() {
		n += r.Tab.Events
	}
	return n
}

// append appends parts that must all get the verdict.
func (e *env) append(want store.Verdict, parts ...store.Part) []store.PartResult {
	e.Helper()
	results, err := e.Store.Append(e.ctx, parts)
	e.ok(err)
	equal(e, "results", len(results), len(parts))
	for i, r := range results {
		e.ok(r.Err)
		if r.Verdict != want {
			e.Fatalf("part %d: got %v, want %v", i, r.Verdict, want)
		}
	}
	return results
}

// put appends a body to vbucket 0 and returns its position.
func (e *env) put(s *sender, body []byte) store.Position {
	e.Helper()
	return e.append(store.Applied, s.next(0, body))[0].Position
}

func (e *env) load(req store.LoadRequest) *store.Loaded {
	e.Helper()
	l, err := e.Store.Load(e.ctx, 0, req)
	e.ok(err)
	return l
}

func (e *env) compact(trim store.Position, updates ...store.Update) store.Compacted {
	e.Helper()
	done, err := e.Store.Compact(e.ctx, 0, updates, trim)
	e.ok(err)
	return done
}

func (e *env) command(c store.Command) store.Position {
	e.Helper()
	at, err := e.Store.Command(e.ctx, 0, c)
	e.ok(err)
	return at
}

// balanced checks the ledger of vbucket 0.
func (e *env) balanced() store.Stats {
	e.Helper()
	s, err := e.Store.Audit(e.ctx, 0)
	e.ok(err)
	if sum := s.Recorded + s.Tail + s.Pruned + s.Deleted + s.SetAside; sum != s.Appended {
		e.Fatalf("the ledger does not add up: %d appended, %d accounted for: %+v", s.Appended, sum, s)
	}
	return s
}

// body makes a body of one Partial of n events per tab.
func body(n uint64, tabs ...string) []byte {
	var w store.BodyWriter
	for _, name := range tabs {
		w.Tab(tab(name))
		w.Partial("client", n, func(dst []byte) []byte { return append(dst, byte(n)) })
	}
	return w.Bytes()
}

func tab(name string) store.Tab { return store.Tab{Name: name, Type: "Total"} }

func names(of ...string) []store.TabName {
	list := make([]store.TabName, len(of))
	for i, n := range of {
		list[i].Name = n
	}
	return list
}

// offsets lists the offsets of entries.
func offsets(l *store.Loaded) (list []uint64) {
	for i := range l.Entries {
		list = append(list, l.Entries[i].Position.Offset)
	}
	return list
}
