package spool

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestAppendedRecordsComeBackInOrder(t *testing.T) {
	fs := vfs.NewMem()
	l, _ := open(t, fs, Options{})
	appendAll(t, l, "one", "two", "three")
	closeLog(t, l)

	l, r := open(t, fs, Options{})
	defer closeLog(t, l)
	equal(t, "bodies", bodies(r.records), "one two three")
	equal(t, "events of the last", EventsOf(r.records[2].Payload), 5)
	equal(t, "LSN of the last", r.records[2].LSN, 3)
	equal(t, "next LSN", l.NextLSN(), 4)
	equal(t, "runs", len(l.Take()), 0)
}

func TestRecordsAreBoundToTheSourceInForce(t *testing.T) {
	fs := vfs.NewMem()
	l, _ := open(t, fs, Options{})
	appendAll(t, l, "a")
	if err := l.Write([]byte("ckpt"), Record{Source: 1, Kind: KindSource}); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, "b", "c")
	runs := l.Take()
	if len(runs) != 2 || runs[0] != (Run{0, 1, 1, 1, 1, 1}) || runs[1] != (Run{1, 3, 4, 2, 2, 2}) {
		t.Errorf("runs: %+v", runs)
	}
	closeLog(t, l)
	l, _ = open(t, fs, Options{})
	appendAll(t, l, "d") // still under 1, across the restart
	closeLog(t, l)
	l, r := open(t, fs, Options{})
	defer closeLog(t, l)
	equal(t, "records", len(r.records), 5)
	equal(t, "source of a", r.records[0].Source, 0)
	equal(t, "source of b", r.records[2].Source, 1)
	equal(t, "source of d", r.records[4].Source, 1)
}

func TestDropSuspendsUntilTheNextSource(t *testing.T) {
	fs := vfs.NewMem()
	l, _ := open(t, fs, Options{})
	write := func(r Record) {
		t.Helper()
		if err := l.Write([]byte{}, r); err != nil {
			t.Fatal(err)
		}
	}
	write(Record{Source: 1, Kind: KindSource})
	write(Record{Source: 1, Kind: KindDrop})
	if err := l.Append([]byte("x"), 1); !errors.Is(err, ErrSuspended) {
		t.Errorf("append while suspended: %v", err)
	}
	closeLog(t, l)
	l, _ = open(t, fs, Options{})
	defer closeLog(t, l)
	if err := l.Append([]byte("x"), 1); !errors.Is(err, ErrSuspended) {
		t.Errorf("append while suspended, after a restart: %v", err)
	}
	write(Record{Source: 2, Kind: KindSource})
	write(Record{Source: 1, Kind: KindDrop}) // an older one: changes nothing
	appendAll(t, l, "y")
	if err := l.Write(nil, Record{Source: 3, Kind: KindSource}); err == nil {
		t.Error("a change of source without a checkpoint was accepted")
	}
}

func TestSegmentsRotateAndAreReleased(t *testing.T) {
	fs := vfs.NewMem()
	o := Options{SegmentBytes: 400}
	l, _ := open(t, fs, o)
	appendAll(t, l, numbered(1, 20)...)
	if err := l.Write([]byte("state"), Record{Source: 1, Kind: KindSource}); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, numbered(21, 50)...)
	equal(t, "scanned", bodies(scanAll(t, l, 1, 1000)), strings.Join(numbered(1, 50), " "))
	equal(t, "scanned part", bodies(scanAll(t, l, 5, 7)), "b005 b006 b007")
	before := l.Stats().Segments
	if err := l.Release(31); err != nil || l.Stats().Segments != before {
		t.Errorf("what was not taken was released: %v", err)
	}
	l.Take()
	if err := l.Release(31); err != nil {
		t.Fatal(err)
	}
	st := l.Stats()
	if st.Segments >= before || st.FirstLSN > 31 {
		t.Errorf("segments %d -> %d, first LSN %d", before, st.Segments, st.FirstLSN)
	}
	closeLog(t, l)

	l, r := open(t, fs, o)
	defer closeLog(t, l)
	got := bodies(r.records)
	if want := strings.Join(numbered(30, 50), " "); !strings.HasSuffix(got, want) {
		t.Errorf("after release: %s", got)
	}
	equal(t, "checkpoint of the oldest segment", r.checkpoints[0], "state")
	equal(t, "damage", len(l.Stats().Damaged), 0)
}

func TestTheHeadOfANewSegmentSaysWhatReplayLearned(t *testing.T) {
	fs := vfs.NewMem()
	l, _ := open(t, fs, Options{})
	if err := l.Write([]byte("old"), Record{Source: 7, Kind: KindSource}); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	l, err := Open(fs, "spool", Options{}, &replayed{state: []byte("learned")})
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, "x")
	l.Take()
	if err := l.Release(l.NextLSN()); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	l, r := open(t, fs, Options{})
	defer closeLog(t, l)
	equal(t, "checkpoints", strings.Join(r.checkpoints, ","), "learned")
	equal(t, "source of x", r.records[0].Source, 7)
}

