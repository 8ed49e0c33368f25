package view

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// torn is a store of which vbuckets can hang: then Load takes long and fails.
type torn struct {
	*fakeStore
	mu    sync.Mutex
	away  map[int]bool
	tried int
}

const hangs = 5 * time.Second

func (s *torn) Load(ctx context.Context, vb int, r store.LoadRequest) (*store.Loaded, error) {
	s.mu.Lock()
	away := s.away[vb]
	if away {
		s.tried++
	}
	s.mu.Unlock()
	if !away {
		return s.fakeStore.Load(ctx, vb, r)
	}
	time.Sleep(hangs) // virtual
	return nil, fmt.Errorf("the server of vbucket %d hangs", vb)
}

func (s *torn) set(away bool, vbs ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, vb := range vbs {
		s.away[vb] = away
	}
}

func newTorn(vbuckets int) *torn {
	return &torn{fakeStore: newFakeStore(vbuckets), away: map[int]bool{}}
}

// tabOf returns the name of a tab of a vbucket.
func (s *torn) tabOf(vb int) string {
	for i := 0; ; i++ {
		if name := fmt.Sprint("tab", i); s.part.Of("", name) == vb {
			return name
		}
	}
}

// TestLacks: what cannot be read is left out and named, whoever asks for the
// rest alone lacks nothing, and without leave to lack something it is an error.
func TestLacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newTorn(4)
		names := make([]string, 4)
		for vb := range names {
			names[vb] = st.tabOf(vb)
			st.append(event{tab: names[vb], client: fmt.Sprint("c", vb), value: 1})
		}
		v := New(st, testRegistry(t), Options{})
		must(t, v.CatchUp(t.Context()))
		st.set(true, 1, 2)
		for round := range 3 {
			var l Lacks
			got, err := v.Names(t.Context(), Request{Lacks: &l})
			must(t, err)
			want := []string{names[0], names[3]}
			slices.Sort(want)
			if !slices.Equal(got, want) || !slices.Equal(l.VBuckets(), []int{1, 2}) {
				t.Errorf("round %d: %v without vbuckets %v", round, got, l.VBuckets())
			}
			_, err = v.Names(t.Context(), Request{})
			if unread, ok := errors.AsType[*UnreadError](err); !ok || unread.Which() != "vbuckets 1-2" || !strings.Contains(err.Error(), "hangs") {
				t.Errorf("round %d: got %v", round, err)
			}
			var none Lacks
			got, err = v.Names(t.Context(), Request{Names: List(names[0]), Lacks: &none})
			if must(t, err); !slices.Equal(got, []string{names[0]}) || none.Any() {
				t.Errorf("round %d: of one that is there: %v without %v", round, got, none.VBuckets())
			}
			var only Lacks
			got, err = v.Names(t.Context(), Request{Names: List(names[1]), Lacks: &only})
			if must(t, err); len(got) != 0 || !slices.Equal(only.VBuckets(), []int{1}) {
				t.Errorf("round %d: of one that is away: %v without %v", round, got, only.VBuckets())
			}
			everyQuestion(t, v, round)
		}
		st.set(false, 1, 2)
		time.Sleep(2 * hangs) // what was begun before it was back has ended
		var first, l Lacks
		_, err := v.Names(t.Context(), Request{Lacks: &first}) // it waits as long as for the others: not at all, on this clock
		must(t, err)
		synctest.Wait() // what it began has found that they are back
		_, err = v.Names(t.Context(), Request{Lacks: &l})
		if must(t, err); l.Any() {
			t.Errorf("they are back, but %v are lacking", l.VBuckets())
		}
	})
}

// everyQuestion requires that each says that vbuckets are lacking.
func everyQuestion(t *testing.T, v *View, round int) {
	t.Helper()
	ctx := t.Context()
	for what, ask := range map[string]func(l *Lacks) error{
		"tabs":       func(l *Lacks) error { return v.Tabs(ctx, Request{Lacks: l}, func(Row) error { return nil }) },
		"projection": func(l *Lacks) error { return v.Projection(ctx, Request{Lacks: l}, func(Row) error { return nil }) },
		"supertabs":  func(l *Lacks) error { _, err := v.SuperTabs(ctx, Request{Lacks: l}, nil); return err },
		"clients":    func(l *Lacks) error { _, err := v.Clients(ctx, Request{Lacks: l}); return err },
		"types":      func(l *Lacks) error { _, err := v.Types(ctx, Request{Lacks: l}); return err },
		"search":     func(l *Lacks) error { _, _, err := v.SearchTabs(ctx, Page{Limit: 9, Lacks: l}); return err },
		"count":      func(l *Lacks) error { _, err := v.CountTypes(ctx, l); return err },
		"choose": func(l *Lacks) error {
			_, err := v.Choose(ctx, Look{Tabs: []Range{{}}, Lacks: l})
			return err
		},
	} {
		var l Lacks
		if err := ask(&l); err != nil || !slices.Equal(l.VBuckets(), []int{1, 2}) {
			t.Errorf("round %d: %s lacks %v: %v", round, what, l.VBuckets(), err)
		}
		if err := ask(nil); err == nil {
			t.Errorf("round %d: %s: no error", round, what)
		}
	}
}

// TestAwayIsNotWaitedFor: a server that hangs makes one answer wait, not all,
// and few ask it again.
func TestAwayIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newTorn(4)
		v := New(st, testRegistry(t), Options{})
		must(t, v.CatchUp(t.Context()))
		st.set(true, 3)
		start := time.Now()
		for range 1000 {
			var l Lacks
			if _, err := v.Names(t.Context(), Request{Lacks: &l}); err != nil || !l.Any() {
				t.Fatal(err, l.VBuckets())
			}
		}
		if took := time.Since(start); took > hangs {
			t.Errorf("1,000 answers took %v, want no more than the first one's %v", took, hangs)
		}
		if st.tried > 2 {
			t.Errorf("it was tried %d times", st.tried)
		}
		time.Sleep(2 * hangs)
	})
}

// TestNoTrouble: that somebody who asked has gone says nothing of the store.
func TestNoTrouble(t *testing.T) {
	st := newTorn(2)
	v := New(st, testRegistry(t), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Names(ctx, Request{Lacks: &Lacks{}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for _, s := range v.shards {
		if s.trouble.Load() != nil {
			t.Errorf("vbucket %d is held to be away", s.vb)
		}
	}
}
