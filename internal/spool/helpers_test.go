package spool

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// replayed keeps what a spool held when it was opened.
type replayed struct {
	records     []Record
	checkpoints []string
	state       []byte // handed out as the checkpoint
}

func (r *replayed) Replay(rec Record) error {
	rec.Payload = append([]byte(nil), rec.Payload...)
	if rec.Kind == KindCheckpoint {
		r.checkpoints = append(r.checkpoints, string(rec.Payload))
		return nil
	}
	r.records = append(r.records, rec)
	return nil
}

func (r *replayed) Checkpoint(dst []byte) []byte { return append(dst, r.state...) }

// bodies returns the bodies of the Partials, separated by spaces.
func bodies(recs []Record) string {
	var s []string
	for _, r := range recs {
		if r.Kind == KindPartials {
			s = append(s, string(BodyOf(r.Payload)))
		}
	}
	return strings.Join(s, " ")
}

func open(t testing.TB, fs vfs.FS, o Options) (*Log, *replayed) {
	t.Helper()
	var r replayed
	l, err := Open(fs, "spool", o, &r)
	if err != nil {
		t.Fatal(err)
	}
	return l, &r
}

func appendAll(t testing.TB, l *Log, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		if err := l.Append([]byte(b), uint64(len(b))); err != nil {
			t.Fatalf("append %q: %v", b, err)
		}
	}
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func scanAll(t testing.TB, l *Log, from, to uint64) []Record {
	t.Helper()
	var recs []Record
	if err := l.Scan(from, to, func(r Record) bool {
		r.Payload = append([]byte(nil), r.Payload...)
		recs = append(recs, r)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return recs
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func fixedSalt() func() uint32 {
	n := uint32(0)
	return func() uint32 { n++; return n * 0x01010101 }
}

func segmentFiles(t testing.TB, fs vfs.FS) (names []string) {
	t.Helper()
	all, err := fs.List("spool")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		if strings.HasSuffix(n, segmentSuffix) {
			names = append(names, "spool/"+n)
		}
	}
	return names
}

// rewrite replaces the contents of a file.
func rewrite(t testing.TB, fs vfs.FS, name string, change func([]byte) []byte) {
	t.Helper()
	data := change(readFile(t, fs, name))
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, info.Size())
	if err := readFull(f, data, 0); err != nil {
		t.Fatal(err)
	}
	return data
}

func numbered(from, to int) (names []string) {
	for i := from; i <= to; i++ {
		names = append(names, fmt.Sprintf("b%03d", i))
	}
	return names
}
