package spool

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tabaproject/taba/internal/disktest"
)

// injector calls f before every operation that writes.
type injector struct {
	ops int
	f   func(n int, op errorfs.Op) error
}

func (i *injector) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
		return nil
	}
	i.ops++
	return i.f(i.ops, op)
}

func (i *injector) String() string { return "injector" }

// work appends numbered records, control records and releases to a spool and
// returns what was acknowledged and what was tried. It stops at errors of
// opening only.
func work(fs vfs.FS, o Options) (acked, tried []string, err error) {
	o.SegmentBytes = 300
	for life := range 2 {
		l, err := Open(fs, "spool", o, &replayed{})
		if err != nil {
			return acked, tried, err
		}
		for i := range 16 {
			b := fmt.Sprintf("l%dr%02d", life, i)
			tried = append(tried, b)
			if l.Append([]byte(b), 1) == nil {
				acked = append(acked, b)
			}
			switch i % 4 {
			case 1:
				_ = l.Write(nil, Record{Kind: KindAck, Payload: []byte(b)})
			case 2:
				_ = l.Write([]byte(b), Record{Source: uint32(i), Kind: KindSource})
			}
		}
		if life == 1 {
			if err := scannedTwice(l); err != nil {
				return acked, tried, err
			}
		}
		_ = l.Close()
	}
	return acked, tried, nil
}

// scannedTwice reads the log back while it is open.
func scannedTwice(l *Log) error {
	last := uint64(0)
	var bad error
	err := l.Scan(0, ^uint64(0), func(r Record) bool {
		if r.LSN <= last {
			bad = fmt.Errorf("record %d comes after %d", r.LSN, last)
		}
		last = r.LSN
		return bad == nil
	})
	return errors.Join(err, bad)
}

// survived checks that all acknowledged records are there, in order, nothing
// is there twice and nothing that was never written.
func survived(t *testing.T, what string, fs vfs.FS, acked, tried []string) {
	t.Helper()
	l, r := open(t, fs, Options{})
	defer closeLog(t, l)
	at := 0
	for _, b := range strings.Fields(bodies(r.records)) {
		for at < len(tried) && tried[at] != b {
			for _, a := range acked {
				if a == tried[at] {
					t.Fatalf("%s: %s was acknowledged and is lost", what, a)
				}
			}
			at++
		}
		if at == len(tried) {
			t.Fatalf("%s: %s is there twice, out of order or was never written", what, b)
		}
		at++
	}
	for _, b := range tried[at:] {
		for _, a := range acked {
			if a == b {
				t.Fatalf("%s: %s was acknowledged and is lost", what, a)
			}
		}
	}
	if d := l.Stats().Damaged; len(d) > 0 {
		t.Fatalf("%s: a crash was reported as damage: %+v", what, d)
	}
}

func TestPowerLossAtEveryOperation(t *testing.T) {
	total := 0
	for at := 1; at == 1 || at <= total; at++ {
		for _, percent := range []int{0, 40, 100} {
			mem := vfs.NewCrashableMem()
			var clone *vfs.MemFS
			var ackedThen, triedThen int
			var acked, tried []string
			inj := &injector{}
			inj.f = func(n int, op errorfs.Op) error {
				if n >= at && clone == nil {
					cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: percent}
					if percent > 0 {
						cfg.RNG = rand.New(rand.NewPCG(uint64(at), uint64(percent)))
					}
					clone = mem.CrashClone(cfg)
				}
				if clone != nil {
					return errors.New("the machine is off")
				}
				return nil
			}
			acked, tried, _ = work(errorfs.Wrap(mem, inj), Options{})
			ackedThen, triedThen = len(acked), len(tried)
			if at == 1 {
				total = countOps(t)
			}
			if clone == nil {
				continue
			}
			survived(t, fmt.Sprintf("power loss at operation %d, %d %% unsynced", at, percent), clone, acked[:ackedThen], tried[:triedThen])
		}
	}
	if total < 100 {
		t.Errorf("only %d operations were tried", total)
	}
}

// countOps is the number of writing operations of work.
func countOps(t *testing.T) int {
	t.Helper()
	inj := &injector{f: func(int, errorfs.Op) error { return nil }}
	if _, _, err := work(errorfs.Wrap(vfs.NewMem(), inj), Options{}); err != nil {
		t.Fatal(err)
	}
	return inj.ops
}

// After a failed operation the process goes on; later the power fails.
func TestFailedOperations(t *testing.T) {
	errs := map[string]error{"disk full": syscall.ENOSPC, "I/O error": syscall.EIO}
	for name, fault := range errs {
		for at, total := 1, countOps(t); at <= total; at++ {
			for _, times := range []int{1, 2, 9} {
				mem := vfs.NewCrashableMem()
				inj := &injector{f: func(n int, op errorfs.Op) error {
					if n >= at && n < at+times {
						return fault
					}
					return nil
				}}
				acked, tried, err := work(errorfs.Wrap(mem, inj), Options{})
				if err != nil && !errors.Is(err, fault) {
					t.Fatal(err)
				}
				what := fmt.Sprintf("%s at operation %d, %d times", name, at, times)
				survived(t, what, mem.CrashClone(vfs.CrashCloneCfg{}), acked, tried)
			}
		}
	}
}

