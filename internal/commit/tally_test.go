package commit

import (
	"context"
	"errors"
	"testing"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state/builtin"
)

// forgetful is a store that answers as one does that a failover took back.
type forgetful struct {
	*store.Mem
	answer func(p *store.Part) store.PartResult // nil: as it is
}

func (f *forgetful) Append(ctx context.Context, parts []store.Part) ([]store.PartResult, error) {
	if f.answer == nil {
		return f.Mem.Append(ctx, parts)
	}
	var results []store.PartResult
	for i := range parts {
		results = append(results, f.answer(&parts[i]))
	}
	return results, nil
}

// TestLost: what was acknowledged to a sender without numbers and is gone from
// the store is counted as lost, since nobody can send it again.
func TestLost(t *testing.T) {
	for _, c := range []struct {
		commits int
		left    uint64 // parts that the store still has
		lost    Tally
	}{
		{3, 3, Tally{}},
		{3, 1, Tally{LostParts: 2, LostEvents: 20}},
		{3, 0, Tally{LostParts: 3, LostEvents: 30}},
		{remembered + 50, 10, Tally{LostParts: remembered + 40, LostEvents: 10 * remembered}},
	} {
		f := &forgetful{Mem: store.NewMem(store.MemOptions{})}
		s := NewServer(ServerOptions{Store: f, Registry: builtin.Registry()})
		for range c.commits {
			if err := s.Commit(t.Context(), folded(t, 10, 1), nil); err != nil {
				t.Fatal(err)
			}
		}
		f.answer = func(*store.Part) store.PartResult {
			return store.PartResult{Verdict: store.Gap, Head: store.Head{Seq: c.left}}
		}
		if err := s.Commit(t.Context(), folded(t, 10, 1), nil); err == nil {
			t.Error("acknowledged what did not apply")
		}
		if got := s.Tally(); got != c.lost {
			t.Errorf("%d commits, of which %d are left: %+v, want %+v", c.commits, c.left, got, c.lost)
		}
		f.answer = nil
		if err := s.Commit(t.Context(), folded(t, 10, 1), nil); err != nil {
			t.Error(err)
		}
		s.Stop()
	}
}

// TestTally: each verdict on parts of agents is counted.
func TestTally(t *testing.T) {
	f := &forgetful{Mem: store.NewMem(store.MemOptions{})}
	s := NewServer(ServerOptions{Store: f, Registry: builtin.Registry()})
	defer s.Stop()
	for _, r := range []store.PartResult{
		{Verdict: store.Applied}, {Verdict: store.Duplicate}, {Verdict: store.Gap}, {Verdict: store.Forked},
		{Verdict: store.SourceGone}, {Verdict: store.SourceClosed}, {Err: errors.New("the connection was lost")},
	} {
		f.answer = func(*store.Part) store.PartResult { return r }
		if _, err := s.Append(t.Context(), []store.Part{{}}); err != nil {
			t.Fatal(err)
		}
	}
	want := Tally{Applied: 1, Duplicates: 1, Gaps: 1, Forked: 1, Gone: 2, Unknown: 1}
	if got := s.Tally(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