func TestQuota(t *testing.T) {
	l, _ := open(t, vfs.NewMem(), Options{QuotaBytes: 1000})
	defer closeLog(t, l)
	var err error
	n := 0
	for ; err == nil; n++ {
		err = l.Append(make([]byte, 100), 1)
	}
	if !errors.Is(err, ErrFull) || n < 6 || n > 9 {
		t.Errorf("after %d records: %v", n, err)
	}
	if err := l.Write(nil, Record{Kind: KindAck, Payload: make([]byte, 2000)}); err != nil {
		t.Errorf("control record over the quota: %v", err)
	}
}

func TestReservedSpace(t *testing.T) {
	fs := vfs.NewMem()
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 20})
	l, _ := open(t, fs, Options{})
	defer closeLog(t, l)
	var err error
	for i := 0; i < 3 && err == nil; i++ {
		err = l.Append(make([]byte, 1<<20), 1)
	}
	if !errors.Is(err, ErrFull) {
		t.Errorf("with 1 MiB left: %v", err)
	}
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 30})
	appendAll(t, l, "goes on")
}

func TestTooLarge(t *testing.T) {
	l, _ := open(t, vfs.NewMem(), Options{QuotaBytes: 1 << 40})
	defer closeLog(t, l)
	if err := l.Append(make([]byte, MaxBody+1), 1); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if err := l.Write(nil, Record{Kind: KindSeal, Payload: make([]byte, MaxRecord+1)}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

func TestOneOwner(t *testing.T) {
	fs := vfs.NewMem()
	l, _ := open(t, fs, Options{})
	if _, err := Open(fs, "spool", Options{}, &replayed{}); !errors.Is(err, ErrLocked) {
		t.Errorf("second owner: %v", err)
	}
	closeLog(t, l)
	closeLog(t, l)
	if err := l.Append(nil, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	l, _ = open(t, fs, Options{})
	closeLog(t, l)
}

func TestPermissions(t *testing.T) {
	dir := t.TempDir() + "/a/spool"
	l, err := Open(vfs.Default, dir, Options{}, &replayed{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeLog(t, l)
	appendAll(t, l, "secret")
	if err := l.Quarantine("q", "why", func(func(Record) error) error { return nil }); err != nil {
		t.Fatal(err)
	}
	mode := func(name string) os.FileMode {
		info, err := os.Stat(dir + name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	equal(t, "directory", mode(""), 0o700)
	equal(t, "segment", mode("/"+segmentName(1)), 0o600)
	equal(t, "quarantine", mode("/quarantine/q.seg"), 0o600)
}

func TestNotifyOnEmptyToNonEmpty(t *testing.T) {
	n := 0
	l, _ := open(t, vfs.NewMem(), Options{Notify: func() { n++ }})
	defer closeLog(t, l)
	appendAll(t, l, "a", "b")
	equal(t, "notified", n, 1)
	l.Take()
	appendAll(t, l, "c")
	equal(t, "notified", n, 2)
}

func TestSyncPolicies(t *testing.T) {
	// survivors of a power loss right now
	survivors := func(fs *vfs.MemFS) string {
		l, r := open(t, fs.CrashClone(vfs.CrashCloneCfg{}), Options{})
		defer closeLog(t, l)
		return bodies(r.records)
	}
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		l, _ := open(t, fs, Options{Sync: Interval, SyncInterval: time.Second})
		appendAll(t, l, "a", "b")
		equal(t, "interval, at once", survivors(fs), "")
		time.Sleep(1100 * time.Millisecond) // of the fake clock
		synctest.Wait()
		equal(t, "interval, later", survivors(fs), "a b")
		closeLog(t, l)
	})
	fs := vfs.NewCrashableMem()
	l, _ := open(t, fs, Options{Sync: Never})
	appendAll(t, l, "a")
	equal(t, "never", survivors(fs), "")
	if err := l.Write([]byte{}, Record{Kind: KindSeal}); err != nil {
		t.Fatal(err)
	}
	equal(t, "never, after a control record", survivors(fs), "a")
	appendAll(t, l, "b", string(make([]byte, maxUnsynced)), "c")
	if got := survivors(fs); !strings.HasPrefix(got, "a b") || !strings.HasSuffix(got, "c") {
		t.Errorf("never, after 4 MiB: %d bytes", len(got))
	}
	closeLog(t, l)
}

func TestQuarantineFileReadsAsASegment(t *testing.T) {
	fs := vfs.NewMem()
	l, _ := open(t, fs, Options{})
	appendAll(t, l, "a", "b", "c")
	err := l.Quarantine("forked", "why", func(yield func(Record) error) error {
		var err error
		scan := l.Scan(2, 3, func(r Record) bool { err = yield(r); return err == nil })
		return errors.Join(scan, err)
	})
	if err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	data := readFile(t, fs, "spool/quarantine/forked.seg")
	if err := fs.MkdirAll("other/spool", 0o700); err != nil {
		t.Fatal(err)
	}
	f, _ := fs.Create("other/spool/"+segmentName(1), vfs.WriteCategoryUnspecified)
	_, _ = f.Write(data)
	f.Close()
	var r replayed
	l, err = Open(fs, "other/spool", Options{}, &r)
	if err != nil {
		t.Fatal(err)
	}
	defer closeLog(t, l)
	equal(t, "bodies", bodies(r.records), "b c")
	equal(t, "note", r.checkpoints[0], "why")
}
