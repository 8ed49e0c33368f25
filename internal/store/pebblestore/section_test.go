package pebblestore_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/pebblestore"
)

// goldenBody is what the entries of the stores in testdata hold.
func goldenBody(second int) []byte {
	var w store.BodyWriter
	for tab := range 4 {
		w.Tab(store.Tab{Name: fmt.Sprintf("tab.%d", tab), Type: "Total"})
		for client := range 2 {
			w.Partial(fmt.Sprintf("client-%d", client), 3, func(dst []byte) []byte {
				return append(dst, bytes.Repeat([]byte{byte(second), byte(tab), byte(client)}, 1400)...)
			})
		}
	}
	return w.Bytes()
}

// logOf appends bodies to a store, as one Source.
type logOf struct {
	*pebblestore.Store
	id   store.SourceID
	head store.Head
}

func (l *logOf) append(t *testing.T, body []byte) store.Position {
	t.Helper()
	p := store.Part{Source: l.id, Seq: l.head.Seq + 1, Prev: l.head.Seq, Digest: store.Digest{byte(l.head.Seq)}, Body: body}
	p.Chain = store.NextChain(l.head.Chain, p.Seq, p.Prev, p.Digest)
	r, err := l.Append(t.Context(), []store.Part{p})
	if err != nil || r[0].Verdict != store.Applied {
		t.Fatalf("append: %v, %+v", err, r)
	}
	l.head = r[0].Head
	return r[0].Position
}

// sourceOf is the Source of the first entry.
func sourceOf(t *testing.T, s *pebblestore.Store) store.SourceID {
	t.Helper()
	loaded, err := s.Load(t.Context(), 0, store.LoadRequest{Records: store.DirectoryOnly})
	if err != nil || len(loaded.Entries) == 0 {
		t.Fatalf("%v, %d entries", err, len(loaded.Entries))
	}
	return loaded.Entries[0].Source
}

func (l *logOf) bodies(t *testing.T, names ...string) (bodies [][]byte) {
	t.Helper()
	req := store.LoadRequest{Records: store.WithClients}
	for _, n := range names {
		req.Names = append(req.Names, store.TabName{Name: n})
	}
	loaded, err := l.Load(t.Context(), 0, req)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range loaded.Entries {
		bodies = append(bodies, e.Body)
	}
	return bodies
}

// tab is the part of a body that is of one tab.
func tab(t *testing.T, body []byte, name string) (found [][]byte, others int) {
	t.Helper()
	r := store.NewBodyReader(body)
	for r.NextTab() {
		if string(r.Tab.Name) != name {
			others++
			continue
		}
		for r.NextPartial() {
			found = append(found, r.Partial.Client, r.Partial.State)
		}
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return found, others
}

// TestSections: who wants one tab of a large body gets it with few others, who
// wants all of them gets the body.
func TestSections(t *testing.T) {
	s := open(t, pebblestore.Options{Dir: "d", FS: vfs.NewMem()})
	id, err := s.Open(t.Context(), store.ClassDirect, store.Nonce{1}, s.Meta().Created)
	if err != nil {
		t.Fatal(err)
	}
	l := &logOf{Store: s, id: id}
	var w store.BodyWriter
	for i := range 1000 {
		w.Tab(store.Tab{Name: fmt.Sprintf("tab.%d", i), Type: "Total"})
		w.Partial("client", 1, func(dst []byte) []byte { return append(dst, make([]byte, 400)...) })
	}
	l.append(t, goldenBody(0))
	l.append(t, w.Bytes())
	if all := l.bodies(t); len(all) != 2 || !bytes.Equal(all[0], goldenBody(0)) || !bytes.Equal(all[1], w.Bytes()) {
		t.Errorf("%d bodies, which are not those appended", len(all))
	}
	for name, holders := range map[string][][]byte{
		"tab.0": {goldenBody(0), w.Bytes()}, "tab.3": {goldenBody(0), w.Bytes()},
		"tab.500": {w.Bytes()}, "tab.999": {w.Bytes()}, "nobody": nil,
	} {
		bodies := l.bodies(t, name)
		if len(bodies) != len(holders) {
			t.Errorf("%s is in %d entries, want %d", name, len(bodies), len(holders))
			continue
		}
		for i, body := range bodies {
			want, _ := tab(t, holders[i], name)
			got, others := tab(t, body, name)
			if !equal(got, want) {
				t.Errorf("%s is not what was appended", name)
			}
			if others > 50 {
				t.Errorf("%s was read with %d other tabs", name, others)
			}
		}
	}
}

func equal(a, b [][]byte) bool {
	return bytes.Equal(bytes.Join(a, []byte{0, 1}), bytes.Join(b, []byte{0, 1})) && len(a) == len(b)
}

// TestFormats: a store of each format, whose process was killed, is read, taken over
// and gone on with.
func TestFormats(t *testing.T) {
	for _, name := range []string{"format1", "format2", "format3"} {
		t.Run(name, func(t *testing.T) { testFormat(t, "testdata/"+name) })
	}
}

func testFormat(t *testing.T, from string) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // as it was, and taken over
		s, err := pebblestore.Open(pebblestore.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Meta().Format; got != 3 {
			t.Errorf("format %d, want 3", got)
		}
		l := &logOf{Store: s, id: sourceOf(t, s)}
		heads, err := s.Heads(t.Context(), l.id)
		if err != nil {
			t.Fatal(err)
		}
		l.head = heads[0].Head
		seq := l.head.Seq
		l.append(t, goldenBody(int(seq)))
		bodies := l.bodies(t)
		if len(bodies) != int(seq)+1 {
			t.Fatalf("%d entries, want %d", len(bodies), seq+1)
		}
		for i, body := range bodies {
			if !bytes.Equal(body, goldenBody(i)) {
				t.Errorf("entry %d is not what was appended", i)
			}
		}
		loaded, err := s.Load(t.Context(), 0, store.LoadRequest{Records: store.WithClients})
		if err != nil || len(loaded.Records) != 1 {
			t.Fatalf("records: %v, %+v", err, loaded.Records)
		}
		if r := loaded.Records[0]; string(r.All) != "all" || len(r.Clients) != 2 || string(r.Clients[0].State) != "zero" || r.Clients[1].State != nil {
			t.Errorf("record: %+v", r)
		}
		if err := s.Shutdown(); err != nil {
			t.Fatal(err)
		}
	}
}
