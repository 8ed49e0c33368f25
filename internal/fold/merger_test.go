package fold

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state/builtin"
)

// written is what Encode passes on, in order.
func written(encode func(store.Partition, func(int, []byte, uint64)), p store.Partition) (out []string) {
	encode(p, func(vb int, body []byte, events uint64) {
		out = append(out, fmt.Sprintf("%d %d %x", vb, events, body))
	})
	return out
}

// A Merger and an Accumulator give the same bytes for the same bodies, round
// after round.
func TestMergerIsAnAccumulator(t *testing.T) {
	reg := builtin.Registry()
	types := reg.Types()
	p := store.Partition{Version: 1, VBuckets: 4}
	rapid.Check(t, func(t *rapid.T) {
		record, simple, m := New(reg), New(reg), NewMerger(reg)
		for range rapid.IntRange(1, 3).Draw(t, "rounds") {
			for range rapid.IntRange(0, 8).Draw(t, "bodies") {
				for range rapid.IntRange(0, 12).Draw(t, "bundles") {
					b := bundle(
						rapid.SampledFrom([]string{"w", "x", "y", "z"}).Draw(t, "tab"),
						rapid.SampledFrom([]string{"c", "d", "e"}).Draw(t, "client"),
						float64(rapid.IntRange(0, 9).Draw(t, "value")))
					b.Events[0].Time = float64(rapid.IntRange(1, 99).Draw(t, "time"))
					record.Fold(100, "", rapid.SampledFrom(types).Draw(t, "type"), b, nil)
				}
				body, _ := record.EncodeAll(nil)
				record.Reset()
				if err := simple.AddBody(body, nil); err != nil {
					t.Fatal(err)
				}
				if err := m.AddBody(body, noneIsBad(t)); err != nil {
					t.Fatal(err)
				}
			}
			want, got := written(simple.Encode, p), written(m.Encode, p)
			if !slices.Equal(got, want) {
				t.Fatalf("got %q, want %q", got, want)
			}
			if m.Events() != simple.Events() || (m.Size() == 0) != simple.Empty() {
				t.Fatalf("%d events in %d bytes, want %d", m.Events(), m.Size(), simple.Events())
			}
			simple.Reset()
			m.Reset()
		}
	})
}

func noneIsBad(t *rapid.T) func(store.Tab, string, uint64, []byte, error) {
	return func(tab store.Tab, _ string, _ uint64, _ []byte, err error) { t.Fatalf("tab %q: %v", tab.Name, err) }
}

// What occurred once is given on in the bytes it came as, without a State.
func TestMergerKeepsBytes(t *testing.T) {
	a, m := New(testRegistry()), NewMerger(testRegistry())
	for i := range 1000 {
		a.Fold(1, "", "Sum", bundle(fmt.Sprint(i), "c", 1), nil)
	}
	body, _ := a.EncodeAll(nil)
	a.Reset()
	a.Fold(1, "", "Sum", bundle("7", "c", 2), nil)
	again, _ := a.EncodeAll(nil)
	for _, b := range [][]byte{body, again} {
		if err := m.AddBody(b, nil); err != nil {
			t.Fatal(err)
		}
	}
	states := 0
	for _, p := range m.partials {
		if p.state != nil {
			states++
		}
	}
	if states != 1 || len(m.partials) != 1000 || m.Events() != 1001 {
		t.Errorf("%d States for %d Partials of %d events, want 1, 1000, 1001", states, len(m.partials), m.Events())
	}
	if small, large := 1000*mergedOverhead, 1000*(mergedOverhead+tabOverhead+100); m.Size() < small || m.Size() > large {
		t.Errorf("a size of %d, want %d to %d", m.Size(), small, large)
	}
}

func TestMergerForgets(t *testing.T) {
	const many = 20_000
	a, m := New(testRegistry()), NewMerger(testRegistry())
	round := func(tabs int) {
		for i := range tabs {
			a.Fold(1, "", "Sum", bundle(fmt.Sprint(i), "c", 1), nil)
		}
		body, _ := a.EncodeAll(nil)
		a.Reset()
		for range 2 {
			if err := m.AddBody(body, nil); err != nil {
				t.Fatal(err)
			}
		}
		m.Encode(store.Partition{Version: 1, VBuckets: 1}, func(int, []byte, uint64) {})
		m.Reset()
	}
	round(many)
	if k := m.kinds["Sum"]; cap(m.partials) < many || len(k.spare) < many {
		t.Errorf("room for %d Partials and %d States after a round of %d", cap(m.partials), len(k.spare), many)
	}
	for range 100 {
		round(1)
	}
	if k := m.kinds["Sum"]; cap(m.partials) > 16 || cap(m.raw) > 1<<10 || len(k.spare) > 16 {
		t.Errorf("room for %d Partials, %d bytes and %d States after 100 rounds of one", cap(m.partials), cap(m.raw), len(k.spare))
	}
}

// FuzzMerger: whatever the bytes, a Merger accepts what an Accumulator does,
// refuses the same Partials, and what it writes means the same.
func FuzzMerger(f *testing.F) {
	seedBodies(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		a, m := New(testRegistry()), NewMerger(testRegistry())
		var want, got []string
		to := func(list *[]string) func(store.Tab, string, uint64, []byte, error) {
			return func(tab store.Tab, client string, events uint64, enc []byte, err error) {
				*list = append(*list, fmt.Sprintf("%v %q %d %x %v", tab, client, events, enc, err))
			}
		}
		for range 2 { // the second time everything occurs again
			simple, fast := a.AddBody(body, to(&want)), m.AddBody(body, to(&got))
			if fmt.Sprint(simple) != fmt.Sprint(fast) || !slices.Equal(got, want) {
				t.Fatalf("%v with bad %q, want %v with bad %q", fast, got, simple, want)
			}
			again := New(testRegistry())
			m.Encode(store.Partition{Version: 1, VBuckets: 3}, func(_ int, body []byte, _ uint64) {
				if err := again.AddBody(body, nil); err != nil {
					t.Fatal(err)
				}
			})
			if dump(again) != dump(a) || m.Events() != a.Events() {
				t.Fatalf("%s (%d), want %s (%d)", dump(again), m.Events(), dump(a), a.Events())
			}
		}
	})
}

// Partials that do not recur, 16 bodies to a Batch, as an agent merges them.
func BenchmarkUnlike(b *testing.B) {
	reg := builtin.Registry()
	a := New(reg)
	const bodies, perBody = 16, 500
	var records [bodies][]byte
	for i := range records {
		for j := range perBody {
			ev := bundle(fmt.Sprintf("winning_bid_price.%d", i*perBody+j), "web-1.example.com", 1, 2, 3, 4, 5)
			a.Fold(1, "", "CounterGroup", ev, nil)
		}
		records[i], _ = a.EncodeAll(nil)
		a.Reset()
	}
	bad := func(store.Tab, string, uint64, []byte, error) { b.Fatal("bad Partial") }
	p := store.Partition{Version: 1, VBuckets: 1}
	run := func(name string, add func([]byte, func(store.Tab, string, uint64, []byte, error)) error,
		encode func(store.Partition, func(int, []byte, uint64)), reset func(),
	) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, r := range records {
					if err := add(r, bad); err != nil {
						b.Fatal(err)
					}
				}
				encode(p, func(int, []byte, uint64) {})
				reset()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*bodies*perBody), "ns/partial")
		})
	}
	simple, m := New(reg), NewMerger(reg)
	run("accumulator", simple.AddBody, simple.Encode, simple.Reset)
	run("merger", m.AddBody, m.Encode, m.Reset)
}
