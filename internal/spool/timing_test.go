package spool

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// BenchmarkAppend appends to a real file, with and without syncing. Appends
// of a group commit are larger, not more.
func BenchmarkAppend(b *testing.B) {
	f := func(name string, size int, sync Sync) {
		b.Run(fmt.Sprintf("%s/%dKiB", name, size>>10), func(b *testing.B) {
			l, err := Open(vfs.Default, b.TempDir(), Options{Sync: sync, QuotaBytes: 1 << 50, MinFreeBytes: -1}, &replayed{})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			body := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := l.Append(body, 1); err != nil {
					b.Fatal(err)
				}
				if i%1024 == 0 { // as the forwarder does
					l.Take()
					if err := l.Release(l.NextLSN()); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
	f("always", 1<<10, Always)
	f("always", 64<<10, Always)
	f("never", 1<<10, Never)
	f("never", 64<<10, Never)
}

// discardAll is a Replayer that keeps nothing.
type discardAll struct{}

func (discardAll) Replay(Record) error          { return nil }
func (discardAll) Checkpoint(dst []byte) []byte { return dst }

// BenchmarkReplay opens a spool of 64 MiB in records of 1 KiB.
func BenchmarkReplay(b *testing.B) {
	dir := b.TempDir()
	l, err := Open(vfs.Default, dir, Options{Sync: Never}, discardAll{})
	if err != nil {
		b.Fatal(err)
	}
	const records = 64 << 10
	body := make([]byte, 1<<10)
	for range records {
		if err := l.Append(body, 1); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(records << 10)
	b.ReportAllocs()
	for b.Loop() {
		l, err := Open(vfs.Default, dir, Options{}, discardAll{})
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
