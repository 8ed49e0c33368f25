package storetest

import (
	"errors"
	"reflect"
	"slices"

	"github.com/tabaproject/taba/internal/store"
)

func testReadYourWrites(e *env) {
	s := e.newSender(1)
	l := e.load(store.LoadRequest{})
	equal(e, "end of an empty log", l.End, store.Position{})
	for range 50 {
		at := e.put(s, body(1, "a"))
		l = e.load(store.LoadRequest{After: l.End})
		equal(e, "entries", len(l.Entries), 1)
		equal(e, "entry", l.Entries[0].Position, at)
		equal(e, "end", l.End, at)
		equal(e, "epoch", l.Epoch, store.Epoch(e.Store.Meta().ID))
	}
}

func testAfter(e *env) {
	s := e.newSender(1)
	var at []store.Position
	for i := range 5 {
		at = append(at, e.put(s, body(uint64(i), "a")))
	}
	f := func(after store.Position, want ...uint64) {
		e.Helper()
		l := e.load(store.LoadRequest{After: after})
		if got := offsets(l); !slices.Equal(got, want) {
			e.Errorf("after %d: got %v, want %v", after.Offset, got, want)
		}
		equal(e, "end", l.End, at[4])
		equal(e, "records", len(l.Records), 0)
	}
	f(store.Position{}, 1, 2, 3, 4, 5)
	f(at[0], 2, 3, 4, 5)
	f(at[3], 5)
	f(at[4])
}

// testDiverged: rule 17.
func testDiverged(e *env) {
	s := e.newSender(1)
	var at []store.Position
	for range 4 {
		at = append(at, e.put(s, body(1, "a")))
	}
	diverged := func(after store.Position) {
		e.Helper()
		if _, err := e.Store.Load(e.ctx, 0, store.LoadRequest{After: after}); !errors.Is(err, store.ErrDiverged) {
			e.Errorf("after %+v: got %v, want %v", after, err, store.ErrDiverged)
		}
	}
	diverged(store.Position{Offset: 2, Identity: at[1].Identity + 1})
	diverged(store.Position{Offset: 4, Identity: at[2].Identity})
	diverged(store.Position{Offset: 5, Identity: at[3].Identity})
	diverged(store.Position{Offset: 1 << 60, Identity: 1})

	done := e.compact(at[2], store.Update{Tab: tab("a"), New: at[2], Events: 3, First: 1})
	equal(e, "trim", done.Trim, at[2])
	diverged(store.Position{}) // who has seen nothing has missed what was trimmed
	diverged(at[1])
	diverged(store.Position{Offset: 3, Identity: at[2].Identity + 1})
	if got := offsets(e.load(store.LoadRequest{After: at[2]})); !slices.Equal(got, []uint64{4}) {
		e.Errorf("after the trim point: got %v", got)
	}
}

// testMaxBytes reads a log in pages: together they hold the same as one.
func testMaxBytes(e *env) {
	s := e.newSender(1)
	for i := range 6 {
		e.put(s, body(uint64(i), "a", "b"))
	}
	e.command(store.Command{Kind: store.KindPrune, At: 5})
	for i := range 3 {
		e.put(s, body(uint64(i), "b"))
	}
	all := e.load(store.LoadRequest{})
	f := func(maxBytes int64, list []store.TabName, want ...[]uint64) {
		e.Helper()
		req := store.LoadRequest{Records: store.DirectoryOnly, Names: list, MaxBytes: maxBytes}
		for i, page := range want {
			l := e.load(req)
			if got := offsets(l); !slices.Equal(got, page) {
				e.Errorf("at most %d bytes of %v, page %d: got %v, want %v", maxBytes, list, i, got, page)
			}
			equal(e, "more", l.More, i < len(want)-1)
			if !l.More {
				equal(e, "end", l.End, all.End)
			}
			req.After, req.Records = l.End, store.NoRecords
		}
	}
	f(0, nil, offsets(all))
	f(1<<30, nil, offsets(all))
	f(1, nil, []uint64{1}, []uint64{2}, []uint64{3}, []uint64{4}, []uint64{5}, []uint64{6}, []uint64{7}, []uint64{8}, []uint64{9}, []uint64{10})
	f(1, names("a"), []uint64{1}, []uint64{2}, []uint64{3}, []uint64{4}, []uint64{5}, []uint64{6}, []uint64{7}, nil)
	f(1, names("nobody"), []uint64{7}, nil)

	// The log may be trimmed between two pages: past what was read, or not.
	l := e.load(store.LoadRequest{MaxBytes: 1})
	e.compact(l.End,
		store.Update{Tab: tab("a"), New: all.End, Events: 6, First: 1},
		store.Update{Tab: tab("b"), New: all.End, Events: 9, First: 1})
	if got := offsets(e.load(store.LoadRequest{After: l.End})); len(got) != 9 {
		e.Errorf("after the trim point: got %v", got)
	}
	e.compact(all.Entries[3].Position)
	if _, err := e.Store.Load(e.ctx, 0, store.LoadRequest{After: l.End, MaxBytes: 1}); !errors.Is(err, store.ErrDiverged) {
		e.Errorf("after what was trimmed: got %v, want %v", err, store.ErrDiverged)
	}
}

