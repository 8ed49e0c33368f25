package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/tabaproject/taba/internal/store"
)

// testRandom drives an engine and the reference engine with the same random
// operations. Both must give the same answers, the ledger must add up after
// every step, and what a reader makes of records and log must be what a naive
// model says was counted, however it was compacted.
func testRandom(e *env) {
	rapid.Check(e.T, func(t *rapid.T) {
		c := Config{VBuckets: 2, Created: created}
		opened := e.open(e.T, c)
		r := &random{
			T: t, e: e, store: opened.Store, reopen: opened.Reopen,
			ref:   store.NewMem(store.MemOptions{VBuckets: c.VBuckets, Now: func() time.Time { return created }}),
			now:   created,
			truth: make([]model, c.VBuckets),
			dirty: make([]bool, c.VBuckets),
			old:   make([][]held, c.VBuckets),
		}
		for vb := range r.truth {
			r.truth[vb] = model{}
		}
		t.Repeat(map[string]func(*rapid.T){
			"":        func(*rapid.T) { r.check() },
			"open":    func(t *rapid.T) { r.T = t; r.openSource() },
			"append":  func(t *rapid.T) { r.T = t; r.append() },
			"resend":  func(t *rapid.T) { r.T = t; r.resend() },
			"command": func(t *rapid.T) { r.T = t; r.command() },
			"read":    func(t *rapid.T) { r.T = t; r.read() },
			"compact": func(t *rapid.T) { r.T = t; r.compact() },
			"close":   func(t *rapid.T) { r.T = t; r.closeSource() },
			"gc":      func(t *rapid.T) { r.T = t; r.gc() },
			"reopen":  func(t *rapid.T) { r.T = t; r.reopened() },
		})
		if err := r.store.Shutdown(); err != nil {
			t.Fatal(err)
		}
	})
}

type random struct {
	*rapid.T
	e       *env
	store   store.Store
	ref     *store.Mem
	reopen  func() store.Store
	now     time.Time
	sources []*sender
	parts   []store.Part // every part ever sealed
	truth   []model
	dirty   []bool   // changed since the last check
	old     [][]held // what compactors have read, to be late with
}

// held is what a compactor read, and what was in the log then.
type held struct {
	names  []store.TabName
	loaded *store.Loaded
}

// both runs f on the two stores and compares what they return.
func both[R any](r *random, what string, f func(s store.Store) (R, error)) R {
	r.Helper()
	got, err := f(r.store)
	want, wantErr := f(r.ref)
	if (err == nil) != (wantErr == nil) || errors.Is(wantErr, store.ErrDiverged) != errors.Is(err, store.ErrDiverged) {
		r.Fatalf("%s: got error %v, the reference %v", what, err, wantErr)
	}
	if wantErr != nil && !errors.Is(wantErr, store.ErrDiverged) {
		r.Fatalf("%s: %v", what, wantErr)
	}
	if !reflect.DeepEqual(got, want) {
		r.Fatalf("%s:\ngot       %+v\nreference %+v", what, got, want)
	}
	return got
}

func (r *random) vb() int { return rapid.IntRange(0, len(r.truth)-1).Draw(r.T, "vb") }

func (r *random) source() *sender {
	if len(r.sources) == 0 {
		r.openSource()
	}
	return rapid.SampledFrom(r.sources).Draw(r.T, "source")
}

func (r *random) openSource() {
	class := rapid.SampledFrom(store.Classes[:]).Draw(r.T, "class")
	nonce := store.Nonce{byte(len(r.sources)), byte(len(r.sources) >> 8)}
	id := both(r, "open", func(s store.Store) (store.SourceID, error) { return s.Open(r.e.ctx, class, nonce, r.now) })
	r.sources = append(r.sources, &sender{id: id, heads: map[int]store.Head{}})
}

func (r *random) append() {
	s := r.source()
	var parts []store.Part
	for range rapid.IntRange(1, 3).Draw(r.T, "parts") {
		parts = append(parts, s.next(r.vb(), r.body()))
	}
	r.parts = append(r.parts, parts...)
	r.send(parts)
}

func (r *random) body() []byte {
	var w store.BodyWriter
	for range rapid.IntRange(1, 3).Draw(r.T, "tabs") {
		w.Tab(r.tab())
		for range rapid.IntRange(1, 2).Draw(r.T, "partials") {
			n := rapid.Uint64Range(1, 9).Draw(r.T, "events")
			w.Partial(rapid.SampledFrom([]string{"", "x", "y"}).Draw(r.T, "client"), n, func(dst []byte) []byte { return append(dst, byte(n)) })
		}
	}
	return w.Bytes()
}

func (r *random) tab() store.Tab {
	return store.Tab{
		Name: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r.T, "name"),
		Type: rapid.SampledFrom([]string{"Total", "Total", "Gauge"}).Draw(r.T, "type"),
	}
}

