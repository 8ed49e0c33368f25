package seglog

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const dir = "log"

func newDir(t testing.TB) vfs.FS {
	t.Helper()
	fs := vfs.NewMem()
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return fs
}

// written is what a record was made of.
type written struct {
	meta   []byte
	bodies []Body
	pieces []Piece
}

// made makes up record n, always the same.
func made(n uint64) written {
	rng := rand.New(rand.NewPCG(n, 0))
	fill := func(size int) []byte {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	w := written{meta: fill(rng.IntN(200))}
	for range rng.IntN(3) {
		b := Body{Bytes: fill(100 + rng.IntN(2000))}
		if rng.IntN(2) == 0 {
			b.Ends = []int{10, 50, len(b.Bytes)}
		}
		w.bodies = append(w.bodies, b)
	}
	return w
}

// log is a Log with what it should hold.
type log struct {
	*Log
	t   testing.TB
	fs  vfs.FS
	o   Options
	all []written // the record n is all[n-1]
}

func (l *log) open(after uint64) error {
	l.t.Helper()
	next := after + 1
	var err error
	l.Log, err = Open(l.fs, dir, l.o, after, func(r Record) error {
		if r.LSN != next {
			return fmt.Errorf("record %d, want %d", r.LSN, next)
		}
		next++
		w := &l.all[r.LSN-1]
		if !bytes.Equal(r.Meta, w.meta) {
			return fmt.Errorf("record %d does not have its meta", r.LSN)
		}
		w.pieces = slices.Clone(r.Pieces)
		return nil
	})
	if err == nil && int(next) != len(l.all)+1 {
		err = fmt.Errorf("the last record is %d, want %d", next-1, len(l.all))
	}
	return err
}

func (l *log) append(n int) {
	l.t.Helper()
	for range n {
		w := made(uint64(len(l.all) + 1))
		lsn, pieces, err := l.Append(w.meta, w.bodies)
		if err != nil || lsn != uint64(len(l.all)+1) {
			l.t.Fatal(lsn, err)
		}
		w.pieces = slices.Clone(pieces)
		l.all = append(l.all, w)
	}
}

// check reads the bodies of all records from an LSN on.
func (l *log) check(pin Pin, from uint64) {
	l.t.Helper()
	for i := from - 1; i < uint64(len(l.all)); i++ {
		w, n := &l.all[i], 0
		for j := range w.bodies {
			for k := range w.bodies[j].pieces() {
				p := w.pieces[n]
				n++
				got := make([]byte, p.Length)
				if err := pin.Read(p.Segment, p.Offset, got); err != nil {
					l.t.Fatal(err)
				}
				if err := pin.Check(p, got); err != nil || !bytes.Equal(got, w.bodies[j].piece(k)) {
					l.t.Fatalf("record %d: piece %d is not what was appended: %v", i+1, n, err)
				}
			}
		}
	}
}

func (l *log) close() {
	l.t.Helper()
	if err := l.Close(); err != nil {
		l.t.Fatal(err)
	}
}

func newLog(t testing.TB) *log {
	t.Helper()
	l := &log{t: t, fs: newDir(t), o: Options{SegmentBytes: 8 << 10}}
	if err := l.open(0); err != nil {
		t.Fatal(err)
	}
	return l
}

// names lists the segments, oldest first.
func (l *log) names() []string {
	l.t.Helper()
	names, err := l.fs.List(dir)
	if err != nil {
		l.t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// change rewrites a file.
func (l *log) change(name string, with func(b []byte) []byte) {
	l.t.Helper()
	f, err := l.fs.Open(l.fs.PathJoin(dir, name))
	if err != nil {
		l.t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		l.t.Fatal(err)
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil && len(b) > 0 {
		l.t.Fatal(err)
	}
	g, err := l.fs.Create(l.fs.PathJoin(dir, name), vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = g.Write(with(b))
	}
	if err != nil {
		l.t.Fatal(err)
	}
}
