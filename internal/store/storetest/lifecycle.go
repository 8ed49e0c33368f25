package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/store"
)

// testVBuckets: every method refuses a vbucket that is not there.
func testVBuckets(e *env) {
	for _, vb := range []int{-1, vbuckets, 1 << 30} {
		_, err1 := e.Store.Load(e.ctx, vb, store.LoadRequest{})
		_, err2 := e.Store.Command(e.ctx, vb, store.Command{Kind: store.KindPrune})
		_, err3 := e.Store.Compact(e.ctx, vb, nil, store.Position{})
		_, err4 := e.Store.Stats(e.ctx, vb)
		_, err5 := e.Store.Audit(e.ctx, vb)
		for i, err := range []error{err1, err2, err3, err4, err5} {
			if err == nil {
				e.Errorf("method %d with vbucket %d: no error", i, vb)
			}
		}
	}
}

func testShutdown(e *env) {
	s := e.newSender(1)
	e.ok(e.Store.Shutdown())
	e.ok(e.Store.Shutdown())
	for name, err := range everyMethod(e, s) {
		if !errors.Is(err, store.ErrClosed) {
			e.Errorf("%s: got %v, want %v", name, err, store.ErrClosed)
		}
	}
}

// everyMethod calls them all and returns their errors.
func everyMethod(e *env, s *sender) map[string]error {
	errs := map[string]error{}
	_, errs["open"] = e.Store.Open(e.ctx, store.ClassSpool, store.Nonce{7}, created)
	_, errs["close"] = e.Store.Close(e.ctx, s.id, store.Token{})
	_, errs["heads"] = e.Store.Heads(e.ctx, s.id)
	_, errs["append"] = e.Store.Append(e.ctx, []store.Part{s.next(0, body(1, "a"))})
	_, errs["command"] = e.Store.Command(e.ctx, 0, store.Command{Kind: store.KindPrune})
	_, errs["load"] = e.Store.Load(e.ctx, 0, store.LoadRequest{})
	_, errs["compact"] = e.Store.Compact(e.ctx, 0, nil, store.Position{})
	_, errs["gc"] = e.Store.GC(e.ctx, time.Hour, created)
	_, errs["stats"] = e.Store.Stats(e.ctx, 0)
	_, errs["audit"] = e.Store.Audit(e.ctx, 0)
	m := e.Store.(store.Members)
	_, errs["announce"] = m.Announce(e.ctx, store.Member{})
	errs["forget"] = m.Forget(e.ctx, store.MemberID{})
	return errs
}

// testReopen: everything is there again, also of an empty log.
func testReopen(e *env) {
	if e.Reopen == nil {
		return
	}
	meta := e.Store.Meta()
	s, closed := e.newSender(1), e.newSender(2)
	last := s.next(0, body(2, "a", "b"))
	at := e.append(store.Applied, last)[0].Position
	_, err := e.Store.Close(e.ctx, closed.id, store.Token{5})
	e.ok(err)
	removed, err := e.Store.GC(e.ctx, store.ClassDirect.Age(), created.Add(2*store.ClassDirect.Age()))
	e.ok(err)
	equal(e, "removed", removed, 0)
	full := store.LoadRequest{Records: store.WithClients}
	same := func() {
		e.Helper()
		before, stats := e.load(full), e.balanced()
		e.Store = e.Reopen()
		if got := e.load(full); !reflect.DeepEqual(got, before) {
			e.Errorf("after opening again:\ngot  %+v\nwant %+v", got, before)
		}
		equal(e, "stats", e.balanced(), stats)
		got := e.Store.Meta()
		equal(e, "meta", got, meta)
	}
	same()
	e.append(store.Duplicate, last)
	e.append(store.SourceClosed, closed.next(0, body(1, "a")))
	old := store.SourceID{Birth: created.UnixMilli() - 1, Class: store.ClassDirect}
	e.append(store.SourceGone, seal(old, 0, store.Head{}, 1, body(1, "a")))

	fold := func(name string) store.Update {
		return store.Update{Tab: tab(name), New: at, Events: 2, First: 1, Clients: []store.ClientState{{Client: "c", Events: 2, State: []byte("s")}}}
	}
	equal(e, "trim", e.compact(at, fold("a"), fold("b")).Trim, at)
	same()
	equal(e, "offset after an empty log", e.put(s, body(1, "a")).Offset, at.Offset+1)
	same()
	e.command(store.Command{Kind: store.KindDelete, Names: names("a")})
	e.command(store.Command{Kind: store.KindPrune, At: 3})
	same()
}

