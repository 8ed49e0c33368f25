package statsd

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// FuzzStream: however a stream is cut into reads, it says the same as in one
// piece; and a packet of a framed stream says the same as a datagram.
func FuzzStream(f *testing.F) {
	text := []byte("hits:1|c\nload:2|g\ndb:3:4|ms|@0.5\nusers:x|s\nbad\n")
	framed := append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...)
	f.Add(text, uint16(3), uint16(20))
	f.Add(framed, uint16(2), uint16(9))
	f.Add(append(framed, framed...), uint16(4), uint16(60))
	f.Add([]byte{255, 255, 255, 0, 'a'}, uint16(0), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, a, b uint16) {
		if bytes.ContainsAny(data, "eE") { // sums of great and small numbers depend on the order
			return
		}
		i, j := min(int(a), len(data)), min(int(b), len(data))
		whole, _ := gathered(data)
		pieces, _ := gathered(data[:min(i, j)], data[min(i, j):max(i, j)], data[max(i, j):])
		if whole != pieces {
			t.Errorf("%q cut at %d and %d\n got %s\nwant %s", data, i, j, pieces, whole)
		}
		if len(data) > lineBytes || len(data) > 1 && bytes.IndexByte(data, 0) >= 0 {
			return
		}
		packet := append(binary.LittleEndian.AppendUint32(nil, uint32(len(data))), data...)
		if got, err := gathered(packet); err != nil || got != datagram(data) {
			t.Errorf("%q in a packet: got %s, want %s: %v", data, got, datagram(data), err)
		}
	})
}

// gathered is what comes of the reads of a stream that may be framed.
func gathered(reads ...[]byte) (string, error) {
	s := newSink()
	d := New(testOptions(s))
	l := d.lane()
	st := &stream{door: d, unknown: true}
	var err error
	for i, data := range append(reads, nil) {
		if err == nil {
			err = st.gather(l, append(st.rest, data...), i == len(reads))
		}
	}
	d.Stop()
	return s.dump(), err
}

// datagram is what comes of a datagram.
func datagram(data []byte) string {
	s := newSink()
	d := New(testOptions(s))
	l := d.lane()
	l.begin(t0)
	l.consume(data, (&stream{}).from)
	l.end()
	d.Stop()
	return s.dump()
}
