package fold

import (
	"testing"

	"github.com/tabaproject/taba/internal/store"
)

func seedBodies(f *testing.F) {
	a := New(testRegistry())
	a.Fold(1, "", "Sum", bundle("x", "c", 1), nil)
	one, _ := a.EncodeAll(nil)
	a.Fold(1, "ns", "Total", bundle("y", "d", 1, 2, 300), nil)
	a.Fold(1, "", "Sum", bundle("x", "d", 70000), nil)
	three, _ := a.EncodeAll(nil)
	var w store.BodyWriter
	partial(&w, store.Tab{Name: "b", Type: "Alien"}, "c", 3, []byte("??"))
	for _, body := range [][]byte{nil, {1}, {2}, one, three, three[:len(three)-1], w.Bytes()} {
		f.Add(body)
	}
}

// FuzzBody: whatever the bytes, reading ends, stays within the body, and what
// was read well is written back to an equivalent body.
func FuzzBody(f *testing.F) {
	seedBodies(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		var w store.BodyWriter
		partials := 0
		r := store.NewBodyReader(body)
		for r.NextTab() {
			w.Tab(r.Tab.Tab())
			for r.NextPartial() {
				partials++
				enc := r.Partial.State
				w.Partial(string(r.Partial.Client), r.Partial.Events, func(dst []byte) []byte { return append(dst, enc...) })
			}
		}
		if partials > len(body) {
			t.Fatalf("%d Partials in %d bytes", partials, len(body))
		}
		if r.Err() != nil || len(body) == 0 {
			return
		}
		again := 0
		r = store.NewBodyReader(w.Bytes())
		for r.NextTab() {
			for r.NextPartial() {
				again++
			}
		}
		if r.Err() != nil || again != partials {
			t.Fatalf("written back: %d of %d Partials, %v", again, partials, r.Err())
		}
	})
}

// FuzzAddBody: whatever the bytes, nothing panics, an error changes nothing,
// and otherwise every declared event is either merged or passed to onBad.
func FuzzAddBody(f *testing.F) {
	seedBodies(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		a := New(testRegistry())
		a.Fold(1, "", "Sum", bundle("x", "c", 1), nil)
		var bad, declared uint64
		err := a.AddBody(body, func(_ store.Tab, _ string, events uint64, _ []byte, _ error) { bad += events })
		if err != nil {
			if a.Events() != 1 || dump(a) != "x/Sum c=1" {
				t.Fatalf("an error (%v) left %s", err, dump(a))
			}
			return
		}
		for r := store.NewBodyReader(body); r.NextTab(); {
			declared += r.Tab.Events
		}
		if got := a.Events() - 1 + bad; got != declared {
			t.Fatalf("%d events merged or bad, %d declared", got, declared)
		}
		again, b := New(testRegistry()), []byte(nil)
		b, _ = a.EncodeAll(b)
		if err := again.AddBody(b, nil); err != nil || dump(again) != dump(a) {
			t.Fatalf("re-encoded: %s (%v), want %s", dump(again), err, dump(a))
		}
	})
}