// resend sends parts of the past again, or others in their place.
func (r *random) resend() {
	if len(r.parts) == 0 {
		r.Skip()
	}
	var parts []store.Part
	for range rapid.IntRange(1, 3).Draw(r.T, "parts") {
		p := rapid.SampledFrom(r.parts).Draw(r.T, "part")
		if rapid.IntRange(0, 3).Draw(r.T, "fork") == 0 {
			p.Body = r.body()
			p.Digest = digest(p.Body)
			p.Chain[3]++
		}
		parts = append(parts, p)
	}
	r.send(parts)
}

func (r *random) send(parts []store.Part) {
	results := both(r, "append", func(s store.Store) ([]store.PartResult, error) {
		results, err := s.Append(r.e.ctx, parts)
		for i := range results {
			if results[i].Err != nil {
				return nil, results[i].Err
			}
			results[i].Epoch, results[i].Stable = store.Epoch{}, 0
		}
		return results, err
	})
	for i, result := range results {
		if result.Verdict == store.Applied {
			r.dirty[parts[i].VB] = true
			r.truth[parts[i].VB].fold(&store.Entry{Kind: store.KindPartials, Body: parts[i].Body, Position: result.Position}, nil)
		}
	}
}

func (r *random) command() {
	vb := r.vb()
	c := store.Command{Kind: store.KindPrune, At: float64(rapid.IntRange(0, 20).Draw(r.T, "at"))}
	if rapid.Bool().Draw(r.T, "delete") {
		c = store.Command{Kind: store.KindDelete, Names: names(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 2).Draw(r.T, "names")...)}
	}
	at := both(r, "command", func(s store.Store) (store.Position, error) { return s.Command(r.e.ctx, vb, c) })
	r.dirty[vb] = true
	r.truth[vb].fold(&store.Entry{Kind: c.Kind, Command: c, Position: at}, nil)
}

func (r *random) loaded(vb int, req store.LoadRequest) *store.Loaded {
	return both(r, "load", func(s store.Store) (*store.Loaded, error) {
		l, err := s.Load(r.e.ctx, vb, req)
		if l != nil {
			l.Epoch = store.Epoch{}
			for i := range l.Records {
				if len(l.Records[i].Clients) == 0 {
					l.Records[i].Clients = nil
				}
			}
			if len(l.Records) == 0 {
				l.Records = nil
			}
			for i := range l.Entries {
				if len(l.Entries[i].Body) == 0 {
					l.Entries[i].Body = nil
				}
			}
		}
		return l, err
	})
}

func (r *random) someNames() []store.TabName {
	return names(rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 3, rapid.ID[string]).Draw(r.T, "names")...)
}

// read reads in all ways, and keeps some of it for a late compactor.
func (r *random) read() {
	vb := r.vb()
	req := store.LoadRequest{Records: store.Detail(rapid.IntRange(0, int(store.WithClients)).Draw(r.T, "detail"))}
	if rapid.Bool().Draw(r.T, "some") {
		req.Names = r.someNames()
	}
	if req.Records == store.NoRecords && len(r.old[vb]) > 0 {
		req.After = rapid.SampledFrom(r.old[vb]).Draw(r.T, "after").loaded.End
	}
	l := r.loaded(vb, req)
	if req.Records == store.WithClients && req.Names != nil {
		r.old[vb] = append(r.old[vb], held{req.Names, l})
	}
}

// compact folds some tabs as read now or a while ago, to the end of what was
// read or to before it, and trims.
func (r *random) compact() {
	vb := r.vb()
	if len(r.old[vb]) == 0 || rapid.Bool().Draw(r.T, "fresh") {
		list := r.someNames()
		l := r.loaded(vb, store.LoadRequest{Names: list, Records: store.WithClients})
		r.old[vb] = append(r.old[vb], held{list, l})
	}
	h := r.old[vb][len(r.old[vb])-1]
	if rapid.IntRange(0, 3).Draw(r.T, "late") == 0 {
		h = rapid.SampledFrom(r.old[vb]).Draw(r.T, "read")
	}
	r.dirty[vb] = true
	updates := updates(h)
	trim := h.loaded.End
	if rapid.Bool().Draw(r.T, "keep") {
		trim = h.loaded.Trim
	}
	both(r, "compact", func(s store.Store) (store.Compacted, error) { return s.Compact(r.e.ctx, vb, updates, trim) })
}

func (r *random) closeSource() {
	s := r.source()
	token := store.Token{byte(rapid.IntRange(1, 2).Draw(r.T, "token"))}
	both(r, "close", func(st store.Store) (store.Closed, error) {
		c, err := st.Close(r.e.ctx, s.id, token)
		for i := range c.Heads {
			c.Heads[i].Epoch = store.Epoch{}
		}
		return c, err
	})
}

func (r *random) gc() {
	elapsed := time.Duration(rapid.Int64Range(0, int64(20*time.Minute)).Draw(r.T, "elapsed"))
	r.now = r.now.Add(time.Duration(rapid.Int64Range(-int64(time.Minute), int64(20*time.Minute)).Draw(r.T, "step")))
	both(r, "gc", func(s store.Store) (int, error) { return s.GC(r.e.ctx, elapsed, r.now) })
}

