package forward

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

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/wire"
)

// pipe is a Transport straight into a shelf.
type pipe struct {
	mu    sync.Mutex
	shelf *shelf
	// before is called with each request; an error is its outcome.
	before func(server, what string) error
	calls  []string
	most   int // parts of a request; 0: any number
}

func (p *pipe) enter(server, what string) (func(), error) {
	p.mu.Lock()
	p.calls = append(p.calls, server+" "+what)
	if p.before != nil {
		if err := p.before(server, what); err != nil {
			p.mu.Unlock()
			return nil, err
		}
	}
	return p.mu.Unlock, nil
}

func (p *pipe) Open(_ context.Context, server string, r *wire.OpenRequest) (reply wire.OpenReply, err error) {
	leave, err := p.enter(server, "open")
	if err != nil {
		return reply, err
	}
	defer leave()
	return p.shelf.open(*r), nil
}

func (p *pipe) Close(_ context.Context, server string, r *wire.CloseRequest) (reply wire.CloseReply, err error) {
	leave, err := p.enter(server, "close")
	if err != nil {
		return reply, err
	}
	defer leave()
	return wire.CloseReply{Closed: p.shelf.close(r.Source, r.Token)}, nil
}

func (p *pipe) Heads(_ context.Context, server string, r *wire.HeadsRequest) (reply wire.HeadsReply, err error) {
	leave, err := p.enter(server, "heads")
	if err != nil {
		return reply, err
	}
	defer leave()
	return wire.HeadsReply{Heads: p.shelf.heads(r.Source)}, nil
}

func (p *pipe) Send(_ context.Context, server string, b *wire.Batch) (reply wire.BatchReply, err error) {
	leave, err := p.enter(server, "send")
	if err != nil {
		return reply, err
	}
	defer leave()
	if p.most > 0 && len(b.Parts) > p.most {
		return reply, &StatusError{Code: 413, Message: "too large"}
	}
	return wire.BatchReply{Results: p.shelf.append(b, func(int) bool { return false })}, nil
}

func (p *pipe) count(what string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		if strings.HasSuffix(c, what) {
			n++
		}
	}
	return n
}

// forget returns the calls so far and forgets them.
func (p *pipe) forget() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := p.calls
	p.calls = nil
	return calls
}

// total is the number of records counted once, or -1 if one was counted twice.
func (p *pipe) total() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, vb := range p.shelf.vbs {
		for _, c := range vb.counts {
			if c != 1 {
				return -1
			}
			n++
		}
	}
	return n
}

func newPipe(stable bool) *pipe {
	p := &pipe{shelf: newShelf(3)}
	p.shelf.stable = stable
	return p
}

func openForwarder(t *testing.T, fs vfs.FS, p Transport, servers ...string) *Forwarder {
	t.Helper()
	if len(servers) == 0 {
		servers = []string{"a"}
	}
	f, err := Open(fs, "spool", spool.Options{}, Options{Servers: servers, Transport: p, Fold: &sumFold{}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func appendSome(t *testing.T, f *Forwarder, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if err := f.Append(bodyOf(nameOf(i)), 1); err != nil {
			t.Fatal(err)
		}
	}
}

func mustClose(t *testing.T, f *Forwarder) {
	t.Helper()
	if err := f.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestCloseDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(true)
		f := openForwarder(t, vfs.NewMem(), p)
		appendSome(t, f, 1, 100)
		mustClose(t, f)
		mustClose(t, f)
		if got := p.total(); got != 100 {
			t.Errorf("counted %d, want 100", got)
		}
	})
}

func TestBatchesGrowWhileOneIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(true)
		release := make(chan struct{})
		p.before = func(_, what string) error {
			if what == "send" {
				<-release
			}
			return nil
		}
		f := openForwarder(t, vfs.NewMem(), p)
		synctest.Wait()
		appendSome(t, f, 1, 1)
		synctest.Wait() // in flight
		appendSome(t, f, 2, 500)
		close(release)
		mustClose(t, f)
		if got := p.count("send"); got != 2 {
			t.Errorf("%d requests, want 2", got)
		}
		if got := p.total(); got != 500 {
			t.Errorf("counted %d, want 500", got)
		}
	})
}

func TestIdleCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(true)
		f := openForwarder(t, vfs.NewMem(), p)
		appendSome(t, f, 1, 10)
		time.Sleep(time.Minute)
		synctest.Wait()
		p.forget()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if got := p.forget(); len(got) != 0 {
			t.Errorf("requests in an idle day: %v", got)
		}
		time.Sleep(10 * 24 * time.Hour)
		synctest.Wait()
		if got := fmt.Sprint(p.forget()); got != "[a open a close]" {
			t.Errorf("an id was not replaced when it was old: %v", got)
		}
		mustClose(t, f)
	})
}

func TestReconcilesWhileBatchesAreRetained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(false)
		empty := p.shelf.clone()
		f := openForwarder(t, vfs.NewMem(), p)
		appendSome(t, f, 1, 10)
		time.Sleep(35 * time.Second)
		synctest.Wait()
		if got := p.count("heads"); got < 2 || got > 4 {
			t.Errorf("heads were asked for %d times in 35 s", got)
		}
		if st := f.Status(); st.Retained == 0 || st.Backlog != 0 {
			t.Errorf("status: %+v", st)
		}
		p.mu.Lock()
		p.shelf.restore(empty)
		p.mu.Unlock()
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := p.total(); got != 10 {
			t.Errorf("after the store lost everything: %d counted, want 10", got)
		}
		time.Sleep(16 * time.Minute)
		synctest.Wait()
		if st := f.Status(); st.Retained != 0 || st.Counts.Resent == 0 {
			t.Errorf("status after the retention: %+v", st)
		}
		mustClose(t, f)
	})
}

func TestFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(true)
		p.before = func(server, _ string) error {
			if server == "a" {
				return errors.New("connection refused")
			}
			return nil
		}
		f := openForwarder(t, vfs.NewMem(), p, "a", "b")
		appendSome(t, f, 1, 50)
		mustClose(t, f)
		if got := p.total(); got != 50 {
			t.Errorf("counted %d, want 50", got)
		}
		if st := f.Status(); st.Server != "b" {
			t.Errorf("server %q, want b", st.Server)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(true)
		start := time.Now()
		var last time.Time
		p.before = func(_, what string) error {
			if last.IsZero() {
				last = time.Now()
				return &StatusError{Code: 503, RetryAfter: 20 * time.Second, Message: "busy"}
			}
			if wait := time.Since(last); wait < 20*time.Second {
				t.Errorf("%s after %v", what, wait)
			}
			return nil
		}
		f := openForwarder(t, vfs.NewMem(), p)
		appendSome(t, f, 1, 5)
		mustClose(t, f)
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

func TestRefusalsAreVisibleAndNothingIsDropped(t *testing.T) {
	for _, code := range []int{400, 401, 403, 404, 413, 500} {
		synctest.Test(t, func(t *testing.T) {
			p := newPipe(true)
			refuse := true
			p.before = func(_, what string) error {
				if refuse && what == "send" {
					return &StatusError{Code: code, Message: "no"}
				}
				return nil
			}
			f := openForwarder(t, vfs.NewMem(), p)
			appendSome(t, f, 1, 20)
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			st := f.Status()
			if !strings.Contains(st.Errors["send"], fmt.Sprintf("status %d: no", code)) || st.Backlog == 0 {
				t.Errorf("status: %+v", st)
			}
			if n := p.count("send"); n < 100 || n > 300 {
				t.Errorf("%d attempts in ten minutes", n)
			}
			p.mu.Lock()
			refuse = false
			p.mu.Unlock()
			time.Sleep(time.Minute)
			synctest.Wait()
			if st := f.Status(); len(st.Errors) > 0 || st.Backlog != 0 || st.LastError == "" {
				t.Errorf("status after it was let in: %+v", st)
			}
			if got := p.total(); got != 20 {
				t.Errorf("counted %d, want 20", got)
			}
			mustClose(t, f)
		})
	}
}

func TestWhatIsNotAcknowledgedSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		p := newPipe(true)
		down := true
		p.before = func(string, string) error {
			if down {
				return errors.New("connection refused")
			}
			return nil
		}
		f := openForwarder(t, fs, p)
		appendSome(t, f, 1, 30) // before any id
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := f.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "30 records") {
			t.Errorf("close: %v", err)
		}
		p.mu.Lock()
		down = false
		p.mu.Unlock()
		f = openForwarder(t, fs, p)
		appendSome(t, f, 31, 40)
		mustClose(t, f)
		if got := p.total(); got != 40 {
			t.Errorf("counted %d, want 40", got)
		}
	})
}

func TestAnotherStoreIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		p := newPipe(true)
		f := openForwarder(t, fs, p)
		appendSome(t, f, 1, 5)
		synctest.Wait()
		p.mu.Lock()
		p.before = func(string, string) error { return errors.New("down") }
		p.mu.Unlock()
		appendSome(t, f, 6, 10)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = f.Close(ctx)

		other := newPipe(true)
		other.shelf.id = [16]byte{2}
		other.before = func(_, what string) error {
			if what == "send" {
				return &StatusError{Code: 409, Message: "another store"}
			}
			return nil
		}
		f = openForwarder(t, fs, other)
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := f.Status(); !strings.Contains(st.Errors["open"], "bring that store back") || st.Backlog != 5 {
			t.Errorf("status: %+v", st)
		}
		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = f.Close(ctx)

		p.mu.Lock()
		p.before = nil
		p.mu.Unlock()
		f = openForwarder(t, fs, p)
		mustClose(t, f)
		if got := p.total(); got != 10 {
			t.Errorf("counted %d, want 10", got)
		}
		// With nothing left for the old store the new one is accepted.
		other.mu.Lock()
		other.before = nil
		other.mu.Unlock()
		f = openForwarder(t, fs, other)
		synctest.Wait()
		appendSome(t, f, 11, 12)
		mustClose(t, f)
		if got := other.total(); got != 2 {
			t.Errorf("counted %d at the other store, want 2", got)
		}
	})
}

func TestUndecodableRecordsDoNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		p := newPipe(true)
		f := openForwarder(t, fs, p)
		synctest.Wait()
		appendSome(t, f, 1, 3)
		if err := f.Append([]byte{1, 200, 1, 2}, 1); err != nil {
			t.Fatal(err)
		}
		appendSome(t, f, 4, 6)
		mustClose(t, f)
		if got := p.total(); got != 6 {
			t.Errorf("counted %d, want 6", got)
		}
		names, err := fs.List("spool/quarantine")
		if err != nil || len(names) != 1 || !strings.HasPrefix(names[0], "undecodable-") {
			t.Errorf("quarantine: %v, %v", names, err)
		}
	})
}

func TestLargeBacklogIsCutIntoBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		p := newPipe(true)
		down := true
		p.before = func(string, string) error {
			if down {
				return errors.New("down")
			}
			return nil
		}
		f, err := Open(fs, "spool", spool.Options{SegmentBytes: 4000}, Options{
			Servers: []string{"a"}, Transport: p, Fold: &sumFold{}, BatchBytes: 1000,
		})
		if err != nil {
			t.Fatal(err)
		}
		appendSome(t, f, 1, 2000)
		synctest.Wait()
		segments := f.Status().Spool.Segments
		p.mu.Lock()
		down = false
		p.mu.Unlock()
		mustClose(t, f)
		if got := p.total(); got != 2000 {
			t.Errorf("counted %d, want 2000", got)
		}
		if got := f.Status(); got.Spool.Segments > 3 || segments < 10 || got.Counts.Sealed < 20 {
			t.Errorf("segments %d -> %d, %d Batches", segments, got.Spool.Segments, got.Counts.Sealed)
		}
	})
}

// TestLargeRequestsAreMadeSmaller: a server that takes one part at a time gets
// one part at a time, at once.
func TestLargeRequestsAreMadeSmaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(true)
		p.most = 1
		start := time.Now()
		f := openForwarder(t, vfs.NewMem(), p)
		appendSome(t, f, 1, 100)
		mustClose(t, f)
		if got := p.total(); got != 100 {
			t.Errorf("counted %d, want 100", got)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %v", took)
		}
		if err := f.Status().LastError; err != "" {
			t.Errorf("error: %s", err)
		}
	})
}

// small is a Folder that merges everything into next to nothing.
type small struct{ sumFold }

func (s *small) Size() int { return 1 }

