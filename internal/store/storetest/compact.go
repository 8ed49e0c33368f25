package storetest

import (
	"slices"

	"github.com/tabaproject/taba/internal/store"
)

func testUpdate(e *env) {
	s := e.newSender(1)
	e.put(s, body(1, "a"))
	second := e.put(s, body(2, "a"))
	u := store.Update{
		Tab: tab("a"), New: second, Events: 3, First: 1, All: []byte("all"),
		Clients: []store.ClientState{{Client: "x", Events: 1, State: []byte("x1")}, {Client: "y", Events: 2, State: []byte("y1")}},
	}
	done := e.compact(store.Position{}, u)
	equal(e, "compacted", done, store.Compacted{Applied: 1})

	third := e.put(s, body(4, "a"))
	// All is kept, y becomes a pruned client, z is new.
	done = e.compact(third, store.Update{
		Tab: tab("a"), Old: second, Stored: true, New: third, Events: 5, First: 1, Pruned: 2,
		Clients: []store.ClientState{{Client: "z", Events: 4, State: []byte("z1")}, {Client: "y"}},
	})
	equal(e, "compacted", done, store.Compacted{Applied: 1, Trim: third})
	got := e.load(store.LoadRequest{Records: store.WithClients})
	want := store.Record{
		Tab: tab("a"), Position: third, Events: 5, First: 1, All: []byte("all"),
		Clients: []store.ClientState{{Client: "x", Events: 1, State: []byte("x1")}, {Client: "y"}, {Client: "z", Events: 4, State: []byte("z1")}},
	}
	if !sameRecord(got.Records[0], want) {
		e.Errorf("record:\ngot  %+v\nwant %+v", got.Records[0], want)
	}
	equal(e, "entries", len(got.Entries), 0)
	equal(e, "end", got.End, third)
	equal(e, "trim", got.Trim, third)
	e.balanced()
}

// testStaleRecord: rule 20 (a).
func testStaleRecord(e *env) {
	s := e.newSender(1)
	first, second := e.put(s, body(1, "a")), e.put(s, body(2, "a"))
	one := store.Update{Tab: tab("a"), New: first, Events: 1, First: 1}
	two := store.Update{Tab: tab("a"), Old: first, Stored: true, New: second, Events: 3, First: 1}
	stale := func(what string, u store.Update) {
		e.Helper()
		equal(e, what, e.compact(store.Position{}, u), store.Compacted{Stale: 1})
	}
	stale("made from a record that is not there", two)
	equal(e, "both", e.compact(store.Position{}, one, two), store.Compacted{Applied: 2})
	stale("made from no record", store.Update{Tab: tab("a"), New: second, Events: 3})
	stale("made from the record before", two)
	stale("made from a record of another identity", store.Update{Tab: tab("a"), Old: store.Position{Offset: 2, Identity: 1}, Stored: true, New: second})
	stale("not folded further", store.Update{Tab: tab("a"), Old: second, Stored: true, New: second})
	stale("folded less", store.Update{Tab: tab("a"), Old: second, Stored: true, New: first})
	equal(e, "recorded", e.balanced().Recorded, 3)

	// Who saw a tombstone where this store, once a stale replica, has the
	// record still: positions alone do not tell.
	third := e.put(s, body(4, "a"))
	equal(e, "made while there was no record", e.compact(second, store.Update{Tab: tab("a"), Old: second, New: third, Events: 4}),
		store.Compacted{Stale: 1, Trim: second})
	equal(e, "the same after the trim", e.compact(second, store.Update{Tab: tab("a"), Old: second, New: third, Events: 4}),
		store.Compacted{Stale: 1, Trim: second})
}

