package forward

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
)

// The tests run Forwarders step by step, without their goroutine, against a
// store that can lose what it acknowledged and a network that loses, delays
// and repeats. Every record is a tab of its own with one event, so the store
// shows which were counted and how often.

// sumFold is a Folder for bodies whose States mean nothing.
type sumFold struct {
	events map[string]uint64
	size   int
}

func (s *sumFold) AddBody(body []byte, _ func(store.Tab, string, uint64, []byte, error)) error {
	r := store.NewBodyReader(body)
	for r.NextTab() {
		for r.NextPartial() {
			s.events[string(r.Tab.Name)] += r.Partial.Events
		}
	}
	s.size += len(body)
	return r.Err()
}

func (s *sumFold) Size() int { return s.size }
func (s *sumFold) Reset()    { s.events, s.size = make(map[string]uint64), 0 }

func (s *sumFold) Encode(p store.Partition, emit func(int, []byte, uint64)) {
	for vb := range p.VBuckets {
		var w store.BodyWriter
		for _, name := range slices.Sorted(maps.Keys(s.events)) {
			if p.Of("", name) == vb {
				w.Tab(store.Tab{Name: name, Type: "T"})
				w.Partial("c", s.events[name], func(dst []byte) []byte { return dst })
			}
		}
		if events := w.Events(); events > 0 {
			emit(vb, w.Bytes(), events)
		}
	}
}

func bodyOf(name string) []byte {
	var w store.BodyWriter
	w.Tab(store.Tab{Name: name, Type: "T"})
	w.Partial("c", 1, func(dst []byte) []byte { return dst })
	return slices.Clone(w.Bytes())
}

// shelf is a store of V vbuckets that decides as every engine does.
type shelf struct {
	id      [16]byte
	part    store.Partition
	epoch   store.Epoch
	birth   int64
	horizon int64
	stable  bool // reports that nothing applied can be lost
	vbs     []shelfVB
}

type shelfVB struct {
	rows   map[store.SourceID]store.Row
	counts map[string]uint64
}

func newShelf(vbuckets int) *shelf {
	s := &shelf{id: [16]byte{1}, epoch: store.Epoch{1}, part: store.Partition{Version: 1, VBuckets: vbuckets, Key: 7}}
	for range vbuckets {
		s.vbs = append(s.vbs, shelfVB{rows: map[store.SourceID]store.Row{}, counts: map[string]uint64{}})
	}
	return s
}

func (s *shelf) clone() *shelf {
	c := *s
	c.vbs = nil
	for _, vb := range s.vbs {
		c.vbs = append(c.vbs, shelfVB{rows: maps.Clone(vb.rows), counts: maps.Clone(vb.counts)})
	}
	return &c
}

// restore goes back to an earlier state, as a failover does, in the vbuckets
// named or in all.
func (s *shelf) restore(old *shelf, vbs ...int) {
	was := old.clone().vbs
	for vb := range s.vbs {
		if len(vbs) == 0 || slices.Contains(vbs, vb) {
			s.vbs[vb] = was[vb]
		}
	}
	s.epoch[15]++
}

func (s *shelf) row(vb int, id store.SourceID) *store.Row {
	if r, ok := s.vbs[vb].rows[id]; ok {
		return &r
	}
	return nil
}

func (s *shelf) open(r wire.OpenRequest) wire.OpenReply {
	s.birth++
	id := store.SourceID{Birth: max(s.birth, s.horizon), Class: r.Class, Nonce: r.Nonce}
	return wire.OpenReply{Source: id, StoreID: s.id, Partition: s.part, Epoch: s.epoch}
}

// append decides parts; those that down says are on a shard that is not
// there.
func (s *shelf) append(b *wire.Batch, down func(vb int) bool) (results []store.PartResult) {
	for i := range b.Parts {
		p := &b.Parts[i]
		if down(p.VB) {
			results = append(results, store.PartResult{Err: errors.New("shard is down")})
			continue
		}
		if wire.DigestOf(p.Body) != p.Digest || b.StoreID != s.id || b.Partition != s.part {
			panic("a part was sent to the wrong store or with the wrong bytes")
		}
		verdict, row := store.Decide(s.row(p.VB, p.Source), s.horizon, p)
		res := store.PartResult{Verdict: verdict, Head: row.Head, Token: row.Token, Epoch: s.epoch}
		if verdict == store.Applied {
			s.vbs[p.VB].rows[p.Source] = row
			r := store.NewBodyReader(p.Body)
			for r.NextTab() {
				s.vbs[p.VB].counts[string(r.Tab.Name)] += r.Tab.Events
			}
		}
		if s.stable {
			res.Stable = row.Head.Seq
		}
		results = append(results, res)
	}
	return results
}

