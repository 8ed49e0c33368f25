package ingest_test

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state/builtin"
)

// writes is a listener that counts the writes of its connections: with
// TCP_NODELAY, which Go sets, each is a segment that leaves at once.
type writes struct {
	net.Listener
	n atomic.Int64
}

func (w *writes) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	return countedConn{c, w}, err
}

type countedConn struct {
	net.Conn
	of *writes
}

func (c countedConn) Write(b []byte) (int, error) {
	c.of.n.Add(1)
	return c.Conn.Write(b)
}

// A small answer that is written in pieces would wait for the receiver's
// delayed acknowledgement, some 40 or 200 ms.
func TestSmallAnswersLeaveInOneSegment(t *testing.T) {
	e := ingest.NewEvents(builtin.Registry(), newLedger(), nil, nil, ingest.Options{Now: func() time.Time { return time.Unix(clock, 0) }})
	s := httptest.NewUnstartedServer(nil)
	s.Config = ingest.NewServer(e, ingest.ServerOptions{})
	counted := &writes{Listener: s.Listener}
	s.Listener = counted
	s.Start()
	defer s.Close()
	defer e.Stop(t.Context())

	var enc wire.BatchEncoder
	for range 3 {
		before := counted.n.Load()
		enc.Forget()
		r, err := http.Post(s.URL+"/v2/batch", wire.ContentType, bytes.NewReader(frame(&enc, "a", 1)))
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		if got := counted.n.Load() - before; r.StatusCode != http.StatusOK || got != 1 {
			t.Errorf("status %d in %d writes, want 1", r.StatusCode, got)
		}
	}
	c := dialEvents(t, s)
	enc.Forget()
	for i := range uint64(3) {
		before := counted.n.Load()
		sendFrames(t, c, frame(&enc, "a", 1))
		receiveUpTo(t, c, i+1)
		if got := counted.n.Load() - before; got != 1 {
			t.Errorf("an acknowledgement in %d writes, want 1", got)
		}
	}
}
