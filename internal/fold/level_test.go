package fold

import (
	"bytes"
	"strconv"
	"testing"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// TestLevels: bodies are merged and written in what their reader knows, whatever
// they came as; and an Accumulator writes the same.
func TestLevels(t *testing.T) {
	reg := builtin.Registry()
	a := New(reg)
	for i, typ := range reg.Types() {
		for client := range 2 {
			b := &state.Bundle{Tab: typ, Client: strconv.Itoa(client), Events: []state.Event{
				{Time: 1.7e9, Value: 0.25 + float64(i), Number: true, JSON: []byte(strconv.Itoa(i))},
			}}
			a.Fold(1.7e9, "", typ, b, nil)
		}
	}
	newest, events := a.EncodeAll(nil)
	a.SetLevel(state.Oldest)
	oldest, _ := a.EncodeAll(nil)
	if bytes.Equal(newest, oldest) {
		t.Fatal("no Type has an older version")
	}
	for _, c := range []struct {
		name  string
		level state.Level
		from  [][]byte
		want  []byte
	}{
		{"as it came", state.Newest, [][]byte{newest}, newest},
		{"for who reads less", state.Oldest, [][]byte{newest}, oldest},
		{"what is older stays", state.Newest, [][]byte{oldest}, oldest},
		{"what is merged", state.Oldest, [][]byte{newest, newest}, nil},
	} {
		m := NewMerger(reg)
		m.SetLevel(c.level)
		for _, body := range c.from {
			if err := m.AddBody(body, nil); err != nil {
				t.Fatal(err)
			}
		}
		m.Encode(store.Partition{Version: 1, VBuckets: 1}, func(_ int, body []byte, n uint64) {
			if n != events*uint64(len(c.from)) {
				t.Errorf("%s: %d events", c.name, n)
			}
			if c.want != nil && !bytes.Equal(body, c.want) {
				t.Errorf("%s: got\n%x, want\n%x", c.name, body, c.want)
			}
			for r := store.NewBodyReader(body); r.NextTab(); {
				h, _ := reg.Lookup(string(r.Tab.Type))
				for r.NextPartial() {
					if state.Newer(h, r.Partial.State, c.level) {
						t.Errorf("%s: %s is newer than level %d", c.name, r.Tab.Name, c.level)
					}
				}
			}
		})
	}
}
