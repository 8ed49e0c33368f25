package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/stream"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state/builtin"
)

// ledger is a Committer that adds up what it was given.
type ledger struct {
	mu      sync.Mutex
	acc     *fold.Accumulator
	commits int
	err     error
	entered chan struct{} // if not nil, told when a commit begins
	gate    chan struct{} // if not nil, commits wait for it
}

func newLedger() *ledger { return &ledger{acc: fold.New(builtin.Registry())} }

func (l *ledger) Commit(_ context.Context, acc *fold.Accumulator, taken func()) error {
	if l.entered != nil {
		l.entered <- struct{}{}
	}
	if l.gate != nil {
		<-l.gate
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commits++
	if l.err != nil {
		return l.err
	}
	l.acc.Merge(acc)
	if taken != nil {
		taken()
	}
	return nil
}

func (l *ledger) events() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acc.Events()
}

// serveEvents serves e over HTTP as processes do.
func serveEvents(t *testing.T, l *ledger, o ingest.Options) (*ingest.Events, *httptest.Server) {
	t.Helper()
	o.Now = func() time.Time { return time.Unix(clock, 0) }
	e := ingest.NewEvents(builtin.Registry(), l, nil, nil, o)
	s := httptest.NewUnstartedServer(nil)
	s.Config = ingest.NewServer(e, ingest.ServerOptions{})
	s.Start()
	t.Cleanup(func() {
		e.Stop(t.Context())
		s.Close()
	})
	return e, s
}