func testNames(e *env) {
	s := e.newSender(1)
	e.put(s, body(1, "a", "b"))                                                   // 1
	e.put(s, body(1, "b"))                                                        // 2
	e.put(s, body(1, "c"))                                                        // 3
	e.command(store.Command{Kind: store.KindDelete, Names: names("b", "nobody")}) // 4
	e.command(store.Command{Kind: store.KindPrune, At: 5})                        // 5
	e.put(s, body(1, "ab"))                                                       // 6
	f := func(list []store.TabName, want ...uint64) {
		e.Helper()
		for _, d := range []store.Detail{store.NoRecords, store.DirectoryOnly} {
			if got := offsets(e.load(store.LoadRequest{Names: list, Records: d})); !slices.Equal(got, want) {
				e.Errorf("names %v: got %v, want %v", list, got, want)
			}
		}
	}
	f(nil, 1, 2, 3, 4, 5, 6)
	f(names("a"), 1, 5)
	f(names("b"), 1, 2, 4, 5)
	f(names("c", "a", "c"), 1, 3, 5)
	f(names("none"), 5)
	f([]store.TabName{}, 5)
}

func testDetails(e *env) {
	s := e.newSender(1)
	e.put(s, body(1, "a", "b", "c"))
	at := e.put(s, body(1, "a"))
	full := []store.Record{
		{Tab: tab("a"), Position: at, Events: 7, First: 1, All: []byte("all of a"), Clients: []store.ClientState{
			{Client: "", Events: 1, State: []byte{}},
			{Client: "x", Events: 2, State: []byte("x of a")},
			{Client: "x y", Events: 4, State: []byte("xy of a")},
		}},
		{Tab: store.Tab{Name: "b", Type: "Gauge"}, Position: at, Events: 1, First: 1, Clients: []store.ClientState{
			{Client: "gone"}, {Client: "x", Events: 1, State: []byte{0}},
		}},
		{Tab: tab("b"), Position: at, Events: 0, First: 1, All: []byte{}},
	}
	var updates []store.Update
	for _, r := range full {
		updates = append(updates, store.Update{Tab: r.Tab, New: r.Position, Events: r.Events, First: r.First, All: r.All, Clients: r.Clients})
	}
	equal(e, "applied", e.compact(store.Position{}, updates...).Applied, 3)

	f := func(d store.Detail, list []store.TabName, want ...store.Record) {
		e.Helper()
		got := e.load(store.LoadRequest{Names: list, Records: d}).Records
		if len(got) != len(want) {
			e.Fatalf("detail %d of %v: got %d records, want %d", d, list, len(got), len(want))
		}
		for i := range got {
			if !sameRecord(got[i], want[i]) {
				e.Errorf("detail %d of %v:\ngot  %+v\nwant %+v", d, list, got[i], want[i])
			}
		}
	}
	withAll, directory := slices.Clone(full), slices.Clone(full)
	for i := range full {
		withAll[i].Clients = slices.Clone(full[i].Clients)
		for j := range withAll[i].Clients {
			withAll[i].Clients[j].State = nil
		}
		directory[i] = withAll[i]
		directory[i].All = nil
	}
	f(store.WithClients, nil, full...)
	f(store.WithAll, nil, withAll...)
	f(store.DirectoryOnly, nil, directory...)
	f(store.WithClients, names("b", "a", "b"), full...)
	f(store.WithClients, names("b"), full[1:]...)
	f(store.WithAll, names("c", "a"), withAll[0])
	f(store.WithClients, []store.TabName{})
}

