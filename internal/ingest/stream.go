package ingest

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Protocol is what a client asks to upgrade to, and HeaderMaxFrame the header
// that tells it how large frames may be.
const (
	Protocol       = "taba/2"
	HeaderMaxFrame = "Taba-Max-Frame"
)

// stream is one connection of the v2 protocol. Two goroutines serve it: one
// reads frames and folds them, the other commits and acknowledges. What was
// folded lies between them in offered, a place for one load, from which the
// reader takes it back and adds to it as long as the committer is busy. So
// there is one commit in flight, what accrues meanwhile is the next, and the
// committer is woken only when there is work and it has none.
//
// That pays where much arrives while a commit lasts. Where little does, the
// reader commits itself before it waits, if the committer is at rest: nobody has
// to be woken for it, and what arrives meanwhile is read at once.
type stream struct {
	e       *Events
	conn    net.Conn
	sender  string // its address
	offered chan *load
	unacked atomic.Int32  // loads that were offered and are not the reader's again, nor acknowledged
	replier replier       // of the committer while it has a load, else of the reader
	spare   chan *load    // for use again
	ended   chan struct{} // closed when the committer has returned
	refusal *refusal      // why the stream ends; set before offered is closed
	share   share

	// Of the reader.
	patience func() // moves the deadline of a read
	frames   *frames
	folder   *unbundler
	count    uint64 // frames read
	suspect  bool   // a frame was refused: names are not to be trusted
	early    int64  // bytes read while nothing was open
	open     *load  // what is being folded into; nil if nothing is
	lent     bool   // it was offered since
	pacer    pacer
}

// serveStream upgrades the connection and serves it until it ends. An error
// means that it was not upgraded.
func (e *Events) serveStream(w http.ResponseWriter, r *http.Request) error {
	if !strings.EqualFold(r.Header.Get("Upgrade"), Protocol) || !hasToken(r.Header.Get("Connection"), "upgrade") {
		w.Header().Set("Upgrade", Protocol)
		w.Header().Set("Connection", "Upgrade")
		return refuse(http.StatusUpgradeRequired, reasonUpgrade, "A stream begins with Connection: Upgrade and Upgrade: %s.", Protocol)
	}
	s := &stream{e: e, share: share{lease: lease{of: e.o.Budget}}}
	if !s.share.reserve(minFrameBuffer) {
		return errCapacity
	}
	defer s.share.free()
	if !e.enter() {
		return errStopping
	}
	defer e.open.Done()
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return refuse(http.StatusInternalServerError, reasonUpgrade, "The connection cannot be upgraded: %v", err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Time{}) // what the server had set
	first, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	if _, err := io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+Protocol+
		"\r\n"+HeaderMaxFrame+": "+strconv.Itoa(maxFrame)+"\r\n\r\n"); err == nil {
		s.serve(conn, append([]byte(nil), first...))
	}
	return nil
}

var errStopping = refuse(http.StatusServiceUnavailable, reasonCapacity, "The process is stopping. Retry later or elsewhere.")

// hasToken reports whether a list in a header contains a token.
func hasToken(list, token string) bool {
	for _, t := range strings.Split(list, ",") {
		if strings.EqualFold(strings.TrimSpace(t), token) {
			return true
		}
	}
	return false
}

// serve reads until the stream ends, and returns when what came of it is
// committed and acknowledged.
func (s *stream) serve(conn net.Conn, first []byte) {
	e := s.e
	e.o.Metrics.Streams.Inc()
	s.sender = conn.RemoteAddr().String()
	s.conn, s.frames, s.folder = conn, newFrames(conn, first), e.folders.get()
	s.offered, s.spare, s.ended = make(chan *load, 1), make(chan *load, 2), make(chan struct{})
	s.replier = newReplier(conn, e.o.Timeouts.WriteTimeout)
	go s.commit()
	s.read()
	s.offer()
	close(s.offered)
	<-s.ended
	s.frames.close()
	s.folder.end()
	s.folder.reset()
	e.folders.put(s.folder)
	s.drop()
}

// drop gives the memory of loads back.
func (s *stream) drop() {
	for l := range s.offered { // after a failed commit
		l.claim.settle()
		s.e.recycle(l.accumulator)
	}
	close(s.spare)
	for l := range s.spare {
		s.e.recycle(l.accumulator)
	}
}

// enter counts a stream in, unless no more are taken.
func (e *Events) enter() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.isStopped() {
		return false
	}
	e.open.Add(1)
	return true
}

func (e *Events) isStopped() bool {
	select {
	case <-e.stopped:
		return true
	default:
		return false
	}
}

// Stop ends all streams: what they have sent is committed and acknowledged,
// and no more is read. It returns when that is done or ctx ends.
func (e *Events) Stop(ctx context.Context) {
	e.stop.Do(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		close(e.stopped)
	})
	done := make(chan struct{})
	go func() {
		e.open.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
