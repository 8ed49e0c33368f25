//go:build !unix

package ingest

import "net"

// rawReader is for systems on which a connection can be waited for without a
// buffer.
type rawReader struct{}

func newRawReader(net.Conn, func() []byte, func() error) *rawReader { return nil }

func (*rawReader) read() (int, error) { panic("never made here") }
