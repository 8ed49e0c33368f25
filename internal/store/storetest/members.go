package storetest

import (
	"fmt"
	"strings"
	"sync"

	"github.com/tabaproject/taba/internal/store"
)

// testMembers: what members say is what all read, until it is replaced or
// forgotten.
func testMembers(e *env) {
	m, ok := e.Store.(store.Members)
	if !ok {
		e.Fatal("the engine does not implement store.Members")
	}
	one := store.Member{ID: store.MemberID{2}, Beat: 1, Says: []byte("one")}
	two := store.Member{ID: store.MemberID{1, 0, 0xff}, Beat: 1 << 60, Says: []byte("\x00\r\n\xff")}
	announce := func(who store.Member, want ...store.Member) {
		e.Helper()
		list, err := m.Announce(e.ctx, who)
		e.ok(err)
		equal(e, "members", fmt.Sprint(list), fmt.Sprint(want))
	}
	announce(one, one)
	announce(two, two, one)
	one.Beat, one.Says = 2, nil
	list, err := m.Announce(e.ctx, one)
	e.ok(err)
	equal(e, "members", len(list), 2)
	equal(e, "beat", list[1].Beat, 2)
	equal(e, "what is said", string(list[1].Says), "")
	e.ok(m.Forget(e.ctx))
	e.ok(m.Forget(e.ctx, one.ID, store.MemberID{9}))
	announce(two, two)
	e.ok(m.Forget(e.ctx, two.ID))

	if _, err := m.Announce(e.ctx, store.Member{Says: make([]byte, store.MaxSays+1)}); err == nil || !strings.Contains(err.Error(), "at most") {
		e.Errorf("a member that says too much: got %v", err)
	}
	largest := store.Member{ID: store.MemberID{3}, Says: make([]byte, store.MaxSays)}
	announce(largest, largest)
	e.ok(m.Forget(e.ctx, largest.ID))
	manyMembers(e, m)
}

// manyMembers: members speak at the same time, and nobody is lost.
func manyMembers(e *env, m store.Members) {
	const n, beats = 8, 10
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			for beat := range beats {
				if _, err := m.Announce(e.ctx, store.Member{ID: store.MemberID{byte(i)}, Beat: uint64(beat)}); err != nil {
					errs[i] = err
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		e.ok(err)
	}
	list, err := m.Announce(e.ctx, store.Member{ID: store.MemberID{0}, Beat: beats})
	e.ok(err)
	equal(e, "members", len(list), n)
	for i, who := range list {
		want := uint64(beats - 1)
		if i == 0 {
			want = beats
		}
		equal(e, "beat", who.Beat, want)
	}
}