// sameRecord compares; nil and empty differ for States, not for lists.
func sameRecord(a, b store.Record) bool {
	if len(a.Clients) == 0 && len(b.Clients) == 0 {
		a.Clients, b.Clients = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

// testOwned: the engine keeps no memory of the caller, nor the caller any that
// the engine will write.
func testOwned(e *env) {
	s := e.newSender(1)
	p := s.next(0, body(1, "a"))
	want := slices.Clone(p.Body)
	at := e.append(store.Applied, p)[0].Position
	clear(p.Body)
	deleted := names("x")
	e.command(store.Command{Kind: store.KindDelete, Names: deleted})
	deleted[0].Name = "y"
	u := store.Update{
		Tab: tab("a"), New: at, Events: 1, First: 1, All: []byte("all"),
		Clients: []store.ClientState{{Client: "c", Events: 1, State: []byte("state")}},
	}
	e.compact(store.Position{}, u)
	clear(u.All)
	clear(u.Clients[0].State)

	l := e.load(store.LoadRequest{Records: store.WithClients})
	for range 20 { // let the engine move its memory
		e.put(s, body(1, "b"))
	}
	if got := l.Records[0]; string(got.All) != "all" || string(got.Clients[0].State) != "state" {
		e.Errorf("record: got %+v", got)
	}
	if got := e.load(store.LoadRequest{}).Entries; !slices.Equal(got[0].Body, want) || got[1].Command.Names[0].Name != "x" {
		e.Errorf("entries: got %+v", got[:2])
	}
}

func testCommands(e *env) {
	f := func(c store.Command) {
		e.Helper()
		at := e.command(c)
		l := e.load(store.LoadRequest{})
		got := l.Entries[len(l.Entries)-1]
		equal(e, "position", got.Position, at)
		equal(e, "kind", got.Kind, c.Kind)
		if !reflect.DeepEqual(got.Command, c) {
			e.Errorf("command: got %+v, want %+v", got.Command, c)
		}
	}
	f(store.Command{Kind: store.KindPrune, At: 1234.5})
	f(store.Command{Kind: store.KindDelete, Names: []store.TabName{{Name: "a"}, {Namespace: "n", Name: "b"}}})
	for _, c := range []store.Command{{}, {Kind: store.KindPartials}, {Kind: 77}, {Kind: store.KindPrune, Names: names("a")}} {
		if _, err := e.Store.Command(e.ctx, 0, c); err == nil {
			e.Errorf("command %+v: no error", c)
		}
	}
	equal(e, "entries", len(e.load(store.LoadRequest{}).Entries), 2)
}

// testIdentity: two logs that agree at an offset agree on all before it.
func testIdentity(e *env) {
	other := *e
	other.Opened = e.open(e.T, Config{VBuckets: vbuckets, Created: created})
	a, b := e.newSender(1), other.newSender(1)
	equal(e, "same entry", e.put(a, body(1, "a")), other.put(b, body(1, "a")))
	first, second := e.put(a, body(1, "a")), other.put(b, body(2, "a"))
	equal(e, "offset", first.Offset, second.Offset)
	if first == second {
		e.Error("other bytes, same identity")
	}
	if first, second = e.put(a, body(3, "a")), other.put(b, body(3, "a")); first == second {
		e.Error("other entries before, same identity")
	}
	p := store.Command{Kind: store.KindPrune, At: 1}
	if first, second = e.command(p), e.command(p); first == second {
		e.Error("another place in the log, same position")
	}
}
