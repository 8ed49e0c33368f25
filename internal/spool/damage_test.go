package spool

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// filled returns a closed spool of n records in segments of about 8 records.
func filled(t testing.TB, n int) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewMem()
	l, _ := open(t, fs, Options{SegmentBytes: 250, salt: fixedSalt()})
	appendAll(t, l, numbered(1, n)...)
	closeLog(t, l)
	return fs
}

func TestTornTailIsCut(t *testing.T) {
	for cut := 1; cut < 60; cut++ {
		fs := filled(t, 6)
		rewrite(t, fs, "spool/"+segmentName(1), func(b []byte) []byte { return b[:len(b)-cut] })
		l, r := open(t, fs, Options{})
		left := 6 - (cut+frameHeader+4)/(frameHeader+5)
		equal(t, fmt.Sprintf("cut %d", cut), bodies(r.records), strings.Join(numbered(1, left), " "))
		equal(t, "damage", len(l.Stats().Damaged), 0)
		appendAll(t, l, "next")
		closeLog(t, l)
		l, r = open(t, fs, Options{})
		equal(t, "after the cut", bodies(r.records), strings.Join(append(numbered(1, left), "next"), " "))
		equal(t, "damage", len(l.Stats().Damaged), 0)
		closeLog(t, l)
	}
}

func TestDamageElsewhereIsReportedAndKept(t *testing.T) {
	fs := filled(t, 20)
	name := "spool/" + segmentName(1)
	rewrite(t, fs, name, func(b []byte) []byte {
		at := bytes.Index(b, []byte("b003"))
		b[at] ^= 1
		return b
	})
	for range 2 { // the same again after a restart
		l, r := open(t, fs, Options{})
		want := strings.Join(append(numbered(1, 2), numbered(4, 20)...), " ")
		equal(t, "bodies", bodies(r.records), want)
		equal(t, "scan", bodies(scanAll(t, l, 1, 100)), want)
		st := l.Stats()
		if len(st.Damaged) != 1 || st.Damaged[0].First != 3 || st.Damaged[0].Last != 3 {
			t.Errorf("damage: %+v", st.Damaged)
		}
		equal(t, "in quarantine", st.QuarantineBytes, frameHeader+5)
		closeLog(t, l)
	}
}

