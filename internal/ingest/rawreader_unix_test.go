//go:build unix

package ingest

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// A server may count its connections by wrapping them. That must not cost
// streams the reading that batches with the load.
func TestWrappedConnectionsAreReadRaw(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wrapped := struct{ *net.TCPConn }{c.(*net.TCPConn)}
	if !newFrames(wrapped, nil).tellsIdle() {
		t.Error("a wrapped TCP connection is read in the ordinary way")
	}
	if newFrames(struct{ net.Conn }{c}, nil).tellsIdle() {
		t.Error("a connection that hides its socket is read past what it holds")
	}
}

// More than fits into the socket is written as the other side reads, and given
// up at the deadline.
func TestRawWriterWaits(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	out, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	want := make([]byte, 16<<20)
	for i := range want {
		want[i] = byte(i >> 8)
	}
	w := newRawWriter(out)
	written := make(chan error, 1)
	go func() { written <- w.write(want) }()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(in, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("what arrived is not what was written: %v", err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	_ = out.SetWriteDeadline(time.Now().Add(time.Millisecond))
	for err = nil; err == nil; { // nobody reads
		err = w.write(want)
	}
	if !isTimeout(err) {
		t.Errorf("writing ended with %v, want a timeout", err)
	}
}
