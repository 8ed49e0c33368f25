package view_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// TestEarlierEncodings: records and Partials in the encodings of every release
// count beside each other, and are written anew when that is asked for, once.
func TestEarlierEncodings(t *testing.T) {
	files, err := filepath.Glob("../../state/builtin/testdata/golden/*/*.bin")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	st := store.NewMem(store.MemOptions{VBuckets: 2})
	reg := builtin.Registry()
	s := newSource(t, st)
	c := view.NewCompactor(st, reg, view.CompactorOptions{})
	part := st.Meta().Partition
	fill := func() { // there has to be a log
		for vb := range part.VBuckets {
			var w store.BodyWriter
			w.Tab(store.Tab{Name: "other", Type: "?"})
			w.Partial("client-1", 1, func(dst []byte) []byte { return append(dst, 1) })
			s.appendBody(t, w.Bytes(), vb, w.Events())
		}
	}
	fill()
	old := map[store.Tab]string{}
	for _, file := range files {
		enc, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		release := filepath.Base(filepath.Dir(file))
		typ, _, _ := strings.Cut(filepath.Base(file), "-")
		tab := store.Tab{Name: release + "." + strings.TrimSuffix(filepath.Base(file), ".bin"), Type: typ}
		h, ok := reg.Lookup(typ)
		decoded := h.New()
		if !ok || decoded.Decode(enc) != nil {
			t.Fatalf("%s cannot be decoded", file)
		}
		if string(decoded.Append(nil)) != string(enc) {
			old[tab] = string(enc)
		}
		// A record, as an earlier release left it …
		vb := part.Of("", tab.Name)
		l := load(t, st, vb, tab, store.DirectoryOnly)
		if done, err := st.Compact(t.Context(), vb, []store.Update{{
			Tab: tab, Old: l.Trim, New: l.End, First: 1, Events: 0, All: enc,
			Clients: []store.ClientState{{Client: "client-1", State: enc}, {Client: "client-2", State: enc}},
		}}, store.Position{}); err != nil || done.Applied != 1 {
			t.Fatal(done, err)
		}
		// … and for every second tab a Partial of its agents.
		if len(file)%2 == 0 {
			var w store.BodyWriter
			w.Tab(tab)
			w.Partial("client-3", 1, func(dst []byte) []byte { return append(dst, enc...) })
			s.appendBody(t, w.Bytes(), vb, w.Events())
		}
	}
	if len(old) == 0 {
		t.Fatal("there is no encoding of an earlier release")
	}
	now := benchNow
	want := renders(t, view.New(st, reg, view.Options{}), now)
	for range 2 {
		if err := c.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := renders(t, view.New(st, reg, view.Options{}), now); got != want {
			t.Fatalf("written anew:\n%s\nas it was:\n%s", got, want)
		}
	}
	for tab, enc := range old {
		l := load(t, st, part.Of("", tab.Name), tab, store.WithClients)
		if len(l.Records) != 1 {
			t.Fatalf("%s has %d records", tab.Name, len(l.Records))
		}
		r := l.Records[0]
		for _, cl := range append(r.Clients, store.ClientState{Client: "(all)", State: r.All}) {
			if string(cl.State) == enc {
				t.Errorf("%s of %s is as an earlier release wrote it", cl.Client, tab.Name)
			}
		}
	}
	// And back, for a server that reads no newer ones.
	fill()
	down := view.NewCompactor(st, reg, view.CompactorOptions{Level: func() state.Level { return state.Oldest }})
	if err := down.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := renders(t, view.New(st, reg, view.Options{}), now); got != want {
		t.Fatalf("written as earlier releases did:\n%s\nas it was:\n%s", got, want)
	}
	for tab := range old {
		h, _ := reg.Lookup(tab.Type)
		r := load(t, st, part.Of("", tab.Name), tab, store.WithClients).Records[0]
		for _, cl := range append(r.Clients, store.ClientState{Client: "(all)", State: r.All}) {
			if state.Newer(h, cl.State, state.Oldest) {
				t.Errorf("%s of %s is not as earlier releases wrote it", cl.Client, tab.Name)
			}
		}
	}
}

func load(t *testing.T, st store.Store, vb int, tab store.Tab, detail store.Detail) *store.Loaded {
	t.Helper()
	l, err := st.Load(t.Context(), vb, store.LoadRequest{Names: []store.TabName{{Name: tab.Name}}, Records: detail})
	if err != nil {
		t.Fatal(err)
	}
	return l
}