func (s *shelf) heads(id store.SourceID) (hs []store.SourceHead) {
	for vb := range s.vbs {
		h := store.SourceHead{VB: vb, Epoch: s.epoch, Verdict: store.Applied}
		row := s.row(vb, id)
		switch {
		case !store.Known(row, s.horizon, id):
			h.Verdict = store.SourceGone
		case row != nil:
			if h.Head = row.Head; row.Closed {
				h.Verdict = store.SourceClosed
			}
		}
		hs = append(hs, h)
	}
	return hs
}

func (s *shelf) close(id store.SourceID, t store.Token) store.Closed {
	c := store.Closed{Token: t}
	for vb := range s.vbs {
		if row := s.row(vb, id); store.Known(row, s.horizon, id) {
			closed := store.CloseRow(row, t)
			s.vbs[vb].rows[id] = closed
			c.Token = closed.Token
		}
	}
	c.Heads = s.heads(id)
	return c
}

// gc forgets every source born so far.
func (s *shelf) gc() {
	s.horizon = s.birth + 1
	for _, vb := range s.vbs {
		clear(vb.rows)
	}
}

func (s *shelf) count(name string) uint64 { return s.vbs[s.part.Of("", name)].counts[name] }

// world is a store, agents and what they acknowledged.
type world struct {
	t     *testing.T
	rng   *rand.Rand
	shelf *shelf
	now   time.Duration
	late  []*wire.Batch // delayed on the network
	acked []string
	names int
	lossy bool   // requests and answers may be lost
	stale *shelf // an earlier state, of a replica that is behind
	fault func() error

	onSend   func(*wire.Batch)
	onResult func(*store.PartResult)
	down     func(vb int) bool
}

func newWorld(t *testing.T, seed uint64, vbuckets int) *world {
	return &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), shelf: newShelf(vbuckets)}
}

func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

// agent is one process, with its disk.
type agent struct {
	w      *world
	fs     *vfs.MemFS
	f      *Forwarder
	config Config
}

func (w *world) start(fs *vfs.MemFS, c Config) *agent {
	a := &agent{w: w, fs: fs, config: c}
	a.restart(fs)
	return a
}

func (a *agent) restart(fs *vfs.MemFS) {
	w := a.w
	a.fs = fs
	fault := w.fault
	w.fault = nil // a process that cannot open its spool does not start
	defer func() { w.fault = fault }()
	var err error
	disk := errorfs.Wrap(fs, injector{w})
	a.f, err = prepare(disk, "spool", spool.Options{SegmentBytes: 2000}, Options{
		Servers: []string{"s"}, Transport: refuse{}, Fold: &sumFold{}, Config: a.config, BatchBytes: 200,
		BackoffMin: time.Millisecond, BackoffMax: time.Millisecond,
	}, func() time.Duration { return w.now })
	if err != nil {
		w.t.Fatal(err)
	}
	if d := a.f.log.Stats().Damaged; len(d) > 0 {
		w.t.Fatalf("a crash was taken for damage: %+v", d)
	}
}

// injector makes the disk fail when the world says so.
type injector struct{ w *world }

func (i injector) String() string { return "injector" }

func (i injector) MaybeError(op errorfs.Op) error {
	if i.w.fault == nil || op.Kind.ReadOrWrite() == errorfs.OpIsRead {
		return nil
	}
	return i.w.fault()
}

// refuse is a Transport that is never used: the world carries requests.
type refuse struct{ Transport }

// crash kills the process. Power loss keeps only some of what was not synced.
func (a *agent) crash(power bool) {
	cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: a.w.rng}
	if power {
		cfg.UnsyncedDataPercent = a.w.rng.IntN(80)
	}
	a.restart(a.fs.CrashClone(cfg))
}

// clone starts a second agent on a copy of the disk.
func (a *agent) clone() *agent {
	return a.w.start(a.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: a.w.rng}), a.config)
}

func nameOf(n int) string { return fmt.Sprintf("r%05d", n) }

// append acknowledges one record to an application.
func (a *agent) append() {
	a.w.names++
	name := nameOf(a.w.names)
	err := a.f.Append(bodyOf(name), 1)
	switch {
	case err == nil:
		a.w.acked = append(a.w.acked, name)
	case a.w.fault == nil && !errors.Is(err, spool.ErrSuspended):
		a.w.t.Fatalf("append: %v", err)
	}
}

