package promapi

import (
	"context"
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tabaproject/taba/internal/commit"
	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// BenchmarkFindMetric finds the tab of one metric among 200,000 that begin alike:
// from one place where it may be to the next, and by looking at all of them.
func BenchmarkFindMetric(b *testing.B) {
	reg := builtin.Registry()
	st := store.NewMem(store.MemOptions{})
	commits := commit.NewServer(commit.ServerOptions{Store: st, Registry: reg})
	defer commits.Stop()
	acc := fold.New(reg)
	for i := range 200_000 {
		acc.Fold(1000, "", "TotalsCounter", &state.Bundle{Tab: fmt.Sprintf("app_%06d.hits", i), Client: "c", Events: []state.Event{{Time: 1000, Value: 1, Number: true}}}, nil)
		if i%10_000 == 9_999 {
			if err := commits.Commit(context.Background(), acc, nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	v := view.New(st, reg, view.Options{})
	m := labels.MustNewMatcher(labels.MatchEqual, labelName, "app_123456_hits_total")
	for _, skip := range []bool{true, false} {
		b.Run(fmt.Sprintf("skip=%v", skip), func(b *testing.B) {
			look := newSelector([]*labels.Matcher{m}).look(0)
			for i := range look.Tabs {
				if !skip {
					look.Tabs[i].Next = nil
				}
			}
			if _, err := v.Choose(b.Context(), look); err != nil { // which makes the index
				b.Fatal(err)
			}
			for b.Loop() {
				if c, err := v.Choose(b.Context(), look); err != nil || len(c.Tabs) != 1 {
					b.Fatal(err, len(c.Tabs))
				}
			}
		})
	}
}
