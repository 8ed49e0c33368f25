package seglog

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// FuzzSegment: whatever is done to the bytes of a segment, reading it does not
// panic and yields no record that was not written there.
func FuzzSegment(f *testing.F) {
	f.Add(uint32(1), uint8(5), []byte{}, uint16(0))
	f.Add(uint32(2), uint8(9), []byte{0, 10, 1, 0, 200, 7}, uint16(100))
	f.Add(uint32(3), uint8(3), []byte{0, 16, 255, 0, 17, 255, 0, 20, 255}, uint16(1))
	f.Fuzz(func(t *testing.T, salt uint32, records uint8, changes []byte, cut uint16) {
		var b []byte
		for lsn := uint64(1); lsn <= uint64(records%16); lsn++ {
			w := made(lsn)
			b = appendHead(b, salt, lsn, w.meta, w.bodies)
			for _, body := range w.bodies {
				b = append(b, body.Bytes...)
			}
		}
		for ; len(changes) >= 3 && len(b) > 0; changes = changes[3:] {
			b[int(binary.BigEndian.Uint16(changes))%len(b)] ^= changes[2]
		}
		b = b[:len(b)-min(int(cut), len(b))]
		for at := 0; ; {
			r, ok := parse(b[at:], salt)
			if ok {
				isWritten(t, &r)
				at += r.size()
				continue
			}
			n, ok := findAfter(b[at:], salt, 0)
			if !ok {
				break
			}
			at += n
		}
	})
}

func isWritten(t *testing.T, r *record) {
	t.Helper()
	w := made(r.lsn)
	var bodies []byte
	for _, b := range w.bodies {
		bodies = append(bodies, b.Bytes...)
	}
	if r.lsn == 0 || r.lsn > 15 || !bytes.Equal(r.meta, w.meta) || !bytes.Equal(r.bodies, bodies) {
		t.Errorf("record %d was not written so", r.lsn)
	}
	again := appendHead(nil, 7, r.lsn, r.meta, r.body())
	if same, ok := parse(append(again, r.bodies...), 7); !ok || !bytes.Equal(same.table, r.table) {
		t.Errorf("record %d is written again as another", r.lsn)
	}
}

// FuzzBytes: no bytes make reading them panic or take for ever.
func FuzzBytes(f *testing.F) {
	w := made(3)
	f.Add(appendHead(nil, 0, 3, w.meta, nil), "0000000000000001-0000000000000001-01020304.log")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		if r, ok := parse(b, 0); ok && r.size() > len(b) {
			t.Error("a record is longer than what it was read from")
		}
		_, _ = findAfter(b, 0, 2)
		if s, ok := parseName(name); ok && s.name() != name {
			t.Errorf("the name %q is written as %q", name, s.name())
		}
	})
}
