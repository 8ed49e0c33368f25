//go:build !unix

package ingest

import "net"

// rawReader is for systems on which a connection can be waited for without a
// buffer.
type rawReader struct{}

func newRawReader(net.Conn, func() []byte, func() error) *rawReader { return nil }

func (*rawReader) read() (int, error) { panic("never made here") }

// rawWriter is for the same systems.
type rawWriter struct{}

func newRawWriter(net.Conn) *rawWriter { return nil }

func (*rawWriter) write([]byte) error { panic("never made here") }
