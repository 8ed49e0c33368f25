package view

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// TestEveryoneReadsTheirWrites commits, queries, compacts and evicts at the
// same time: every query must show what its goroutine has written before.
func TestEveryoneReadsTheirWrites(t *testing.T) {
	st := newFakeStore(2)
	reg := testRegistry(t)
	v := New(st, reg, Options{Budget: 1 << 10})
	c := NewCompactor(st, reg, CompactorOptions{View: v})
	ctx, cancel := context.WithCancel(t.Context())
	var writers, others sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			tab := fmt.Sprint("tab", w)
			for i := 1; i <= 100; i++ {
				st.append(event{tab: tab, client: fmt.Sprint("c", i%7), value: 1}, event{tab: "shared", client: tab, value: 1})
				if got, want := tabs(t, v, Request{Names: List(tab)}), fmt.Sprintf("%s=%d/%d", tab, i, i); got != want {
					t.Errorf("got %q, want %q", got, want)
					return
				}
				want := fmt.Sprintf("shared,%s=%d/%d", tab, i, i)
				if got := projection(t, v, Request{Names: List("shared"), Clients: List(tab)}); got != want {
					t.Errorf("got %q, want %q", got, want)
					return
				}
				if typ, _ := v.TypeOf("", tab); typ != "sum" {
					t.Errorf("Type %q", typ)
				}
			}
		})
	}
	others.Go(func() {
		for ctx.Err() == nil {
			must(t, c.Compact(context.Background()))
		}
	})
	others.Go(func() {
		for ctx.Err() == nil {
			everything(t, v)
		}
	})
	writers.Wait()
	cancel()
	others.Wait()
	check(t, "all of it", tabs(t, v, Request{Names: List("shared")}), "shared=400/400")
}
