package gather

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// TestBytesAreWhatWasWritten has many senders write and read in turn, and
// compares each with a slice.
func TestBytesAreWhatWasWritten(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		f := NewFile(dir, 64*blockSize)
		defer f.Close()
		type sender struct {
			got  Bytes
			want []byte
		}
		senders := make([]sender, 5)
		for i := range senders {
			senders[i].got = f.New()
		}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			s := &senders[rapid.IntRange(0, len(senders)-1).Draw(t, "sender")]
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0: // reads some
				p := make([]byte, rapid.IntRange(0, 2*blockSize).Draw(t, "length"))
				if int64(len(p)) >= s.got.Len() {
					continue // nothing can be written after the end was read
				}
				n, err := io.ReadFull(&s.got, p)
				if err != nil || !bytes.Equal(p, s.want[:n]) {
					t.Fatalf("read %d bytes, %v: not what was written", n, err)
				}
				s.want = s.want[n:]
			case 1: // reads all and begins again
				all, err := io.ReadAll(&s.got)
				if err != nil || !bytes.Equal(all, s.want) {
					t.Fatalf("read %d bytes of %d, %v: not what was written", len(all), len(s.want), err)
				}
				s.got.Close()
				s.got, s.want = f.New(), nil
			default:
				p := make([]byte, rapid.IntRange(0, 3*blockSize).Draw(t, "length"))
				for i := range p {
					p[i] = byte(random.Uint32())
				}
				n, err := s.got.Write(p)
				s.want = append(s.want, p[:n]...)
				if err != nil && !errors.Is(err, ErrFull) || n < len(p) && err == nil {
					t.Fatalf("wrote %d of %d: %v", n, len(p), err)
				}
			}
			if s.got.Len() != int64(len(s.want)) {
				t.Fatalf("length %d, want %d", s.got.Len(), len(s.want))
			}
		}
		for i := range senders {
			senders[i].got.Close()
		}
		if held, length := f.Held(), f.length; held != 0 || length != 0 {
			t.Fatalf("%d bytes are held and the file has %d blocks after all was given back", held, length)
		}
	})
}

func TestFileIsBounded(t *testing.T) {
	f := NewFile(t.TempDir(), 2*blockSize)
	defer f.Close()
	b := f.New()
	n, err := b.Write(make([]byte, 3*blockSize))
	if n != 2*blockSize || !errors.Is(err, ErrFull) {
		t.Fatalf("wrote %d bytes, %v, want %d and ErrFull", n, err, 2*blockSize)
	}
	other := f.New()
	if _, err := other.Write([]byte("x")); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v, want ErrFull", err)
	}
	if _, err := io.CopyN(io.Discard, &b, blockSize); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Write([]byte("x")); err != nil {
		t.Fatalf("a block that was read serves nobody else: %v", err)
	}
	b.Close()
	other.Close()
}

func TestFileHasNoName(t *testing.T) {
	dir := t.TempDir()
	f := NewFile(dir, 1<<20)
	b := f.New()
	if _, err := b.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("the directory has %v, %v", names, err)
	}
	b.Close()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.take(); err == nil {
		t.Error("a File that was closed gives blocks")
	}
}

// TestFileIsCut: disk goes back as it becomes free at the end.
func TestFileIsCut(t *testing.T) {
	f := NewFile(t.TempDir(), 1<<30)
	defer f.Close()
	var all []Bytes
	for range 8 {
		b := f.New()
		if _, err := b.Write(make([]byte, blockSize)); err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	size := func(want int64) {
		t.Helper()
		info, err := f.f.Stat()
		if err != nil || info.Size() != want*blockSize {
			t.Fatalf("the file has %d bytes, %v, want %d blocks", info.Size(), err, want)
		}
	}
	size(8)
	for i := 7; i > 3; i-- {
		all[i].Close()
	}
	size(4)
	for i := range 3 {
		all[i].Close()
	}
	size(4) // its last block is in use
	all[3].Close()
	size(0)
}