// TestRecordsThatMergeWellAreSentInSteps: a large backlog is not read to its
// end before any of it is sent.
func TestRecordsThatMergeWellAreSentInSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(true)
		down := true
		p.before = func(string, string) error {
			if down {
				return errors.New("connection refused")
			}
			return nil
		}
		const batch = 100
		f, err := Open(vfs.NewMem(), "spool", spool.Options{}, Options{
			Servers: []string{"a"}, Transport: p, Fold: &small{}, BatchBytes: batch,
		})
		if err != nil {
			t.Fatal(err)
		}
		appendSome(t, f, 1, 2000)
		time.Sleep(time.Hour) // of the bubble's time
		synctest.Wait()
		held := f.Status().BacklogBytes
		p.mu.Lock()
		down = false
		p.mu.Unlock()
		back := time.Now()
		mustClose(t, f)
		if late := time.Since(back); late > 5*time.Second {
			t.Errorf("the server was back for %v before the spool was empty", late)
		}
		if got := p.total(); got != 2000 {
			t.Errorf("counted %d, want 2000", got)
		}
		least := uint64(held / (mergedBytes * batch) / 2)
		if got := f.Status().Counts.Sealed; least < 10 || got < least {
			t.Errorf("%d bytes went into %d Batches, want at least %d", held, got, least)
		}
	})
}

func TestPicker(t *testing.T) {
	p, err := newPicker([]string{"a", "b"}, time.Second, 8*time.Second, func() float64 { return 0.5 })
	if err != nil {
		t.Fatal(err)
	}
	pick := func(now time.Duration, wantServer int, wantWait time.Duration) {
		t.Helper()
		if i, wait := p.pick(now); i != wantServer || wait != wantWait {
			t.Errorf("at %v: server %d after %v, want %d after %v", now, i, wait, wantServer, wantWait)
		}
	}
	pick(0, 0, 0)
	p.failed(p.servers[0], 0, 0)
	pick(0, 1, 0)
	p.failed(p.servers[1], 10*time.Second, 0)
	pick(0, -1, 750*time.Millisecond)
	pick(time.Second, 0, 0)
	p.worked(p.servers[0], 0, time.Second)
	pick(20*time.Second, 0, 0) // kept to
	var waits []time.Duration
	for n := range 6 {
		waits = append(waits, p.backoff(n))
	}
	if !slices.IsSorted(waits) || waits[5] != 6*time.Second {
		t.Errorf("backoff: %v", waits)
	}
	if got := p.backoff(1000); got != 6*time.Second {
		t.Errorf("backoff after many failures: %v", got)
	}
	if _, err := newPicker(nil, 1, 1, nil); err == nil {
		t.Error("no server was accepted")
	}
}

// meeting lets Batches leave when one is on its way to every server.
type meeting struct {
	*pipe
	came chan string
	all  chan struct{}
}

func (m *meeting) Send(ctx context.Context, server string, b *wire.Batch) (wire.BatchReply, error) {
	m.came <- server
	<-m.all
	return m.pipe.Send(ctx, server, b)
}

// TestPartsGoToTheirServers: the parts of a Batch leave at once, each for the
// server of its vbucket, and from then on always for that one.
func TestPartsGoToTheirServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meeting{pipe: newPipe(true), came: make(chan string, 3), all: make(chan struct{})}
		f := openForwarder(t, vfs.NewMem(), m, "a", "b", "c")
		appendSome(t, f, 1, 30) // of three vbuckets
		var met []string
		for range 3 {
			met = append(met, <-m.came)
		}
		slices.Sort(met)
		if !slices.Equal(met, []string{"a", "b", "c"}) {
			t.Errorf("Batches are on their way to %v, want one to each server", met)
		}
		close(m.all)
		go func() {
			for range m.came { // later ones need not meet
			}
		}()
		appendSome(t, f, 31, 300)
		mustClose(t, f)
		close(m.came)
		if got := m.total(); got != 300 {
			t.Errorf("counted %d, want 300", got)
		}
	})
}

// TestOneServerIsAway: what was to go to it goes to others.
func TestOneServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(true)
		p.before = func(server, _ string) error {
			if server == "b" {
				return errors.New("connection refused")
			}
			return nil
		}
		f := openForwarder(t, vfs.NewMem(), p, "a", "b", "c")
		start := time.Now()
		appendSome(t, f, 1, 300)
		mustClose(t, f)
		if got := p.total(); got != 300 {
			t.Errorf("counted %d, want 300", got)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("it took %v", d)
		}
	})
}