func (r *random) reopened() {
	if r.reopen == nil || rapid.IntRange(0, 3).Draw(r.T, "reopen") > 0 { // it takes long
		r.Skip()
	}
	r.store = r.reopen()
	for vb := range r.dirty {
		r.dirty[vb] = true
	}
}

// check: the ledger adds up, and a reader that knows nothing finds the truth.
func (r *random) check() {
	for vb := range r.truth {
		if !r.dirty[vb] {
			continue
		}
		r.dirty[vb] = false
		s, err := r.store.Audit(r.e.ctx, vb)
		if err != nil {
			r.Fatal(err)
		}
		if sum := s.Recorded + s.Tail + s.Pruned + s.Deleted + s.SetAside; sum != s.Appended {
			r.Fatalf("vbucket %d: the ledger does not add up: %d accounted for: %+v", vb, sum, s)
		}
		l := r.loaded(vb, store.LoadRequest{Records: store.WithClients})
		got := model{}
		for i := range l.Records {
			got.record(&l.Records[i])
		}
		for i := range l.Entries {
			got.fold(&l.Entries[i], nil)
		}
		if g, w := got.String(), r.truth[vb].String(); g != w {
			r.Fatalf("vbucket %d: a reader finds %s, the truth is %s", vb, g, w)
		}
	}
}

// model is what a naive reader makes of entries. A State is its count of
// events; a prune removes States of no more events than its time.
type model map[store.Tab]*modelTab

type modelTab struct {
	folded          uint64 // entries up to this offset are in it
	first           uint64
	clients         map[string]uint64
	pruned, deleted uint64
	reset, exists   bool
}

func (m model) at(t store.Tab) *modelTab {
	if m[t] == nil {
		m[t] = &modelTab{clients: map[string]uint64{}}
	}
	return m[t]
}

func (m model) record(r *store.Record) {
	t := m.at(r.Tab)
	t.folded, t.first, t.exists = r.Position.Offset, r.First, true
	for _, c := range r.Clients {
		t.clients[c.Client] = c.Events
	}
}

// fold applies an entry to the tabs that have not got it, or to those of a
// list only.
func (m model) fold(e *store.Entry, only []store.TabName) {
	wanted := store.NameSet(only)
	is := func(t store.Tab) bool {
		_, ok := wanted[store.TabName{Namespace: t.Namespace, Name: t.Name}]
		return ok || wanted == nil
	}
	offset := e.Position.Offset
	r := store.NewBodyReader(e.Body)
	touched := map[store.Tab]bool{}
	for r.NextTab() {
		tab := r.Tab.Tab()
		if !is(tab) {
			continue
		}
		t := m.at(tab)
		for r.NextPartial() {
			if offset > t.folded {
				if !t.exists {
					t.exists, t.first = true, offset
				}
				t.clients[string(r.Partial.Client)] += r.Partial.Events
				touched[tab] = true
			}
		}
	}
	for tab, t := range m {
		if offset <= t.folded || !is(tab) {
			continue
		}
		if e.Kind == store.KindPrune {
			for c, n := range t.clients {
				if float64(n) <= e.Command.At {
					t.clients[c] = 0
					t.pruned += n
				}
			}
		}
		if slices.Contains(e.Command.Names, store.TabName{Namespace: tab.Namespace, Name: tab.Name}) {
			for _, n := range t.clients {
				t.deleted += n
			}
			t.clients, t.reset, t.exists = map[string]uint64{}, true, false
		}
	}
	for tab := range touched {
		m[tab].folded = offset
	}
}

// String lists what exists, in order.
func (m model) String() string {
	var lines []string
	for tab, t := range m {
		if t.exists {
			lines = append(lines, fmt.Sprintf("%v since %d: %v", tab, t.first, t.clients))
		}
	}
	slices.Sort(lines)
	return fmt.Sprint(lines)
}

// updates folds what was read into the records that were read.
func updates(h held) (list []store.Update) {
	m := model{}
	stored := map[store.Tab]store.Position{}
	for i := range h.loaded.Records {
		m.record(&h.loaded.Records[i])
		stored[h.loaded.Records[i].Tab] = h.loaded.Records[i].Position
	}
	for i := range h.loaded.Entries {
		m.fold(&h.loaded.Entries[i], h.names)
	}
	for tab, t := range m {
		old, ok := stored[tab]
		if !ok {
			old = h.loaded.Trim
		}
		u := store.Update{
			Tab: tab, Old: old, Stored: ok, New: h.loaded.End, First: t.first,
			Reset: t.reset, Remove: !t.exists, Pruned: t.pruned, Deleted: t.deleted,
		}
		for c, n := range t.clients {
			u.Events += n
			s := store.ClientState{Client: c, Events: n}
			if n > 0 {
				s.State = []byte{byte(n)}
			}
			u.Clients = append(u.Clients, s)
		}
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b store.Update) int { return store.CompareTabs(a.Tab, b.Tab) })
	return list
}
