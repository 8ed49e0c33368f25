package pebblestore_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tabaproject/taba/internal/disktest"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/pebblestore"
)

func refuses(t *testing.T, o pebblestore.Options, want ...string) {
	t.Helper()
	s, err := pebblestore.Open(o)
	if err == nil {
		_ = s.Shutdown()
		t.Fatalf("no error, want one that says %q", want)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got %q, want it to say %q", err, w)
		}
	}
}

func TestOpenOptions(t *testing.T) {
	refuses(t, pebblestore.Options{FS: vfs.NewMem()}, "no directory")
	refuses(t, pebblestore.Options{Dir: "d", FS: vfs.NewMem(), VBuckets: -1}, "vbuckets is -1")
	refuses(t, pebblestore.Options{Dir: "d", FS: vfs.NewMem(), VBuckets: 1 << 20}, "vbuckets is 1048576")

	o := pebblestore.Options{Dir: "d", FS: vfs.NewMem()}
	s := open(t, o)
	if got := s.Meta().Partition.VBuckets; got != 1 {
		t.Errorf("vbuckets of a new store: got %d, want 1", got)
	}
	meta := s.Meta()
	if err := s.Shutdown(); err != nil {
		t.Fatal(err)
	}
	o.VBuckets = 4
	refuses(t, o, "the setting vbuckets is 4", "created with 1", "set it to 1")
	o.VBuckets = 1
	if got := open(t, o).Meta(); got != meta {
		t.Errorf("meta: got %+v, want %+v", got, meta)
	}
}

// TestOneOwner: on the operating system's files, as a second process would.
func TestOneOwner(t *testing.T) {
	o := pebblestore.Options{Dir: filepath.Join(t.TempDir(), "new", "data")}
	s := open(t, o)
	refuses(t, o, o.Dir, "another process")
	info, err := os.Stat(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("directory: got mode %o, want 700", got)
	}
	h := newHistory(t, s, 0)
	p := h.parts(1)[:1]
	if r, err := s.Append(t.Context(), p); err != nil || r[0].Verdict != store.Applied {
		t.Fatal(r, err)
	}
	if err := s.Shutdown(); err != nil {
		t.Fatal(err)
	}
	if r, err := open(t, o).Append(t.Context(), p); err != nil || r[0].Verdict != store.Duplicate {
		t.Error(r, err)
	}
}

// TestForeign: a directory of somebody else's, or of another release, is left
// as it is.
func TestForeign(t *testing.T) {
	foreign := func(key, value string) vfs.FS {
		fs := vfs.NewMem()
		db, err := pebble.Open("d", &pebble.Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Set([]byte(key), []byte(value), pebble.Sync); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return fs
	}
	refuses(t, pebblestore.Options{Dir: "d", FS: foreign("k", "v")}, "not Taba's")
	refuses(t, pebblestore.Options{Dir: "d", FS: foreign("M", "v")}, "description of the store")
	meta := strings.Repeat("\x01", 24) + "\x09\x01\x01" + strings.Repeat("\x01", 8)
	refuses(t, pebblestore.Options{Dir: "d", FS: foreign("M", meta)}, "format 9", "reads formats 1 to 3")

	fs := vfs.NewMem()
	f, err := fs.Create("file", "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	refuses(t, pebblestore.Options{Dir: "file/data", FS: fs}, "file/data")
}

// TestDirectoryIsDurable: a directory whose making failed half-way is made
// durable by the next attempt.
func TestDirectoryIsDurable(t *testing.T) {
	disk := disktest.New(1)
	o := pebblestore.Options{Dir: "a/b/data", FS: disk}
	disk.Strike(func(op errorfs.Op) *disktest.Fault {
		if disktest.What(op) == "sync directory" {
			return &disktest.Fault{Err: syscall.EIO}
		}
		return nil
	})
	refuses(t, o, "input/output error")
	disk.Strike(nil)
	meta := open(t, o).Meta()
	o.FS = disk.After()
	if got := open(t, o).Meta(); got != meta {
		t.Errorf("after a power loss: %+v, want %+v", got, meta)
	}
}
