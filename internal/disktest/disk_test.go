package disktest

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

func write(t *testing.T, d *Disk, name, text string) vfs.File {
	t.Helper()
	f, err := d.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return f
}

// read returns "-" if there is no such file.
func read(t *testing.T, d *Disk, name string) string {
	t.Helper()
	f, err := d.Open(name)
	if err != nil {
		return "-"
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func syncDir(t *testing.T, d *Disk, name string) {
	t.Helper()
	f, err := d.OpenDir(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// fates collects what power losses leave, over many seeds.
func fates(t *testing.T, live func(d *Disk), look func(d *Disk) string) []string {
	var all []string
	for seed := range uint64(300) {
		d := New(seed)
		live(d)
		if fate := look(d.After()); !slices.Contains(all, fate) {
			all = append(all, fate)
		}
	}
	slices.Sort(all)
	return all
}

func TestWhatIsSyncedStays(t *testing.T) {
	got := fates(t, func(d *Disk) {
		if err := write(t, d, "a", "synced").Sync(); err != nil {
			t.Fatal(err)
		}
		syncDir(t, d, ".")
		if err := d.Rename("a", "b"); err != nil {
			t.Fatal(err)
		}
	}, func(d *Disk) string { return read(t, d, "a") + " " + read(t, d, "b") })
	if want := []string{"- synced", "synced -"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatIsNotSyncedIsTorn(t *testing.T) {
	got := fates(t, func(d *Disk) {
		f := write(t, d, "a", "12")
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		syncDir(t, d, ".")
		if _, err := f.Write([]byte("345")); err != nil {
			t.Fatal(err)
		}
	}, func(d *Disk) string { return read(t, d, "a") })
	for _, want := range []string{"12", "123", "1234", "12345", "12\x00\x00\x00", "123\x00\x00"} {
		if !slices.Contains(got, want) {
			t.Errorf("a power loss never leaves %q: %q", want, got)
		}
	}
	for _, fate := range got {
		if !strings.HasPrefix(fate, "12") {
			t.Errorf("a power loss leaves %q", fate)
		}
	}
}

func TestNamesNeedTheirDirectories(t *testing.T) {
	got := fates(t, func(d *Disk) {
		if err := d.MkdirAll("x/y", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := write(t, d, "x/y/a", "1").Sync(); err != nil {
			t.Fatal(err)
		}
		syncDir(t, d, "x/y")
	}, func(d *Disk) string { return read(t, d, "x/y/a") })
	if want := []string{"-", "1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheEnd(t *testing.T) {
	d := New(1)
	f := write(t, d, "a", "1")
	d.KillIn(2)
	if _, err := f.Write([]byte("2")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("3")); !errors.Is(err, ErrOff) {
		t.Errorf("after the end: %v", err)
	}
	if op, ended := d.Ended(); !ended || What(op) != "write" {
		t.Errorf("ended: %v, before %q", ended, What(op))
	}
	if got := read(t, d.After(), "a"); got != "12" {
		t.Errorf("after the end: %q", got)
	}
}

func TestFaults(t *testing.T) {
	d := New(1)
	f := write(t, d, "a", "12")
	syncDir(t, d, ".")
	fault := &Fault{syscall.EIO, Half}
	d.Strike(func(op errorfs.Op) *Fault { return fault })
	if n, err := f.Write([]byte("34")); n != 1 || !errors.Is(err, syscall.EIO) {
		t.Errorf("half a write: %d, %v", n, err)
	}
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("sync: %v", err)
	}
	d.Strike(nil)
	if err := f.Sync(); err != nil {
		t.Errorf("second sync: %v", err)
	}
	for seed := uint64(0); ; seed++ {
		if seed == 1000 {
			t.Fatal("what a failed sync held is never lost")
		}
		d.rng = rand.New(rand.NewPCG(seed, 1))
		if read(t, d.remains(), "a") == "" {
			break
		}
	}
	if got := read(t, d, "a"); got != "123" {
		t.Errorf("the process sees %q", got)
	}
}