func TestDamagedLengthTailAndHeader(t *testing.T) {
	// A length that points beyond the segment: the next frames are found.
	fs := filled(t, 20)
	rewrite(t, fs, "spool/"+segmentName(1), func(b []byte) []byte {
		copy(b[bytes.Index(b, []byte("b003"))-frameHeader-1+4:], "\xff\xff\xff\x00")
		return b
	})
	l, r := open(t, fs, Options{})
	equal(t, "bodies", bodies(r.records), strings.Join(append(numbered(1, 2), numbered(4, 20)...), " "))
	closeLog(t, l)

	// The end of a segment that is not the newest.
	fs = filled(t, 20)
	rewrite(t, fs, "spool/"+segmentName(1), func(b []byte) []byte { return b[:len(b)-3] })
	l, r = open(t, fs, Options{})
	equal(t, "damage", len(l.Stats().Damaged), 1)
	equal(t, "records", len(r.records), 19)
	closeLog(t, l)

	// The header of a segment that is not the newest: all of it.
	fs = filled(t, 20)
	rewrite(t, fs, "spool/"+segmentName(2), func(b []byte) []byte { b[9] ^= 1; return b })
	l, r = open(t, fs, Options{})
	st := l.Stats()
	equal(t, "damage", len(st.Damaged), 1) // the numbers it held
	if st.QuarantineBytes == 0 || len(r.records) == 20 || !strings.HasSuffix(bodies(r.records), "b020") {
		t.Errorf("%+v, %s", st, bodies(r.records))
	}
	closeLog(t, l)

	// The newest, torn while it was made.
	fs = filled(t, 6)
	if f, err := fs.Create("spool/"+segmentName(2), vfs.WriteCategoryUnspecified); err != nil {
		t.Fatal(err)
	} else if _, err := f.Write(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	l, r = open(t, fs, Options{})
	equal(t, "bodies", bodies(r.records), strings.Join(numbered(1, 6), " "))
	equal(t, "damage", len(l.Stats().Damaged), 0)
	equal(t, "segments", len(segmentFiles(t, fs)), 1)
	closeLog(t, l)
}

// Frames within a payload, as an application could send them, are not taken
// for records when the record around them is damaged.
func TestFramesWithinPayloads(t *testing.T) {
	fs := vfs.NewMem()
	l, _ := open(t, fs, Options{})
	fake := appendFrame(nil, 0, Record{LSN: 2, Kind: KindPartials, Payload: []byte("\x01forged")}, 0)
	appendAll(t, l, "a"+string(fake), "b")
	closeLog(t, l)
	rewrite(t, fs, "spool/"+segmentName(1), func(b []byte) []byte { b[bytes.IndexByte(b, 'a')] ^= 1; return b })
	l, r := open(t, fs, Options{})
	defer closeLog(t, l)
	if got := bodies(r.records); strings.Contains(got, "forged") {
		t.Errorf("bodies: %s", got)
	}
}

// golden is a segment of format version 1. It is read by every release to
// come; it is never written again.
const golden = "testdata/v1.seg"

func goldenSegment() []byte {
	b := appendHeader(nil, header{salt: 0xdecafbad, first: 41, source: 2, suspended: true, checkpoint: []byte("checkpoint")})
	for i, r := range []Record{
		{LSN: 41, Source: 3, Kind: KindSource, Payload: []byte("source")},
		{LSN: 42, Source: 3, Kind: KindPartials, Payload: []byte("\x07body")},
		{LSN: 43, Source: 3, Kind: KindSeal, Payload: []byte("seal")},
		{LSN: 44, Source: 3, Kind: KindAck, Payload: nil},
		{LSN: 45, Source: 2, Kind: KindClose, Payload: []byte("close")},
		{LSN: 46, Source: 3, Kind: KindDrop, Payload: []byte("drop")},
	} {
		b = appendFrame(b, 0xdecafbad, r, uint32(i%2))
	}
	return b
}

func TestGolden(t *testing.T) {
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := goldenSegment(); !bytes.Equal(got, want) {
		t.Errorf("this release writes another format than version 1:\n%x\n%x", got, want)
	}
	fs := vfs.NewMem()
	if err := fs.MkdirAll("spool", 0o700); err != nil {
		t.Fatal(err)
	}
	f, _ := fs.Create("spool/"+segmentName(9), vfs.WriteCategoryUnspecified)
	_, _ = f.Write(want)
	f.Close()
	l, r := open(t, fs, Options{})
	defer closeLog(t, l)
	equal(t, "records", len(r.records), 6)
	equal(t, "checkpoint", r.checkpoints[0], "checkpoint")
	equal(t, "body", bodies(r.records), "body")
	equal(t, "events", EventsOf(r.records[1].Payload), 7)
	equal(t, "suspended", l.inForce, place{3, true})
	equal(t, "next", l.NextLSN(), 47)
}

// FuzzSegment opens arbitrary bytes as the newest and as an older segment.
func FuzzSegment(f *testing.F) {
	seed := goldenSegment()
	f.Add(seed)
	f.Add(seed[:len(seed)-5])
	f.Add(append(bytes.Clone(seed[:60]), seed[70:]...))
	files, _ := filepath.Glob("testdata/*.seg")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fs := vfs.NewMem()
		if err := fs.MkdirAll("spool", 0o700); err != nil {
			t.Fatal(err)
		}
		file, _ := fs.Create("spool/"+segmentName(1), vfs.WriteCategoryUnspecified)
		_, _ = file.Write(data)
		file.Close()
		l, r := open(t, fs, Options{})
		if l.inForce.suspended {
			l.inForce.suspended = false
		}
		if l.next > 1<<62 { // numbers near the end of their range
			closeLog(t, l)
			return
		}
		appendAll(t, l, "more")
		closeLog(t, l)
		l, again := open(t, fs, Options{})
		defer closeLog(t, l)
		if got, want := len(again.records), len(r.records)+1; got != want {
			t.Fatalf("%d records, after one more and a restart %d", want-1, got)
		}
		if got := bodies(again.records); !strings.HasSuffix(got, "more") {
			t.Fatalf("the record appended is not the last: %q", got)
		}
		if got := len(scanAll(t, l, 0, ^uint64(0))); got != len(again.records) {
			t.Fatalf("replay found %d records, Scan %d", len(again.records), got)
		}
	})
}
