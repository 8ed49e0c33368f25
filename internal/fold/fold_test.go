package fold

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
	"pgregory.net/rapid"
)

// dump renders an accumulator: "tab/Type client=sum …", sorted.
func dump(a *Accumulator) string {
	var lines []string
	for t, clients := range a.Tabs {
		for client, s := range clients {
			lines = append(lines, fmt.Sprintf("%s%s/%s %s=%s", t.Namespace, t.Name, t.Type, client, s.Render(nil, 0, state.Text)))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

func check(t *testing.T, a *Accumulator, want string, events uint64) {
	t.Helper()
	if got := dump(a); got != want {
		t.Errorf("holds %q, want %q", got, want)
	}
	if got := a.Events(); got != events {
		t.Errorf("%d events, want %d", got, events)
	}
	if got, want := a.Empty(), want == ""; got != want {
		t.Errorf("Empty is %v", got)
	}
	if a.Empty() && a.Size() != 0 {
		t.Errorf("empty, but Size is %d", a.Size())
	}
}

func TestFold(t *testing.T) {
	a := New(testRegistry())
	check(t, a, "", 0)
	if !a.Fold(1, "", "Sum", bundle("bids", "web-1", 1, 2), nil) {
		t.Fatal("a registered Type is unknown")
	}
	a.Fold(1, "", "Sum", bundle("bids", "web-2", 10), nil)
	a.Fold(1, "", "Sum", bundle("bids", "web-1", 4), nil)
	a.Fold(1, "", "Total", bundle("bids", "web-1", 100), nil)
	a.Fold(1, "ns:", "Sum", bundle("bids", "web-1", 1000), nil)
	check(t, a, "bids/Sum web-1=7, bids/Sum web-2=10, bids/Total web-1=100, ns:bids/Sum web-1=1000", 6)
	a.Reset()
	check(t, a, "", 0)
}

func TestFoldUnknownType(t *testing.T) {
	a := New(testRegistry())
	if a.Fold(1, "", "NoSuchType", bundle("x", "c", 1), nil) {
		t.Error("an unregistered Type is known")
	}
	check(t, a, "", 0)
}

func TestFoldRefused(t *testing.T) {
	a := New(testRegistry())
	b := bundle("x", "c", 1, 2, 3)
	b.Events[1].Number = false
	var refused []int
	refuse := func(i int, _ state.Reason) { refused = append(refused, i) }
	a.Fold(1, "", "Sum", b, refuse)
	if !slices.Equal(refused, []int{1}) {
		t.Errorf("refused events %v, want [1]", refused)
	}
	check(t, a, "x/Sum c=4", 2)

	b = bundle("new", "c", 1)
	b.Events[0].Number = false
	a.Fold(1, "", "Sum", b, refuse)
	check(t, a, "x/Sum c=4", 2) // nothing fits: no tab

	a.Fold(1, "", "Sum", &state.Bundle{Tab: "tick", Client: "c"}, refuse)
	check(t, a, "tick/Sum c=0, x/Sum c=4", 2) // "the time is now" is kept
}

func TestMerge(t *testing.T) {
	reg := testRegistry()
	a, b := New(reg), New(reg)
	b.Fold(1, "", "Sum", bundle("x", "c", 1), nil)
	a.Merge(b)
	check(t, a, "x/Sum c=1", 1)
	check(t, b, "", 0)
	a.Merge(b)
	a.Merge(a)
	check(t, a, "x/Sum c=1", 1)

	b.Fold(1, "", "Sum", bundle("x", "c", 2), nil)
	b.Fold(1, "", "Sum", bundle("x", "d", 3), nil)
	b.Fold(1, "", "Total", bundle("y", "c", 4), nil)
	a.Merge(b)
	check(t, a, "x/Sum c=3, x/Sum d=3, y/Total c=4", 4)
	check(t, b, "", 0)

	// What was moved is not shared with the spares.
	b.Fold(1, "", "Sum", bundle("x", "d", 50), nil)
	check(t, a, "x/Sum c=3, x/Sum d=3, y/Total c=4", 4)
	check(t, b, "x/Sum d=50", 1)
}

func TestClamp(t *testing.T) {
	a := New(testRegistry())
	a.Fold(1, "", "Sum", bundle("x", "c", 1), nil)
	a.Fold(1, "", "Sum", bundle("x", "d", 1), nil)
	if got := a.Clamp(0); got != 2 {
		t.Errorf("moved %d events, want the sum over both Partials, 2", got)
	}
}

func TestEncodeIsPartitioned(t *testing.T) {
	p := store.Partition{Version: 1, VBuckets: 4, Key: 7}
	a, all := New(testRegistry()), New(testRegistry())
	for i := range 50 {
		a.Fold(1, "", "Sum", bundle(fmt.Sprint("tab", i), "c", float64(i)), nil)
	}
	want := dump(a)
	var vbs []int
	var events uint64
	a.Encode(p, func(vb int, body []byte, n uint64) {
		vbs = append(vbs, vb)
		events += n
		for r := store.NewBodyReader(body); r.NextTab(); {
			if got := p.Of("", string(r.Tab.Name)); got != vb {
				t.Errorf("tab %s is of vbucket %d, found in %d", r.Tab.Name, got, vb)
			}
		}
		if err := all.AddBody(body, nil); err != nil {
			t.Error(err)
		}
	})
	if !slices.Equal(vbs, []int{0, 1, 2, 3}) || events != 50 {
		t.Errorf("vbuckets %v with %d events, want 0 to 3 with 50", vbs, events)
	}
	if got := dump(all); got != want {
		t.Errorf("bodies hold %q, want %q", got, want)
	}
	New(testRegistry()).Encode(p, func(int, []byte, uint64) { t.Error("an empty accumulator emits a body") })
}

func TestEncodeAll(t *testing.T) {
	a := New(testRegistry())
	if body, events := a.EncodeAll([]byte("x")); string(body) != "x" || events != 0 {
		t.Errorf("an empty accumulator appended %q with %d events", body, events)
	}
	a.Fold(1, "", "Sum", bundle("x", "c", 1, 2), nil)
	body, events := a.EncodeAll([]byte("ab"))
	if string(body[:2]) != "ab" || events != 2 {
		t.Errorf("got %q with %d events, want 2 after the prefix", body, events)
	}
	back := New(testRegistry())
	if err := back.AddBody(body[2:], nil); err != nil {
		t.Fatal(err)
	}
	check(t, back, "x/Sum c=3", 2)
}

// partial encodes one Partial by hand.
func partial(w *store.BodyWriter, tab store.Tab, client string, events uint64, enc []byte) {
	w.Tab(tab)
	w.Partial(client, events, func(dst []byte) []byte { return append(dst, enc...) })
}

func TestAddBodyBadPartials(t *testing.T) {
	good := (&sumState{1, 5}).Append(nil)
	var w store.BodyWriter
	partial(&w, store.Tab{Name: "a", Type: "Sum"}, "c", 1, good)
	partial(&w, store.Tab{Name: "b", Type: "Alien"}, "c", 3, []byte("??"))
	partial(&w, store.Tab{Name: "c", Type: "Sum"}, "c", 4, []byte("broken"))
	partial(&w, store.Tab{Name: "d", Type: "Sum"}, "c", 9, good)
	partial(&w, store.Tab{Name: "e", Type: "Sum"}, "c", 1, good)
	body := w.Bytes()

	a := New(testRegistry())
	a.Fold(1, "", "Sum", bundle("a", "c", 1), nil)
	if err := a.AddBody(body, nil); !errors.Is(err, ErrUnknownType) || !strings.Contains(err.Error(), `tab "b"`) {
		t.Errorf("without onBad: %v, want the tab and ErrUnknownType", err)
	}
	check(t, a, "a/Sum c=1", 1) // unchanged

	var bad []string
	err := a.AddBody(body, func(tab store.Tab, client string, events uint64, enc []byte, err error) {
		bad = append(bad, fmt.Sprint(tab.Name, client, events, len(enc), errors.Is(err, ErrUnknownType), errors.Is(err, ErrBadState)))
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"bc3 2 true false", "cc4 6 false true", "dc9 3 false true"}
	if !slices.Equal(bad, want) {
		t.Errorf("bad Partials %q, want %q", bad, want)
	}
	check(t, a, "a/Sum c=6, e/Sum c=5", 3)
}

func TestAddBodyMalformed(t *testing.T) {
	a := New(testRegistry())
	a.Fold(1, "", "Sum", bundle("x", "c", 1), nil)
	body, _ := a.EncodeAll(nil)
	f := func(what string, body []byte) {
		t.Helper()
		if err := a.AddBody(body, func(store.Tab, string, uint64, []byte, error) {}); err == nil {
			t.Errorf("%s was accepted", what)
		}
		check(t, a, "x/Sum c=1", 1)
	}
	f("a cut body", body[:len(body)-1])
	f("another version", append([]byte{9}, body[1:]...))
	lying := slices.Clone(body)
	lying[2+1+2+4] = 7 // events of the group, after its length and three strings
	f("a wrong sum of events", lying)
	var w store.BodyWriter
	partial(&w, store.Tab{Name: "x", Type: "Sum"}, "c", 1<<60, nil)
	f("a count beyond 2^53", w.Bytes())
	if err := a.AddBody(nil, nil); err != nil {
		t.Errorf("the empty body: %v", err)
	}
}

// However bundles are grouped into accumulators, merged, encoded and decoded,
// the bytes in the end are the same.
func TestGroupingNeverMatters(t *testing.T) {
	reg := testRegistry()
	rapid.Check(t, func(t *rapid.T) {
		one := New(reg)
		many := []*Accumulator{New(reg), New(reg), New(reg)}
		steps := rapid.IntRange(0, 60).Draw(t, "steps")
		pick := func(what string) *Accumulator {
			return many[rapid.IntRange(0, len(many)-1).Draw(t, what)]
		}
		for range steps {
			switch rapid.IntRange(0, 6).Draw(t, "do") {
			case 0:
				pick("to").Merge(pick("from"))
			case 1:
				from := pick("reencoded")
				body, _ := from.EncodeAll(nil)
				from.Reset()
				if err := pick("to").AddBody(body, nil); err != nil {
					t.Fatal(err)
				}
			default:
				b := bundle(
					rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "tab"),
					rapid.SampledFrom([]string{"c", "d"}).Draw(t, "client"),
					float64(rapid.IntRange(0, 9).Draw(t, "value")))
				typ := rapid.SampledFrom([]string{"Sum", "Total"}).Draw(t, "type")
				one.Fold(1, "", typ, b, nil)
				pick("into").Fold(1, "", typ, b, nil)
			}
		}
		end := many[0]
		end.Merge(many[1])
		end.Merge(many[2])
		got, gotEvents := end.EncodeAll(nil)
		want, wantEvents := one.EncodeAll(nil)
		if string(got) != string(want) || gotEvents != wantEvents || end.Events() != one.Events() {
			t.Fatalf("got %s (%d), want %s (%d)", dump(end), end.Events(), dump(one), one.Events())
		}
		if end.Size() != one.Size() {
			t.Fatalf("sizes %d and %d of the same Partials", end.Size(), one.Size())
		}
	})
}

func TestSparesFade(t *testing.T) {
	const many = 20_000
	a := New(testRegistry())
	for i := range many {
		a.Fold(1, "", "Sum", bundle(fmt.Sprint(i), "c", 1), nil)
	}
	a.EncodeAll(nil)
	a.Reset()
	k := a.kinds["Sum"]
	if len(k.spare) != many || len(a.spare) != many || a.largest == 0 {
		t.Errorf("%d spare States, %d tabs and room for %d bytes after a round that used %d", len(k.spare), len(a.spare), a.largest, many)
	}
	for range 100 {
		a.Fold(1, "", "Sum", bundle("x", "c", 1), nil)
		a.Reset()
	}
	if len(k.spare) > 16 || len(a.spare) > 16 || a.largest > 0 {
		t.Errorf("%d spare States, %d tabs and room for %d bytes after 100 rounds that used one", len(k.spare), len(a.spare), a.largest)
	}
	if got, want := k.bytes, 16*len(k.spare); got != want {
		t.Errorf("the spares are accounted as %d bytes, want %d", got, want)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	reg := testRegistry()
	request, pending := New(reg), New(reg)
	var bundles []*state.Bundle
	for i := range 100 {
		bundles = append(bundles, bundle(fmt.Sprint("tab", i), "c", 1, 2, 3))
	}
	var body []byte
	round := func() {
		for half := range 2 { // the second one merges into what is there
			for _, b := range bundles[50*half:] {
				request.Fold(1, "", "Sum", b, nil)
			}
			pending.Merge(request)
		}
		body, _ = pending.EncodeAll(body[:0])
		pending.Reset()
	}
	for range 20 {
		round()
	}
	if got := testing.AllocsPerRun(100, round); got != 0 {
		t.Errorf("%v allocations per round, want 0", got)
	}
}