// testConcurrent: appends, commands, compactions and reads from several
// goroutines. Every reader sees each Source's parts in order and without holes.
func testConcurrent(e *env) {
	const writers, parts = 4, 40
	ctx, stop := context.WithCancel(e.ctx)
	defer stop()
	var readers, all sync.WaitGroup
	report := func(err error) {
		if err != nil && ctx.Err() == nil {
			e.Error(err)
			stop()
		}
	}
	for i := range writers {
		s := e.newSender(byte(i))
		all.Go(func() { report(e.write(ctx, s, parts)) })
	}
	for range 2 {
		readers.Go(func() { report(e.follow(ctx)) })
	}
	readers.Go(func() {
		for ctx.Err() == nil {
			report(e.fold(ctx))
		}
	})
	all.Wait()
	stop()
	readers.Wait()
	e.ok(e.fold(e.ctx))
	s := e.balanced()
	equal(e, "appended", s.Appended, writers*parts)
	equal(e, "recorded", s.Recorded, writers*parts)
}

// write appends parts, each twice, and sees each in the log.
func (e *env) write(ctx context.Context, s *sender, parts int) error {
	for i := range parts {
		p := s.next(0, body(1, fmt.Sprint("t", i%3)))
		for _, want := range []store.Verdict{store.Applied, store.Duplicate} {
			r, err := e.Store.Append(ctx, []store.Part{p, {Source: s.id, VB: 1}})
			if err != nil || r[0].Err != nil {
				return errors.Join(err, r[0].Err)
			}
			if r[0].Verdict != want {
				return fmt.Errorf("part %d: got %v, want %v", p.Seq, r[0].Verdict, want)
			}
			if want == store.Duplicate {
				continue
			}
			l, err := e.Store.Load(ctx, 0, store.LoadRequest{Records: store.DirectoryOnly})
			if err != nil {
				return err
			}
			if l.End.Offset < r[0].Position.Offset {
				return fmt.Errorf("appended at %d, then a reader sees %d as the end", r[0].Position.Offset, l.End.Offset)
			}
		}
	}
	return nil
}

// follow reads the log as it grows and is trimmed.
func (e *env) follow(ctx context.Context) error {
	var at store.Position
	seen := map[store.SourceID]uint64{}
	for ctx.Err() == nil {
		l, err := e.Store.Load(ctx, 0, store.LoadRequest{After: at})
		if errors.Is(err, store.ErrDiverged) {
			if l, err = e.Store.Load(ctx, 0, store.LoadRequest{Records: store.DirectoryOnly}); err == nil {
				clear(seen)
			}
		}
		if err != nil {
			return err
		}
		for i := range l.Entries {
			entry := &l.Entries[i]
			if last, ok := seen[entry.Source]; ok && entry.Seq != last+1 {
				return fmt.Errorf("source %v: part %d after %d", entry.Source, entry.Seq, last)
			}
			seen[entry.Source] = entry.Seq
		}
		if l.End.Offset < at.Offset {
			return fmt.Errorf("the end went back from %d to %d", at.Offset, l.End.Offset)
		}
		at = l.End
	}
	return nil
}

// fold compacts everything.
func (e *env) fold(ctx context.Context) error {
	l, err := e.Store.Load(ctx, 0, store.LoadRequest{Records: store.WithClients})
	if err != nil {
		return err
	}
	list := updates(held{nil, l})
	list = slices.DeleteFunc(list, func(u store.Update) bool { return u.Old.Offset >= u.New.Offset })
	done, err := e.Store.Compact(ctx, 0, list, l.End)
	if err == nil && done.Stale > 0 {
		err = fmt.Errorf("%d of %d updates were stale, though nobody else compacts", done.Stale, len(list))
	}
	return err
}
