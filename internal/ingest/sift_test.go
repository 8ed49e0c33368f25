package ingest

import (
	"fmt"
	"maps"
	"testing"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// names is what a body has: events by tab, Type and client.
func names(body []byte) map[[3]string]uint64 {
	m := map[[3]string]uint64{}
	r := store.NewBodyReader(body)
	for r.NextTab() {
		for r.NextPartial() {
			m[[3]string{string(r.Tab.Name), string(r.Tab.Type), string(r.Partial.Client)}] += r.Partial.Events
		}
	}
	return m
}

func total(m map[[3]string]uint64) (n uint64) {
	for _, events := range m {
		n += events
	}
	return n
}

// An overflow tab belongs where its events came from.
func TestOverflowTabsBelongIntoTheirVbucket(t *testing.T) {
	for _, n := range []int{1, 4, 16} {
		cut := store.Partition{Version: 1, VBuckets: n, Key: 7}
		seen := map[string]bool{}
		for vb := range n {
			tab := overflowTab(cut, vb, "Gauge")
			if got := cut.Of("", tab.Name); got != vb || seen[tab.Name] {
				t.Errorf("%s is of vbucket %d, want %d", tab.Name, got, vb)
			}
			seen[tab.Name] = true
		}
		if n == 1 && !seen["taba.overflow.Gauge"] {
			t.Errorf("the name is %v", seen)
		}
	}
}

// FuzzSift: whatever the body, as long as it passes the checks, its events are
// there afterwards, there are no more names than the limits allow beside those of
// overflow, and what was known is as it was.
func FuzzSift(f *testing.F) {
	reg := builtin.Registry()
	var w store.BodyWriter
	for i, tab := range []string{"known", "a", "b", "a"} {
		w.Tab(store.Tab{Name: tab, Type: reg.Types()[i]})
		for client := range 3 {
			h, _ := reg.Lookup(reg.Types()[i])
			w.Partial(fmt.Sprint("c", client), uint64(client%2), func(dst []byte) []byte { return h.New().Append(dst) })
		}
	}
	f.Add(w.Bytes(), uint8(1), uint8(1))
	f.Add(w.Bytes(), uint8(2), uint8(4))
	f.Add(w.Bytes(), uint8(0), uint8(2))
	f.Fuzz(func(t *testing.T, body []byte, tabs, states uint8) {
		known := &table{tabs: map[string]string{"known": "CounterGroup"}, states: map[[2]string]bool{{"known", "c0"}: true}}
		cut := store.Partition{Version: 1, VBuckets: 1}
		before := names(body)
		p := store.Part{Body: body, Events: total(before)}
		got, err := newChecker(reg, nil).part(&p, cut, clock)
		if err != nil {
			return
		}
		before = names(got.body)
		c := claim{q: quota(known, int(tabs), int(states))}
		body, over := c.sift(&p, &got, reg, state.Newest, cut, nil)
		after := names(body)
		if r := store.NewBodyReader(body); total(after) != p.Events || r.Err() != nil {
			t.Fatalf("%d events became %d: %v", p.Events, total(after), r.Err())
		}
		if _, events, err := store.AppendOutline(nil, body); err != nil || events != p.Events {
			t.Fatalf("the store takes %d events of %d: %v", events, p.Events, err)
		}
		newTabs, newStates := map[string]bool{}, 0
		for name := range after {
			if before[name] > after[name] || name[2] == OverflowClient {
				continue
			}
			if !known.HasTab(name[0]) {
				newTabs[name[0]] = true
			}
			if !known.HasState(store.Tab{Name: name[0]}, name[2]) {
				newStates++
			}
		}
		if tabs > 0 && len(newTabs) > max(0, int(tabs)-1) || states > 0 && newStates > max(0, int(states)-1) {
			t.Errorf("limits of %d tabs and %d States let %d and %d new ones pass", tabs, states, len(newTabs), newStates)
		}
		if moved := !maps.Equal(before, after); !moved && over != (overflow{}) {
			t.Errorf("%+v were over a limit, and the body is the same", over)
		}
	})
}