func TestFailedSyncIsNeverTriedOnTheSameFile(t *testing.T) {
	mem := vfs.NewMem()
	failed := map[string]bool{}
	armed := false
	inj := &injector{f: func(_ int, op errorfs.Op) error {
		if op.Kind != errorfs.OpFileSyncData {
			return nil
		}
		if failed[op.Path] {
			t.Errorf("%s is synced again", op.Path)
		}
		if armed {
			armed, failed[op.Path] = false, true
			return syscall.EIO
		}
		return nil
	}}
	l, _ := open(t, errorfs.Wrap(mem, inj), Options{})
	appendAll(t, l, "a", "b")
	armed = true
	appendAll(t, l, "c", "d")
	equal(t, "failures", l.Stats().Failures, 1)
	equal(t, "scan", bodies(scanAll(t, l, 1, 9)), "a b c d")
	closeLog(t, l)
	l, r := open(t, mem, Options{})
	defer closeLog(t, l)
	equal(t, "bodies", bodies(r.records), "a b c d")
}

func TestErrorsAreTold(t *testing.T) {
	f := func(fault, want error) {
		t.Helper()
		mem := vfs.NewMem()
		broken := false
		inj := &injector{f: func(_ int, op errorfs.Op) error {
			if broken && (op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileSyncData) {
				return fault
			}
			return nil
		}}
		l, _ := open(t, errorfs.Wrap(mem, inj), Options{})
		appendAll(t, l, "a")
		broken = true
		for range 5 {
			if err := l.Append([]byte("x"), 1); !errors.Is(err, want) || !errors.Is(err, fault) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		if err := l.Write([]byte{}, Record{Source: 1, Kind: KindSource}); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if l.Stats().Err == nil {
			t.Error("the error is not in the stats")
		}
		broken = false
		appendAll(t, l, "b")
		if l.Stats().Err != nil {
			t.Error("the error stays in the stats")
		}
		equal(t, "segments on disk", len(segmentFiles(t, mem)), 2)
		closeLog(t, l)
		l, r := open(t, mem, Options{})
		equal(t, "bodies", bodies(r.records), "a b")
		equal(t, "source of b", r.records[1].Source, 0)
		closeLog(t, l)
	}
	f(syscall.ENOSPC, ErrFull)
	f(syscall.EDQUOT, ErrFull)
	f(syscall.EIO, ErrFailed)
}

// Unsynced records of a looser policy are written again too.
func TestUnsyncedRecordsAreWrittenAgain(t *testing.T) {
	mem := vfs.NewCrashableMem()
	armed := false
	inj := &injector{f: func(_ int, op errorfs.Op) error {
		if armed && op.Kind == errorfs.OpFileSyncData {
			armed = false
			return syscall.EIO
		}
		return nil
	}}
	l, _ := open(t, errorfs.Wrap(mem, inj), Options{Sync: Never})
	appendAll(t, l, "a", "b", "c")
	armed = true
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, "d")
	closeLog(t, l)
	l, r := open(t, mem.CrashClone(vfs.CrashCloneCfg{}), Options{})
	defer closeLog(t, l)
	equal(t, "bodies", bodies(r.records), "a b c d")
}

// A quarantine file that could not be finished is counted, and once.
func TestQuarantineIsCountedAfterAFailure(t *testing.T) {
	failing := false
	inj := &injector{f: func(_ int, op errorfs.Op) error {
		if failing && op.Kind == errorfs.OpFileSync {
			return syscall.EIO
		}
		return nil
	}}
	l, _ := open(t, errorfs.Wrap(vfs.NewMem(), inj), Options{})
	defer closeLog(t, l)
	save := func() error {
		return l.Quarantine("some", "why", func(yield func(Record) error) error {
			return yield(Record{Kind: KindPartials, Payload: []byte("what was held")})
		})
	}
	failing = true
	if save() == nil {
		t.Fatal("the sync did not fail")
	}
	first := l.Stats().QuarantineBytes
	failing = false
	if err := save(); err != nil {
		t.Fatal(err)
	}
	if got := l.Stats().QuarantineBytes; first == 0 || got != first {
		t.Errorf("%d bytes in quarantine after a failure, then %d", first, got)
	}
}

// What a looser policy acknowledged is handed out also while the disk does not
// take it.
func TestScanOfWhatIsInMemoryOnly(t *testing.T) {
	broken := false
	inj := &injector{f: func(_ int, op errorfs.Op) error {
		if broken {
			return syscall.EIO
		}
		return nil
	}}
	l, _ := open(t, errorfs.Wrap(vfs.NewMem(), inj), Options{Sync: Never})
	appendAll(t, l, "a", "b")
	broken = true
	if err := l.Append([]byte("c"), 1); !errors.Is(err, ErrFailed) {
		t.Fatalf("append to a broken disk: %v", err)
	}
	equal(t, "scan", bodies(scanAll(t, l, 1, 9)), "a b")
	equal(t, "scan of one", bodies(scanAll(t, l, 2, 2)), "b")
	broken = false
	appendAll(t, l, "d")
	equal(t, "scan later", bodies(scanAll(t, l, 1, 9)), "a b d")
	closeLog(t, l)
}

// A directory whose making failed half-way is made durable by the next attempt.
func TestDirectoryIsDurableAfterAFailure(t *testing.T) {
	disk := disktest.New(1)
	disk.Strike(func(op errorfs.Op) *disktest.Fault {
		if disktest.What(op) == "sync directory" {
			return &disktest.Fault{Err: syscall.EIO}
		}
		return nil
	})
	if _, err := Open(disk, "a/b/spool", Options{}, &replayed{}); !errors.Is(err, syscall.EIO) {
		t.Fatalf("open: %v", err)
	}
	disk.Strike(nil)
	l, err := Open(disk, "a/b/spool", Options{}, &replayed{})
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, "a")
	var r replayed
	if _, err := Open(disk.After(), "a/b/spool", Options{}, &r); err != nil {
		t.Fatal(err)
	}
	equal(t, "bodies after a power loss", bodies(r.records), "a")
}
