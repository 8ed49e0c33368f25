//go:build unix

package ingest

import (
	"net"
	"testing"
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