// testUnknownEntry: rule 20 (b).
func testUnknownEntry(e *env) {
	s := e.newSender(1)
	first, second := e.put(s, body(1, "a")), e.put(s, body(1, "b"))
	for _, at := range []store.Position{
		{},
		{Offset: 1, Identity: first.Identity + 1},
		{Offset: 2, Identity: first.Identity},
		{Offset: 3, Identity: second.Identity},
	} {
		equal(e, "compacted", e.compact(store.Position{}, store.Update{Tab: tab("a"), New: at, Events: 1}), store.Compacted{Stale: 1})
	}
	// The trim point is known, what is before it is not.
	e.compact(second,
		store.Update{Tab: tab("a"), New: first, Events: 1, First: 1},
		store.Update{Tab: tab("b"), New: second, Events: 1, First: 2})
	equal(e, "up to the trim point", e.compact(store.Position{}, store.Update{Tab: tab("a"), Old: first, Stored: true, New: second, Events: 1}).Applied, 1)
	equal(e, "before it", e.compact(store.Position{}, store.Update{Tab: tab("c"), New: first}).Stale, 1)
	equal(e, "recorded", e.balanced().Recorded, 2)
}

func testReset(e *env) {
	s := e.newSender(1)
	first := e.put(s, body(3, "a"))
	e.compact(store.Position{}, store.Update{
		Tab: tab("a"), New: first, Events: 3, First: 1, All: []byte("all"),
		Clients: []store.ClientState{{Client: "x", Events: 3, State: []byte("x")}},
	})
	e.command(store.Command{Kind: store.KindDelete, Names: names("a")})
	third := e.put(s, body(2, "a"))
	done := e.compact(third, store.Update{
		Tab: tab("a"), Old: first, Stored: true, New: third, Reset: true, Events: 2, First: 3, Deleted: 3,
		Clients: []store.ClientState{{Client: "y", Events: 2, State: []byte("y")}},
	})
	equal(e, "compacted", done, store.Compacted{Applied: 1, Trim: third})
	got := e.load(store.LoadRequest{Records: store.WithClients}).Records
	want := store.Record{Tab: tab("a"), Position: third, Events: 2, First: 3, Clients: []store.ClientState{{Client: "y", Events: 2, State: []byte("y")}}}
	if len(got) != 1 || !sameRecord(got[0], want) {
		e.Errorf("records: got %+v, want %+v", got, want)
	}
	e.balanced()
}

func testRemove(e *env) {
	s := e.newSender(1)
	first := e.put(s, body(3, "a", "b"))
	e.compact(store.Position{}, store.Update{Tab: tab("a"), New: first, Events: 3, First: 1, All: []byte("all"),
		Clients: []store.ClientState{{Client: "x", Events: 3, State: []byte("x")}}})
	deleted := e.command(store.Command{Kind: store.KindDelete, Names: names("a")})
	equal(e, "removed", e.compact(deleted, store.Update{Tab: tab("a"), Old: first, Stored: true, New: deleted, Remove: true, Deleted: 3}),
		store.Compacted{Applied: 1})
	equal(e, "records", len(e.load(store.LoadRequest{Records: store.WithClients}).Records), 0)
	e.balanced()

	// The entries are still there, held by b. Who has read them without the
	// record, or the record before, cannot bring them back.
	last := e.put(s, body(2, "a"))
	equal(e, "from nothing", e.compact(store.Position{}, store.Update{Tab: tab("a"), New: last, Events: 2}).Stale, 1)
	equal(e, "from the removed one", e.compact(store.Position{}, store.Update{Tab: tab("a"), Old: first, Stored: true, New: last, Events: 2}).Stale, 1)
	equal(e, "trimmed", e.compact(last, store.Update{Tab: tab("b"), New: last, Events: 3, First: 1}).Trim, deleted)
	e.balanced()

	// With the log trimmed to the tombstone a is a tab like any other.
	equal(e, "from before that", e.compact(last, store.Update{Tab: tab("a"), New: last, Events: 2, First: 3, Deleted: 3}).Stale, 1)
	equal(e, "new", e.compact(last, store.Update{Tab: tab("a"), Old: deleted, New: last, Events: 2, First: 3}),
		store.Compacted{Applied: 1, Trim: last})
	got := e.load(store.LoadRequest{Records: store.WithClients, Names: names("a")}).Records
	if len(got) != 1 || !sameRecord(got[0], store.Record{Tab: tab("a"), Position: last, Events: 2, First: 3}) {
		e.Errorf("record: got %+v", got)
	}
	e.balanced()
}