func dialEvents(t *testing.T, s *httptest.Server) *stream.Conn {
	t.Helper()
	c, err := stream.Dial(t.Context(), s.URL, stream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func sendFrames(t *testing.T, c *stream.Conn, frames ...[]byte) {
	t.Helper()
	if _, err := c.Send(frames...); err != nil {
		t.Fatal(err)
	}
}

// receiveUpTo adds up replies until frame n is acknowledged.
func receiveUpTo(t *testing.T, c *stream.Conn, n uint64) (sum wire.StreamReply) {
	t.Helper()
	for sum.Acknowledged < n {
		var r wire.StreamReply
		if err := c.Receive(&r); err != nil {
			t.Fatalf("%v, after %+v", err, sum)
		}
		sum.Acknowledged = r.Acknowledged
		sum.Events += r.Events
		sum.Refused = append(sum.Refused, r.Refused...)
		sum.Frames = append(sum.Frames, r.Frames...)
		if r.Status != 0 {
			t.Fatalf("the stream ends: %+v", r)
		}
	}
	return sum
}

// frame has n events in one of a few series.
func frame(e *wire.BatchEncoder, tab string, n int) []byte {
	e.Begin(clock)
	e.Values(e.Series(tab, "CounterGroup", "web-1"), clock, make([]float64, n))
	return append([]byte(nil), e.Bytes()...)
}

func TestStreamCommitsThenAcknowledges(t *testing.T) {
	l := newLedger()
	l.entered, l.gate = make(chan struct{}), make(chan struct{})
	_, s := serveEvents(t, l, ingest.Options{})
	c := dialEvents(t, s)
	var e wire.BatchEncoder
	sendFrames(t, c, frame(&e, "a", 3))
	<-l.entered // a commit is under way; what comes now is the next one
	replies := make(chan wire.StreamReply)
	go func() {
		for {
			var r wire.StreamReply
			if c.Receive(&r) != nil {
				close(replies)
				return
			}
			replies <- r
		}
	}()
	for i := range 10 {
		sendFrames(t, c, frame(&e, fmt.Sprint("b", i%3), 2))
	}
	select {
	case r := <-replies:
		t.Fatalf("acknowledged before the commit: %+v", r)
	default:
	}
	l.gate <- struct{}{}
	if r := <-replies; r.Acknowledged != 1 || r.Events != 3 {
		t.Errorf("the first reply is %+v, want 1 frame of 3 events", r)
	}
	go func() {
		for range l.entered {
		}
	}()
	close(l.gate)
	var got uint64
	var last wire.StreamReply
	for last.Acknowledged < 11 {
		last = <-replies
		got += last.Events
	}
	if got != 20 || l.events() != 23 {
		t.Errorf("%d events were acknowledged and %d committed, want 20 and 23", got, l.events())
	}
	if err := c.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if r, more := <-replies; more {
		t.Errorf("a reply after the last: %+v", r)
	}
	close(l.entered)
}

func TestStreamRefusesFramesAlone(t *testing.T) {
	l := newLedger()
	_, s := serveEvents(t, l, ingest.Options{})
	c := dialEvents(t, s)
	var e wire.BatchEncoder
	sendFrames(t, c, frame(&e, "a", 1))
	sendFrames(t, c, []byte{0xff}, frame(&e, "a", 1), make([]byte, 1<<20+1), frame(&e, "b", 1))
	e.Forget()
	sendFrames(t, c, frame(&e, "b", 1), nil)
	sum := receiveUpTo(t, c, 7)
	var refused []string
	for _, f := range sum.Frames {
		refused = append(refused, fmt.Sprint(f.Frame, " ", f.Status))
	}
	if got, want := strings.Join(refused, ", "), "2 400, 3 409, 4 413, 5 409"; got != want {
		t.Errorf("refused frames %s, want %s", got, want)
	}
	if sum.Events != 2 || l.events() != 2 {
		t.Errorf("%d events acknowledged, %d committed, want 2", sum.Events, l.events())
	}
}

func TestStreamEndsWhereFramingIsLost(t *testing.T) {
	l := newLedger()
	e, s := serveEvents(t, l, ingest.Options{})
	c, conn := rawStream(t, s)
	var enc wire.BatchEncoder
	f := frame(&enc, "a", 5)
	if _, err := conn.Write(append(append([]byte{byte(len(f))}, f...), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)); err != nil {
		t.Fatal(err)
	}
	var r, last wire.StreamReply
	err := c.Receive(&r)
	if err == nil {
		err = c.Receive(&last)
	}
	if err != nil || r.Acknowledged != 1 || last.Status != http.StatusBadRequest || !strings.Contains(last.Error, "framing") {
		t.Errorf("%v, %+v, then %+v", err, r, last)
	}
	if err := c.Receive(&last); !errors.Is(err, io.EOF) {
		t.Errorf("the stream goes on: %v", err)
	}
	if got := e.Metrics().RefusedRequests("framing"); got != 1 {
		t.Errorf("counted %d times", got)
	}
}

// rawStream is a stream with the connection it is on.
func rawStream(t *testing.T, s *httptest.Server) (*stream.Conn, io.Writer) {
	t.Helper()
	c := dialEvents(t, s)
	return c, streamWriter{c}
}

// streamWriter writes bytes that are no frames.
type streamWriter struct{ c *stream.Conn }

func (w streamWriter) Write(b []byte) (int, error) { return w.c.Raw().Write(b) }

func TestStreamReadsByteByByte(t *testing.T) {
	l := newLedger()
	_, s := serveEvents(t, l, ingest.Options{})
	c, conn := rawStream(t, s)
	var enc wire.BatchEncoder
	var bytes []byte
	for i := range 20 {
		f := frame(&enc, fmt.Sprint("tab", i), i)
		bytes = append(append(bytes, byte(len(f)), byte(0)), f...)
		bytes[len(bytes)-len(f)-2] |= 0x80 // a length in two bytes
		if len(f) > 127 {
			bytes[len(bytes)-len(f)-1] = byte(len(f) >> 7)
		}
	}
	if _, err := io.Copy(conn, iotest.OneByteReader(strings.NewReader(string(bytes)))); err != nil {
		t.Fatal(err)
	}
	if sum := receiveUpTo(t, c, 20); sum.Events != 190 || len(sum.Frames) > 0 {
		t.Errorf("got %+v, want 190 events", sum)
	}
}

func TestStreamFailsWithItsCommit(t *testing.T) {
	for _, events := range []int{1, 20_000} { // the reader commits, or the committer
		l := newLedger()
		l.err = errors.New("disk")
		e, s := serveEvents(t, l, ingest.Options{})
		c := dialEvents(t, s)
		var enc wire.BatchEncoder
		sendFrames(t, c, frame(&enc, "a", events))
		var r wire.StreamReply
		if err := c.Receive(&r); err != nil || r.Acknowledged != 0 || r.Status != http.StatusServiceUnavailable || !strings.Contains(r.Error, "disk") {
			t.Errorf("%v, %+v, want 503 and why", err, r)
		}
		if err := c.Receive(&r); !errors.Is(err, io.EOF) {
			t.Errorf("the stream goes on: %v, %+v", err, r)
		}
		if got := e.Metrics().RefusedRequests("commit"); got != 1 {
			t.Errorf("counted %d times", got)
		}
	}
}

// Frames that arrive while the reader commits are read at once and committed
// together, and the commit's time does not count as the client's.
func TestStreamReadsWhatCameDuringACommit(t *testing.T) {
	const idle = 200 * time.Millisecond
	l := newLedger()
	l.entered, l.gate = make(chan struct{}, 100), make(chan struct{})
	_, s := serveEvents(t, l, ingest.Options{Timeouts: ingest.ServerOptions{IdleTimeout: idle}})
	c := dialEvents(t, s)
	var e wire.BatchEncoder
	sendFrames(t, c, frame(&e, "a", 1))
	<-l.entered
	for i := range 20 {
		sendFrames(t, c, frame(&e, fmt.Sprint("b", i%3), 2))
	}
	// The disk is slow: a stream that began later has been given up meanwhile.
	var r wire.StreamReply
	if err := dialEvents(t, s).Receive(&r); err != nil || r.Status != http.StatusRequestTimeout {
		t.Fatalf("%v, %+v, want 408", err, r)
	}
	close(l.gate)
	if sum := receiveUpTo(t, c, 21); sum.Events != 41 {
		t.Errorf("%d events were acknowledged, want 41", sum.Events)
	}
	if l.commits != 2 {
		t.Errorf("%d commits, want one and one of all that came meanwhile", l.commits)
	}
}

// A load that is larger than what a client can have on the way is committed
// beside the reader, which folds on.
func TestStreamFoldsWhileALargeLoadCommits(t *testing.T) {
	l := newLedger()
	l.entered, l.gate = make(chan struct{}), make(chan struct{})
	e, s := serveEvents(t, l, ingest.Options{})
	c := dialEvents(t, s)
	var enc wire.BatchEncoder
	large := frame(&enc, "a", 20_000)
	if len(large) < 128<<10 {
		t.Fatalf("the frame has %d bytes", len(large))
	}
	sendFrames(t, c, large)
	<-l.entered
	sendFrames(t, c, frame(&enc, "a", 1))
	for end := time.Now().Add(10 * time.Second); int(e.Metrics().Bytes.Get()) <= len(large)+3; { // 3: of its length
		if time.Now().After(end) {
			t.Fatal("the next frame was not read during the commit")
		}
		runtime.Gosched()
	}
	go func() {
		for range l.entered {
		}
	}()
	close(l.gate)
	if sum := receiveUpTo(t, c, 2); sum.Events != 20_001 {
		t.Errorf("%d events were acknowledged, want 20,001", sum.Events)
	}
	_ = c.CloseSend()
	var r wire.StreamReply
	if err := c.Receive(&r); err != io.EOF {
		t.Errorf("after the last reply: %+v, %v", r, err)
	}
	close(l.entered)
}

func TestStreamIsDrainedWhenStopped(t *testing.T) {
	l := newLedger()
	e, s := serveEvents(t, l, ingest.Options{})
	c := dialEvents(t, s)
	var enc wire.BatchEncoder
	sendFrames(t, c, frame(&enc, "a", 1))
	receiveUpTo(t, c, 1)
	e.Stop(t.Context())
	var r wire.StreamReply
	if err := c.Receive(&r); err != nil || r.Status != http.StatusServiceUnavailable || r.Acknowledged != 1 {
		t.Errorf("%v, %+v, want a last reply with status 503", err, r)
	}
	if _, err := stream.Dial(t.Context(), s.URL, stream.Options{}); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a stream was opened when stopped: %v", err)
	}
}

func TestStreamWaitsForTheBudget(t *testing.T) {
	l := newLedger()
	budget := ingest.NewBudget(64 << 10)
	_, s := serveEvents(t, l, ingest.Options{Budget: budget})
	c := dialEvents(t, s)
	go func() {
		var e wire.BatchEncoder
		for i := range 300 {
			if _, err := c.Send(frame(&e, fmt.Sprint("tab", i%7), 500)); err != nil {
				t.Error(err)
			}
		}
	}()
	if sum := receiveUpTo(t, c, 300); sum.Events != 150_000 {
		t.Errorf("%d events, want 150,000", sum.Events)
	}
}

func TestStreamNeedsAnUpgrade(t *testing.T) {
	_, s := serveEvents(t, newLedger(), ingest.Options{})
	r, err := http.Get(s.URL + "/v2/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusUpgradeRequired || r.Header.Get("Upgrade") != "taba/2" {
		t.Errorf("status %d, Upgrade %q", r.StatusCode, r.Header.Get("Upgrade"))
	}
}
