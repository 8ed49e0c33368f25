package view_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// TestCompactionNeverChangesARender does with the built-in Types, fractions
// and all, what the property test does with one that is simple.
func TestCompactionNeverChangesARender(t *testing.T) {
	reg := builtin.Registry()
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 1))
		plain := newSource(t, store.NewMem(store.MemOptions{VBuckets: 2}))
		compacted := newSource(t, store.NewMem(store.MemOptions{VBuckets: 2}))
		warm := view.New(compacted.st, reg, view.Options{})
		compactor := view.NewCompactor(compacted.st, reg, view.CompactorOptions{View: warm})
		now := benchNow
		for range 40 {
			now += rng.Float64() * 600
			acc := fold.New(reg)
			for range 1 + rng.IntN(20) {
				foldSomething(acc, rng, reg, now)
			}
			copied := fold.New(reg)
			body, _ := acc.EncodeAll(nil)
			if err := copied.AddBody(body, nil); err != nil {
				t.Fatal(err)
			}
			plain.append(t, acc)
			compacted.append(t, copied)
			if rng.IntN(8) == 0 {
				at := now - 1000*rng.Float64()
				for _, s := range []*source{plain, compacted} {
					if err := view.NewCompactor(s.st, reg, view.CompactorOptions{}).Prune(t.Context(), at); err != nil {
						t.Fatal(err)
					}
				}
			}
			if rng.IntN(4) == 0 {
				if err := compactor.Compact(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if rng.IntN(4) == 0 {
				renders(t, warm, now)
			}
		}
		want := renders(t, view.New(plain.st, reg, view.Options{}), now)
		for _, got := range []string{
			renders(t, warm, now),
			renders(t, view.New(compacted.st, reg, view.Options{}), now),
		} {
			if got != want {
				t.Fatalf("seed %d: compacted:\n%s\nnever compacted:\n%s", seed, got, want)
			}
		}
		if report, err := compactor.Audit(t.Context()); err != nil || !report.OK() {
			t.Errorf("seed %d: audit: %v, %v", seed, report.Problems(), err)
		}
	}
}

// foldSomething folds a bundle of a random tab, whose name says its Type.
func foldSomething(acc *fold.Accumulator, rng *rand.Rand, reg *state.Registry, now float64) {
	types := reg.Types()
	typ := types[rng.IntN(len(types))]
	b := state.Bundle{Tab: fmt.Sprintf("%s.%d", typ, rng.IntN(2)), Client: fmt.Sprint("client-", rng.IntN(4))}
	for range 1 + rng.IntN(100) {
		v := rng.NormFloat64() * 1000
		payload, _ := json.Marshal(v)
		e := state.Event{Time: now - rng.ExpFloat64()*100, Value: v, Number: true, JSON: payload}
		switch typ {
		case "ExpiryGauge", "Buffer":
			e.JSON = fmt.Appendf(nil, `["v%d", %g]`, rng.IntN(3), now+rng.NormFloat64()*1000)
			e.Number = false
		}
		b.Events = append(b.Events, e)
	}
	acc.Fold(now, "", typ, &b, func(int, state.Reason) {})
}

// renders is all answers of a View, as of now.
func renders(t *testing.T, v *view.View, now float64) string {
	t.Helper()
	var b strings.Builder
	for _, format := range []state.Format{state.Text, state.Detailed} {
		r := view.Request{Now: now, At: now, Format: format}
		emit := func(row view.Row) error {
			fmt.Fprintf(&b, "%s,%s: %s\n", row.Name, row.Client, row.Render)
			return nil
		}
		if err := v.Tabs(context.Background(), r, emit); err != nil {
			t.Fatal(err)
		}
		if err := v.Projection(context.Background(), r, emit); err != nil {
			t.Fatal(err)
		}
		r.Clients = view.List("client-1", "client-3")
		if err := v.Tabs(context.Background(), r, emit); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}
