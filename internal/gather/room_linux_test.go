package gather

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// house is a server with a Room.
type house struct {
	*Room
	file   *File
	addr   string
	server *http.Server
}

// open starts a server. Without a share nobody goes straight through, and
// complete requests are handed over one at a time.
func open(t testing.TB, handler http.HandlerFunc, o Options) *house {
	t.Helper()
	if o.File == nil {
		o.File = NewFile(t.TempDir(), 64<<20)
	}
	if o.Worth == nil {
		o.Worth = func(*http.Request) bool { return true }
	}
	if o.HeaderTimeout == 0 {
		o.HeaderTimeout = time.Hour
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = time.Hour
	}
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	room, err := NewRoom(ln, o)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{Room: room, file: o.File, addr: ln.Addr().String(), server: &http.Server{Handler: handler, ConnState: room.ConnState, ConnContext: room.ConnContext}}
	done := make(chan error, 2)
	go func() { done <- h.server.Serve(room.Door()) }()
	go func() { done <- h.server.Serve(room) }()
	t.Cleanup(func() {
		_ = h.server.Close()
		<-done
		<-done
		eventually(t, "all is given back", func() bool { return h.file.Held() == 0 })
		if err := h.file.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

const patience = time.Minute // on a busy machine

// eventually waits for a condition.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(patience); !is(); <-look.C {
		if time.Now().After(deadline) {
			t.Fatalf("not after %v: %s", patience, what)
		}
	}
}

// dial connects and sends text.
func dial(t testing.TB, addr, text string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

func answer(t testing.TB, c io.Reader) (int, string) {
	t.Helper()
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// echo answers with what it read.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.WriteHeader(http.StatusRequestTimeout)
	}
	_, _ = fmt.Fprintf(w, "%s %s %d %q %v", r.Method, r.URL.Path, r.ContentLength, body, err)
}

func want(t testing.TB, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

const header = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"

func TestRequestIsHandedOverWhenItIsComplete(t *testing.T) {
	var called atomic.Int64
	h := open(t, func(w http.ResponseWriter, r *http.Request) {
		want(t, "complete", Complete(r.Context()), called.Add(1) == 1)
		echo(w, r)
	}, Options{})
	all := header + "abcdef"
	c := dial(t, h.addr, "")
	for i := range all {
		eventually(t, "what was sent is in the file", func() bool { return h.file.Written() == uint64(i) })
		want(t, "requests served", called.Load(), int64(0))
		_, _ = io.WriteString(c, all[i:i+1])
	}
	status, text := answer(t, c)
	want(t, "status", status, 200)
	want(t, "text", text, `POST /a 6 "abcdef" <nil>`)
	_, _ = io.WriteString(c, all) // the connection is kept
	_, text = answer(t, c)
	want(t, "text", text, `POST /a 6 "abcdef" <nil>`)
	want(t, "waiting", h.Waiting(), 0)
}

func TestFewGoStraightThrough(t *testing.T) {
	h := open(t, echo, Options{Share: 2 * connectionCost})
	first := dial(t, h.addr, "")
	second := dial(t, h.addr, "")
	eventually(t, "two are with the server", func() bool { return h.direct.Load() == 2*connectionCost })
	third := dial(t, h.addr, "")
	eventually(t, "the third waits", func() bool { return h.Waiting() == 1 })
	for _, c := range []net.Conn{third, first, second} {
		_, _ = io.WriteString(c, header+"abcdef")
		_, text := answer(t, c)
		want(t, "text", text, `POST /a 6 "abcdef" <nil>`)
	}
	eventually(t, "nothing counts any more", func() bool { return h.direct.Load() == 0 && h.hand() == 0 })
}

// hand is what is in the server's hands.
func (h *house) hand() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.inHand
}

func TestCompleteRequestsWaitForTheServer(t *testing.T) {
	in, out := make(chan struct{}), make(chan struct{})
	h := open(t, func(_ http.ResponseWriter, r *http.Request) {
		if !Complete(r.Context()) {
			t.Error("a request that was complete does not say so")
		}
		in <- struct{}{}
		<-out
	}, Options{Share: 3 * connectionCost})
	h.direct.Store(3 * connectionCost) // nobody goes straight through
	for range 5 {
		dial(t, h.addr, header+"abcdef")
	}
	eventually(t, "all are complete", func() bool { return h.Waiting() == 3 })
	for range 2 {
		<-in
	}
	want(t, "waiting", h.Waiting(), 3) // three would be more than the share, with their bodies
	for range 3 {
		out <- struct{}{}
		<-in
	}
	close(out)
	eventually(t, "nothing is in hand", func() bool { return h.hand() == 0 })
	h.direct.Store(0)
}

// What the Room cannot wait for, the server gets at once.
func TestSomeRequestsAreHandedOverAtOnce(t *testing.T) {
	f := func(text, expect string) {
		t.Helper()
		h := open(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close") // or its server would read the rest first
		}, Options{Worth: func(r *http.Request) bool { return r.URL.Path != "/no" }})
		c := dial(t, h.addr, text)
		answer, err := bufio.NewReader(c).ReadString('\n')
		if err != nil || !strings.Contains(answer, expect) {
			t.Errorf("%q is answered %q, %v, want %q", text, answer, err, expect)
		}
	}
	f("POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n", "200")
	f("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "200")
	f("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n", "200")
	f("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nContent-Length: 7\r\n\r\n", "400")
	f("nonsense\r\n\r\n", "400")
	f("POST / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", headSize)+"\r\n\r\n", "200")
}

