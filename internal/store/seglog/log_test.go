package seglog

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"strings"
	"testing"
)

// TestLog: what was appended is read, by who appended it and by who opens the log
// again, from wherever.
func TestLog(t *testing.T) {
	l := newLog(t)
	for range 4 {
		l.append(40)
		l.check(l.Pin(), 1)
		l.close()
		if err := l.open(0); err != nil {
			t.Fatal(err)
		}
		l.check(l.Pin(), 1)
	}
	l.append(1)
	l.close()
	if err := l.open(77); err != nil {
		t.Fatal(err)
	}
	l.check(l.Pin(), 78)
	l.close()
	if err := l.open(uint64(len(l.all))); err != nil {
		t.Fatal(err)
	}
	l.append(1)
}

// TestRetire: what is given up is there as long as somebody reads it, and is
// written over then.
func TestRetire(t *testing.T) {
	l := newLog(t)
	l.append(100)
	before := len(l.names())
	pin := l.Pin()
	end := l.Next()
	if err := l.Retire(func(s Segment) bool { return s.End <= end }); err != nil {
		t.Fatal(err)
	}
	if got, _ := l.Segments(); len(got) != 1 {
		t.Errorf("%d segments are left, want the one that is appended to", len(got))
	}
	l.append(10)
	l.check(pin, 1)
	if got := len(l.names()); got < before {
		t.Errorf("%d files while somebody reads, want at least %d", got, before)
	}
	if err := pin.Release(); err != nil {
		t.Fatal(err)
	}
	files := len(l.names())
	l.append(60)
	if got := len(l.names()); got > files {
		t.Errorf("%d files, there were %d to be written over", got, files)
	}
	first, _ := l.Segments()
	from := first[0].First
	l.check(l.Pin(), from)
	crashed := &log{t: t, fs: l.fs, o: l.o, all: l.all}
	if err := crashed.open(from - 1); err != nil {
		t.Error(err)
	}
	crashed.check(crashed.Pin(), from)
}

// TestTail: of a record that was not acknowledged whatever may be left.
func TestTail(t *testing.T) {
	for cut := range 400 {
		l := newLog(t)
		l.append(5)
		last := l.names()[len(l.names())-1]
		end := int(l.segments[len(l.segments)-1].Bytes)
		l.close()
		w := made(6)
		torn := appendHead(nil, l.segments[len(l.segments)-1].salt, 6, w.meta, w.bodies)
		for _, b := range w.bodies {
			torn = append(torn, b.Bytes...)
		}
		if cut >= len(torn) {
			break
		}
		l.change(last, func(b []byte) []byte { return append(b[:end:end], torn[:cut]...) })
		if err := l.open(0); err != nil {
			t.Fatalf("%d bytes of a record: %v", cut, err)
		}
		l.append(5)
		l.close()
		if err := l.open(3); err != nil {
			t.Fatalf("%d bytes of a record, and others after it: %v", cut, err)
		}
	}
}

// TestDamage: a record that cannot be read and is not the last is named and not cut,
// wherever it is; one that was applied does not matter.
func TestDamage(t *testing.T) {
	for lsn := uint64(1); lsn < 40; lsn++ {
		l := newLog(t)
		l.append(40)
		segment, at := placeOf(l, lsn)
		l.close()
		l.change(segment.name(), func(b []byte) []byte {
			b[at+4] ^= 1
			return b
		})
		if err := l.open(lsn); err != nil {
			t.Errorf("record %d, which was applied, is damaged: %v", lsn, err)
		}
		l.close()
		err := l.open(lsn - 1)
		if err == nil || !strings.Contains(err.Error(), segment.name()) || !strings.Contains(err.Error(), "is damaged at offset") {
			t.Errorf("record %d is damaged: got %v", lsn, err)
		}
	}
}

// placeOf finds a record.
func placeOf(l *log, lsn uint64) (*segment, int) {
	for _, s := range l.segments {
		if lsn < s.First || lsn >= s.End {
			continue
		}
		b := make([]byte, s.size)
		_, _ = s.file.ReadAt(b, 0)
		at := 0
		for {
			r, ok := parse(b[at:], s.salt)
			if !ok {
				l.t.Fatalf("record %d is not in its segment", lsn)
			}
			if r.lsn == lsn {
				return s, at
			}
			at += r.size()
		}
	}
	l.t.Fatalf("no segment has record %d", lsn)
	return nil, 0
}

// TestMissing: a segment that is missing is noticed.
func TestMissing(t *testing.T) {
	l := newLog(t)
	l.append(100)
	l.close()
	names := l.names()
	if err := l.fs.Remove(l.fs.PathJoin(dir, names[1])); err != nil {
		t.Fatal(err)
	}
	if err := l.open(0); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("the second segment is missing: %v", err)
	}
	if err := l.fs.Remove(l.fs.PathJoin(dir, names[0])); err != nil {
		t.Fatal(err)
	}
	if err := l.open(0); err == nil || !strings.Contains(err.Error(), "are missing") {
		t.Errorf("the first segments are missing: %v", err)
	}
}

// TestReadDamage: a body that was changed is not handed out.
func TestReadDamage(t *testing.T) {
	l := newLog(t)
	body := bytes.Repeat([]byte("body"), 100)
	_, pieces, err := l.Append(nil, []Body{{Bytes: body}})
	if err != nil {
		t.Fatal(err)
	}
	p := pieces[0]
	if _, err := l.active.file.WriteAt([]byte{0}, p.Offset+7); err != nil {
		t.Fatal(err)
	}
	pin := l.Pin()
	got := make([]byte, p.Length)
	if err := pin.Read(p.Segment, p.Offset, got); err != nil {
		t.Fatal(err)
	}
	if err := pin.Check(p, got); err == nil || !strings.Contains(err.Error(), l.active.name()) {
		t.Errorf("a changed body: %v", err)
	}
	if err := pin.Read(p.Segment, 1<<30, got); err == nil {
		t.Error("a body after the end of the file was read")
	}
	if err := pin.Read(99, 0, got); err == nil {
		t.Error("a body of no segment was read")
	}
}

var update = flag.Bool("update", false, "write testdata anew")

// TestFormat: the format does not change.
func TestFormat(t *testing.T) {
	l := &log{t: t, fs: newDir(t), o: Options{salt: func() uint32 { return 0x01020304 }}}
	if err := l.open(0); err != nil {
		t.Fatal(err)
	}
	for _, w := range []written{{}, {meta: []byte("meta")}, {meta: []byte("two bodies"), bodies: []Body{{Bytes: []byte("one")}, {Bytes: []byte("in pieces"), Ends: []int{2, 9}}}}} {
		if _, _, err := l.Append(w.meta, w.bodies); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, l.active.Bytes)
	if _, err := l.active.file.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	got := l.active.name() + "\n" + hex.Dump(b)
	const golden = "testdata/segment.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got != string(want) {
		t.Errorf("%v: got\n%s\nwant\n%s", err, got, want)
	}
}