// testTrimStops: rule 21.
func testTrimStops(e *env) {
	s := e.newSender(1)
	var at []store.Position
	for _, tabs := range [][]string{{"a"}, {"a", "b"}, {"b"}, {"c"}} {
		at = append(at, e.put(s, body(1, tabs...)))
	}
	end := at[3]
	f := func(what string, want store.Position, u ...store.Update) {
		e.Helper()
		equal(e, what, e.compact(end, u...).Trim, want)
		e.balanced()
	}
	f("nothing folded", store.Position{})
	f("a folded to 1", at[0], store.Update{Tab: tab("a"), New: at[0], Events: 1, First: 1})
	f("a folded", at[0], store.Update{Tab: tab("a"), Old: at[0], Stored: true, New: end, Events: 2, First: 1})
	f("b folded to 2", at[1], store.Update{Tab: tab("b"), Old: at[0], New: at[1], Events: 1, First: 2})
	f("another Type of b folded", at[1], store.Update{Tab: store.Tab{Name: "b", Type: "Other"}, Old: at[1], New: end})
	f("b folded", at[2], store.Update{Tab: tab("b"), Old: at[1], Stored: true, New: at[2], Events: 2, First: 2})
	equal(e, "not further than asked", e.compact(at[2], store.Update{Tab: tab("c"), Old: at[2], New: end, Events: 1, First: 4}).Trim, at[2])
	f("c folded", end)
	f("again", end)
	equal(e, "back", e.compact(at[1]).Trim, end)
	if got := e.load(store.LoadRequest{Records: store.DirectoryOnly}); len(got.Entries) != 0 || len(got.Records) != 4 {
		e.Errorf("got %d entries and %d records", len(got.Entries), len(got.Records))
	}
}

func testTrimDelete(e *env) {
	s := e.newSender(1)
	first := e.put(s, body(1, "a", "b"))
	deleted := e.command(store.Command{Kind: store.KindDelete, Names: names("a", "nobody")})
	again := e.command(store.Command{Kind: store.KindDelete, Names: names("nobody")})
	e.compact(store.Position{}, store.Update{Tab: tab("b"), New: again, Events: 1, First: 1})
	equal(e, "a not folded", e.compact(again, store.Update{Tab: tab("a"), New: first, Events: 1, First: 1}).Trim, first)
	equal(e, "a removed", e.compact(again, store.Update{Tab: tab("a"), Old: first, Stored: true, New: deleted, Remove: true, Deleted: 1}).Trim, again)
	e.balanced()
}

func testTrimPrune(e *env) {
	s := e.newSender(1)
	first := e.put(s, body(1, "a", "b"))
	prune := e.command(store.Command{Kind: store.KindPrune, At: 1})
	fold := func(name string, old, to store.Position, pruned uint64) store.Update {
		return store.Update{Tab: tab(name), Old: old, Stored: old.Offset > 0, New: to, Events: 1 - pruned, First: 1, Pruned: pruned}
	}
	equal(e, "none folded", e.compact(prune, fold("a", store.Position{}, first, 0), fold("b", store.Position{}, first, 0)).Trim, first)
	equal(e, "a folded", e.compact(prune, fold("a", first, prune, 1)).Trim, first)
	equal(e, "both folded", e.compact(prune, fold("b", first, prune, 0)).Trim, prune)
	e.balanced()
}

func testTrimUnknown(e *env) {
	s := e.newSender(1)
	first := e.put(s, body(1, "a"))
	e.compact(store.Position{}, store.Update{Tab: tab("a"), New: first, Events: 1, First: 1})
	for _, at := range []store.Position{{Offset: 1, Identity: first.Identity + 1}, {Offset: 2, Identity: 1}, {Offset: 0, Identity: 1}} {
		equal(e, "trim", e.compact(at).Trim, store.Position{})
	}
	equal(e, "trim", e.compact(first).Trim, first)
}

