package ingest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serve runs a server for h and returns its address.
func serve(t *testing.T, h http.Handler, o ServerOptions) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(h, o)
	done := make(chan error)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return l.Addr().String()
}

// dial sends text and returns the connection with a reader of its answers.
func dial(t *testing.T, addr, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

func answer(t *testing.T, r *bufio.Reader) (int, string) {
	t.Helper()
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestServerKeepsConnections(t *testing.T) {
	s := newSink()
	addr := serve(t, newTestHandler(s, nil, Options{}), ServerOptions{})
	body := doc("c", "a", counterEvent(1))
	c, r := dial(t, addr, "")
	for range 3 {
		fmt.Fprintf(c, "POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		status, text := answer(t, r)
		wantEqual(t, "status", status, 200)
		wantEqual(t, "text", text, "")
	}
	wantEqual(t, "committed", s.String(), "a CounterGroup c 3")
}

func TestClientThatStandsStillIsGivenUp(t *testing.T) {
	h := newTestHandler(newSink(), nil, Options{})
	addr := serve(t, h, ServerOptions{ReadTimeout: 50 * time.Millisecond})
	_, r := dial(t, addr, "POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n1\n\nc")
	status, text := answer(t, r)
	wantEqual(t, "status", status, http.StatusRequestTimeout)
	wantText(t, text, "4 bytes of it did")
	wantEqual(t, "counted", h.Metrics().RefusedRequests(reasonSlow), 1)
}

func TestClientThatMakesProgressIsNot(t *testing.T) {
	const timeout = 1500 * time.Millisecond // a busy machine may well pause for a tenth of that
	s := newSink()
	addr := serve(t, newTestHandler(s, nil, Options{}), ServerOptions{ReadTimeout: timeout})
	body := doc("c", "a", counterEvent(1))
	c, r := dial(t, addr, fmt.Sprintf("POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", len(body)))
	began := time.Now()
	tick := time.NewTicker(3 * timeout / time.Duration(len(body)))
	defer tick.Stop()
	for i := range body {
		<-tick.C
		if _, err := io.WriteString(c, body[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < 2*timeout {
		t.Fatalf("the body took only %v", took)
	}
	status, text := answer(t, r)
	wantEqual(t, "status", status, 200)
	wantEqual(t, "text", text, "")
}

func TestHeaderMustArrive(t *testing.T) {
	addr := serve(t, newTestHandler(newSink(), nil, Options{}), ServerOptions{ReadHeaderTimeout: 50 * time.Millisecond})
	_, r := dial(t, addr, "POST /post HTTP/1.1\r\nHost:")
	if b, err := io.ReadAll(r); err != nil || strings.Contains(string(b), "200") {
		t.Fatalf("got %q, %v, want the connection closed", b, err)
	}
}

func TestHeaderIsBounded(t *testing.T) {
	addr := serve(t, newTestHandler(newSink(), nil, Options{}), ServerOptions{})
	_, r := dial(t, addr, "POST /post HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 80<<10)+"\r\n\r\n")
	status, _ := answer(t, r)
	wantEqual(t, "status", status, http.StatusRequestHeaderFieldsTooLarge)
}

func TestIdleConnectionIsClosed(t *testing.T) {
	addr := serve(t, newTestHandler(newSink(), nil, Options{}), ServerOptions{IdleTimeout: 50 * time.Millisecond})
	_, r := dial(t, addr, "POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	status, _ := answer(t, r)
	wantEqual(t, "status", status, 200)
	if b, err := io.ReadAll(r); err != nil || len(b) > 0 {
		t.Fatalf("got %q, %v, want the connection closed", b, err)
	}
}

// A commit may take longer than the read timeout: the deadline must be gone
// by then, or it would cancel the request.
func TestSlowCommitOutlivesTheReadTimeout(t *testing.T) {
	const timeout = 50 * time.Millisecond
	s := newSink()
	s.gate, s.entered = make(chan struct{}), make(chan struct{})
	h := newTestHandler(s, nil, Options{})
	cancelled := make(chan struct{}, 1)
	addr := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		if r.Context().Err() != nil {
			cancelled <- struct{}{}
		}
	}), ServerOptions{ReadTimeout: timeout, WriteTimeout: timeout})
	body := doc("c", "a", counterEvent(1))
	_, r := dial(t, addr, fmt.Sprintf("POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	<-s.entered
	<-time.After(3 * timeout)
	close(s.gate)
	status, _ := answer(t, r)
	wantEqual(t, "status", status, 200)
	wantEqual(t, "cancelled", len(cancelled), 0)
}

// A client that has announced a large body and stopped gets its refusal
// without delay.
func TestRefusalDoesNotWaitForTheBody(t *testing.T) {
	h := newTestHandler(newSink(), nil, Options{Limits: Limits{Body: 1000}})
	addr := serve(t, h, ServerOptions{})
	_, r := dial(t, addr, "POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n1\n\nc")
	began := time.Now()
	status, text := answer(t, r)
	wantEqual(t, "status", status, 413)
	wantText(t, text, "limit of 1000 bytes")
	if took := time.Since(began); took > 10*linger {
		t.Fatalf("the refusal took %v", took)
	}
}

func TestAnswerThatNobodyTakesIsGivenUp(t *testing.T) {
	failed := make(chan error, 1)
	addr := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 1<<20)
		for {
			if _, err := w.Write(chunk); err != nil {
				failed <- err
				return
			}
		}
	}), ServerOptions{WriteTimeout: 50 * time.Millisecond})
	dial(t, addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case <-failed:
	case <-time.After(20 * time.Second):
		t.Fatal("still writing")
	}
}