func TestHeaderMustArrive(t *testing.T) {
	h := open(t, echo, Options{HeaderTimeout: 50 * time.Millisecond})
	for _, text := range []string{"", "POST / HTTP/1.1\r\nHost:"} {
		c := dial(t, h.addr, text)
		if b, err := io.ReadAll(c); len(b) > 0 {
			t.Errorf("got %q, %v, want the connection closed", b, err)
		}
	}
}

func TestBodyMustArrive(t *testing.T) {
	h := open(t, echo, Options{ReadTimeout: 50 * time.Millisecond})
	c := dial(t, h.addr, header+"abc")
	status, text := answer(t, c)
	want(t, "status", status, http.StatusRequestTimeout)
	want(t, "text", text, `POST /a 6 "abc" i/o timeout`)
}

func TestSenderThatLeavesHoldsNothing(t *testing.T) {
	h := open(t, echo, Options{})
	c := dial(t, h.addr, header+"abc")
	eventually(t, "it waits", func() bool { return h.file.Held() > 0 })
	_ = c.Close()
	eventually(t, "it is gone", func() bool { return h.file.Held() == 0 && h.Waiting() == 0 })
}

func TestSenderThatStopsWritingIsAnswered(t *testing.T) {
	h := open(t, func(w http.ResponseWriter, r *http.Request) {
		want(t, "complete", Complete(r.Context()), false)
		echo(w, r)
	}, Options{})
	c := dial(t, h.addr, header+"abc")
	_ = c.CloseWrite()
	_, text := answer(t, c)
	want(t, "text", text, `POST /a 6 "abc" unexpected EOF`)
}

// Without room in the file the server gets what has come, and the rest as it
// comes.
func TestFullFileHandsOver(t *testing.T) {
	h := open(t, echo, Options{File: NewFile(t.TempDir(), blockSize)})
	body := strings.Repeat("0123456789abcdef", blockSize/8)
	c := dial(t, h.addr, fmt.Sprintf("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	_, text := answer(t, c)
	want(t, "text", text, fmt.Sprintf("POST /a %d %q <nil>", len(body), body))
}

func TestDrainWaitsForThoseWhoAreHere(t *testing.T) {
	h := open(t, echo, Options{})
	c := dial(t, h.addr, header+"abc")
	eventually(t, "it waits", func() bool { return h.Waiting() == 1 })
	drained := make(chan struct{})
	go func() {
		h.Drain(t.Context())
		close(drained)
	}()
	eventually(t, "nobody new is let in", func() bool {
		c, err := net.Dial("tcp", h.addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	_, _ = io.WriteString(c, "def")
	_, text := answer(t, c)
	want(t, "text", text, `POST /a 6 "abcdef" <nil>`)
	<-drained
	// A server that shuts down closes its listeners, whether they are or not.
	if err := h.Door().Close(); err != nil {
		t.Errorf("to close the Door after Drain: %v", err)
	}
}

func TestDrainEnds(t *testing.T) {
	h := open(t, echo, Options{})
	c := dial(t, h.addr, header+"abc")
	eventually(t, "it waits", func() bool { return h.Waiting() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.Drain(ctx)
	_ = h.server.Close()
	if b, _ := io.ReadAll(c); len(b) > 0 {
		t.Errorf("got %q, want the connection closed", b)
	}
}