// step does one thing and reports whether there was one.
func (a *agent) step() bool {
	act := a.f.next()
	a.perform(act)
	return act.Kind != DoNothing
}

func (a *agent) perform(act Action) {
	switch {
	case act.Kind == DoNothing:
	case act.Kind < DoOpen:
		a.f.local(act)
	default:
		ans := answer{a: act, server: a.f.picker.servers[0]}
		if !a.w.carry(a.f, &ans) {
			ans.err = errors.New("lost")
		}
		a.f.take(ans)
	}
}

// carry brings a request to the store and its answer back, and reports whether
// both arrived.
func (w *world) carry(f *Forwarder, ans *answer) bool {
	lost := w.lossy && w.chance(15)
	act := ans.a
	switch act.Kind {
	case DoOpen:
		ans.nonce = store.Nonce{byte(w.rng.Uint32()), byte(w.rng.Uint32()), byte(w.rng.Uint32()), byte(w.rng.Uint32())}
		ans.open = w.shelf.open(wire.OpenRequest{Class: store.ClassSpool, Nonce: ans.nonce})
	case DoHeads:
		ans.heads.Heads = w.shelf.heads(act.ID)
		if w.stale != nil && w.lossy && w.chance(30) { // a replica that is behind answers
			ans.heads.Heads = w.stale.heads(act.ID)
		}
	case DoClose:
		if lost && w.chance(50) {
			return false
		}
		ans.close.Closed = w.shelf.close(act.ID, act.Token)
	case DoSend:
		parts, err := f.load(act.Parts)
		if err != nil {
			w.t.Fatal(err)
		}
		b := &wire.Batch{StoreID: act.Opened.StoreID, Partition: act.Opened.Partition, Parts: parts}
		if w.lossy && w.chance(20) { // delayed or repeated
			w.late = append(w.late, b)
			if w.chance(50) {
				return false
			}
		}
		if lost && w.chance(50) {
			return false
		}
		if w.onSend != nil {
			w.onSend(b)
		}
		down := func(int) bool { return false }
		if w.down != nil {
			down = w.down
		}
		if w.lossy && w.chance(20) {
			vb := w.rng.IntN(len(w.shelf.vbs))
			down = func(x int) bool { return x == vb }
		}
		ans.batch.Results = w.shelf.append(b, down)
		if w.onResult != nil {
			w.onResult(&ans.batch.Results[0])
		}
	}
	return !lost
}

// arrive delivers one delayed Batch.
func (w *world) arrive() {
	if len(w.late) > 0 {
		i := w.rng.IntN(len(w.late))
		w.shelf.append(w.late[i], func(int) bool { return false })
		w.late = slices.Delete(w.late, i, i+1)
	}
}

// settle lets everything arrive until there is nothing more to do.
func (w *world) settle(agents ...*agent) {
	w.lossy, w.fault = false, nil
	for len(w.late) > 0 {
		w.arrive()
	}
	for range 40 {
		for _, a := range agents {
			for n := 0; a.step(); n++ {
				if n > 10000 {
					w.t.Fatalf("the forwarder does not come to rest: %+v", a.f.Status())
				}
			}
		}
		w.now += time.Second
	}
	for _, a := range agents {
		if !a.f.m.Idle() {
			w.t.Fatalf("the forwarder does not come to rest: %+v", a.f.Status())
		}
	}
}

// check compares what was acknowledged with what was counted or is in the
// quarantine of one of the agents. It returns how many are there.
func (w *world) check(agents ...*agent) (quarantined int) {
	w.t.Helper()
	var q strings.Builder
	for _, a := range agents {
		names, err := a.fs.List("spool/quarantine")
		if err != nil {
			w.t.Fatal(err)
		}
		for _, n := range names {
			data, err := a.fs.UnsafeGetFileDataBuffer("spool/quarantine/" + n)
			if err != nil {
				w.t.Fatal(err)
			}
			q.Write(data)
		}
	}
	for _, vb := range w.shelf.vbs {
		for name, n := range vb.counts {
			if n > 1 {
				w.t.Fatalf("%s was counted %d times", name, n)
			}
		}
	}
	for _, name := range w.acked {
		in := strings.Contains(q.String(), name)
		if in {
			quarantined++
		}
		if w.shelf.count(name) == 0 && !in {
			w.t.Fatalf("%s was acknowledged and is neither counted nor in quarantine", name)
		}
	}
	return quarantined
}

// seeds runs f with many seeds.
func seeds(t *testing.T, n int, f func(t *testing.T, seed uint64)) {
	t.Helper()
	for seed := range uint64(n) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) { f(t, seed) })
	}
}
