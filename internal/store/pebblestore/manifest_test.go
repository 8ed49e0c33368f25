package pebblestore_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/disktest"
	"github.com/tabaproject/taba/internal/store/pebblestore"
)

// TestManifestIsDurableBeforeItIsBelieved: a process is killed after it has
// written to the manifest and before it has synced it. What the next one reads
// there a power loss does not take away.
func TestManifestIsDurableBeforeItIsBelieved(t *testing.T) {
	const name = "MANIFEST-000007"
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for seed := range uint64(50) {
		disk := disktest.New(seed)
		f, err := disk.Create(name, vfs.WriteCategoryUnspecified)
		fail(err)
		dir, err := disk.OpenDir("")
		fail(err)
		_, err = f.Write([]byte("made durable, "))
		fail(err)
		fail(f.Sync())
		fail(dir.Sync())
		_, err = f.Write([]byte("and not"))
		fail(err)
		disk.KillIn(0)

		disk = disk.After()
		fail(pebblestore.SecureManifests(disk, ""))

		disk = disk.After() // without power
		f, err = disk.Open(name)
		fail(err)
		got := make([]byte, 64)
		n, _ := f.ReadAt(got, 0) // up to its end
		if string(got[:n]) != "made durable, and not" {
			t.Fatalf("seed %d: it says %q", seed, got[:n])
		}
	}
}