func testStats(e *env) {
	s := e.newSender(1)
	first := e.put(s, body(5, "a", "b"))
	second := e.put(s, body(2, "a"))
	before := e.balanced()
	equal(e, "appended", before.Appended, 12)
	equal(e, "tail", before.Tail, 12)
	equal(e, "end", before.End, second)
	if before.LogBytes < int64(len(body(5, "a", "b"))) {
		e.Errorf("log bytes: got %d", before.LogBytes)
	}

	// Each tab's tail begins at its own record.
	state := make([]byte, 1000)
	e.compact(first,
		store.Update{Tab: tab("a"), New: first, Events: 3, First: 1, Pruned: 2, Clients: []store.ClientState{{Client: "c", Events: 3, State: state}}},
		store.Update{Tab: tab("b"), New: second, Events: 4, First: 1, SetAside: 1})
	got := e.balanced()
	equal(e, "trim", got.Trim, first)
	equal(e, "tail", got.Tail, 2)
	equal(e, "recorded", got.Recorded, 7)
	equal(e, "pruned", got.Pruned, 2)
	equal(e, "set aside", got.SetAside, 1)
	if got.LogBytes >= before.LogBytes || got.RecordBytes < 1000 || got.RecordBytes > 2000 {
		e.Errorf("log bytes: got %d, before %d; record bytes: got %d", got.LogBytes, before.LogBytes, got.RecordBytes)
	}
	e.compact(store.Position{}, store.Update{Tab: tab("a"), Old: first, Stored: true, New: second, Remove: true, Deleted: 5})
	got = e.balanced()
	equal(e, "deleted", got.Deleted, 5)
	if got.RecordBytes > 500 {
		e.Errorf("record bytes after a removal: got %d", got.RecordBytes)
	}
	stats, err := e.Store.Stats(e.ctx, 0)
	e.ok(err)
	got.Tail = 0
	equal(e, "stats", stats, got)
}

// testOddNames: any bytes are a name, and none is taken for another.
func testOddNames(e *env) {
	s := e.newSender(1)
	odd := []string{"", "\x00", "\x00\x00", "\x00\x01", "\x00\xff", "a", "a\x00", "a\x00\x01", "a\x01", "\xff", "\xff\xff", "é"}
	var tabs []store.Tab
	var w store.BodyWriter
	for _, ns := range odd {
		for _, name := range odd {
			t := store.Tab{Namespace: ns, Name: name, Type: "T" + name}
			tabs = append(tabs, t)
			w.Tab(t)
			w.Partial(name, 1, func(dst []byte) []byte { return dst })
		}
	}
	at := e.put(s, w.Bytes())
	var updates []store.Update
	for i, t := range tabs {
		updates = append(updates, store.Update{Tab: t, New: at, Events: 1, First: uint64(i), Clients: []store.ClientState{
			{Client: t.Namespace + t.Name, Events: 1, State: []byte(t.Name)},
			{Client: t.Namespace + t.Name + "\x00"},
		}})
	}
	done := e.compact(at, updates...)
	equal(e, "applied", done.Applied, len(tabs))
	equal(e, "trim", done.Trim, at)
	got := e.load(store.LoadRequest{Records: store.WithClients}).Records
	equal(e, "records", len(got), len(tabs))
	slices.SortFunc(tabs, store.CompareTabs)
	for i, r := range got {
		equal(e, "tab", r.Tab, tabs[i])
		equal(e, "clients", len(r.Clients), 2)
		equal(e, "client", r.Clients[0].Client, r.Tab.Namespace+r.Tab.Name)
		equal(e, "state", string(r.Clients[0].State), r.Tab.Name)
		one := e.load(store.LoadRequest{Records: store.WithClients, Names: []store.TabName{{Namespace: r.Tab.Namespace, Name: r.Tab.Name}}}).Records
		if len(one) != 1 || !sameRecord(one[0], r) {
			e.Errorf("%q: got %+v alone", r.Tab, one)
		}
	}
	e.balanced()
}
