package pebblestore_test

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/pebblestore"
)

// The figures are of the disk below the temporary directory: set TMPDIR.

func openDisk(b *testing.B) *pebblestore.Store {
	b.Helper()
	return open(b, pebblestore.Options{Dir: b.TempDir()})
}

// source sends parts of a given body to vbucket 0.
type source struct {
	id   store.SourceID
	head store.Head
}

func newSource(b testing.TB, s store.Store, n byte) *source {
	b.Helper()
	id, err := s.Open(b.Context(), store.ClassSpool, store.Nonce{n}, created)
	if err != nil {
		b.Fatal(err)
	}
	return &source{id: id}
}

func (c *source) send(b testing.TB, s store.Store, body []byte) {
	p := store.Part{Source: c.id, Seq: c.head.Seq + 1, Prev: c.head.Seq, Body: body}
	p.Chain = store.NextChain(c.head.Chain, p.Seq, p.Prev, p.Digest)
	r, err := s.Append(b.Context(), []store.Part{p})
	if err != nil || r[0].Verdict != store.Applied {
		b.Fatal(r, err)
	}
	c.head = store.Head{Seq: p.Seq, Chain: p.Chain}
}

// bodyOf makes a body of some tabs of 10 clients each, about size bytes long.
func bodyOf(size, tabs int) []byte {
	var w store.BodyWriter
	for t := range tabs {
		w.Tab(store.Tab{Name: fmt.Sprintf("bids_won_%04d", t), Type: "CounterGroup"})
		for c := range 10 {
			w.Partial(fmt.Sprintf("client%02d", c), 1, func(dst []byte) []byte {
				return append(dst, make([]byte, max(size/tabs/10-12, 1))...)
			})
		}
	}
	return w.Bytes()
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			s := openDisk(b)
			c := newSource(b, s, 1)
			body := bodyOf(size, max(size>>12, 1))
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			began := cpu(b)
			for b.Loop() {
				c.send(b, s, body)
			}
			reportCPU(b, began)
		})
	}
}

// BenchmarkAppendTrimmed is BenchmarkAppend while the log is trimmed, as a
// compactor does: what the segments that are given up are worth.
func BenchmarkAppendTrimmed(b *testing.B) {
	s := openDisk(b)
	c := newSource(b, s, 1)
	body := bodyOf(1<<20, 1)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	began := cpu(b)
	var old store.Position
	for n := 0; b.Loop(); n++ {
		c.send(b, s, body)
		if n%64 == 63 {
			old = trim(b, s, old)
		}
	}
	reportCPU(b, began)
}

// trim folds the one tab of all entries.
func trim(b *testing.B, s store.Store, old store.Position) store.Position {
	b.Helper()
	end := load(b, s, store.LoadRequest{After: old, MaxBytes: 1}).End
	for more := true; more; {
		l := load(b, s, store.LoadRequest{After: end, MaxBytes: 1})
		end, more = l.End, l.More
	}
	u := store.Update{Tab: store.Tab{Name: "bids_won_0000", Type: "CounterGroup"}, Old: old, Stored: old.Offset > 0, New: end, First: 1}
	done, err := s.Compact(b.Context(), 0, []store.Update{u}, end)
	if err != nil || done.Trim != end {
		b.Fatal(done, err)
	}
	return end
}

// BenchmarkPebble is what Append is measured against: one synced value.
func BenchmarkPebble(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			db, err := pebble.Open(b.TempDir(), &pebble.Options{Logger: quiet{}})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			body := bodyOf(size, max(size>>12, 1))
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			began := cpu(b)
			var key [8]byte
			for n := uint64(0); b.Loop(); n++ {
				binary.BigEndian.PutUint64(key[:], n)
				if err := db.Set(key[:], body, pebble.Sync); err != nil {
					b.Fatal(err)
				}
			}
			reportCPU(b, began)
		})
	}
}

type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(string, ...any) {}

// cpu is the time that the process has run on processors, and how often one of its
// threads has given its up to wait.
func cpu(b *testing.B) (u syscall.Rusage) {
	b.Helper()
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u
}

func reportCPU(b *testing.B, began syscall.Rusage) {
	b.Helper()
	now := cpu(b)
	ns := now.Utime.Nano() + now.Stime.Nano() - began.Utime.Nano() - began.Stime.Nano()
	b.ReportMetric(float64(ns)/1000/float64(b.N), "cpu-us/op")
	b.ReportMetric(float64(now.Nvcsw-began.Nvcsw)/float64(b.N), "waits/op")
}

// BenchmarkLoadNothing is what most queries find.
func BenchmarkLoadNothing(b *testing.B) {
	s := openDisk(b)
	c := newSource(b, s, 1)
	c.send(b, s, bodyOf(1<<10, 1))
	end := load(b, s, store.LoadRequest{}).End
	b.ReportAllocs()
	for b.Loop() {
		load(b, s, store.LoadRequest{After: end})
	}
}

func load(b testing.TB, s store.Store, req store.LoadRequest) *store.Loaded {
	b.Helper()
	l, err := s.Load(b.Context(), 0, req)
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// BenchmarkLoadTail reads what one commit has added.
func BenchmarkLoadTail(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			s := openDisk(b)
			c := newSource(b, s, 1)
			var before store.Position
			for range 20 {
				before = load(b, s, store.LoadRequest{}).End
				c.send(b, s, bodyOf(size, max(size>>12, 1)))
			}
			b.ReportAllocs()
			for b.Loop() {
				load(b, s, store.LoadRequest{After: before})
			}
		})
	}
}

// BenchmarkLoadTab reads one tab out of a log of 1,000 entries of 16 tabs.
func BenchmarkLoadTab(b *testing.B) {
	s := openDisk(b)
	c := newSource(b, s, 1)
	c.send(b, s, bodyOf(1<<10, 1))
	for range 1000 {
		c.send(b, s, bodyOf(16<<10, 16))
	}
	names := []store.TabName{{Name: "none"}}
	b.ReportAllocs()
	for b.Loop() {
		load(b, s, store.LoadRequest{Records: store.WithClients, Names: names})
	}
}

// BenchmarkLoadRecords reads 1,000 records of 20 clients with States of 500
// bytes.
func BenchmarkLoadRecords(b *testing.B) {
	s := openDisk(b)
	c := newSource(b, s, 1)
	c.send(b, s, bodyOf(1<<10, 1))
	end := load(b, s, store.LoadRequest{}).End
	var updates []store.Update
	for i := range 1000 {
		u := store.Update{
			Tab: store.Tab{Name: fmt.Sprintf("bids_won_%04d", i), Type: "CounterGroup"},
			New: end, Events: 20, First: 1, All: make([]byte, 500),
		}
		for c := range 20 {
			u.Clients = append(u.Clients, store.ClientState{Client: fmt.Sprintf("client%02d", c), Events: 1, State: make([]byte, 500)})
		}
		updates = append(updates, u)
	}
	if _, err := s.Compact(b.Context(), 0, updates, end); err != nil {
		b.Fatal(err)
	}
	for d, name := range map[store.Detail]string{store.DirectoryOnly: "directory", store.WithAll: "all", store.WithClients: "clients"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				load(b, s, store.LoadRequest{Records: d})
			}
		})
	}
}

// BenchmarkCompact writes 100 records of 20 clients each time.
func BenchmarkCompact(b *testing.B) {
	s := openDisk(b)
	c := newSource(b, s, 1)
	var old store.Position
	b.ReportAllocs()
	began := cpu(b)
	for b.Loop() {
		c.send(b, s, bodyOf(1<<10, 1))
		end := load(b, s, store.LoadRequest{After: old}).End
		var updates []store.Update
		for i := range 100 {
			u := store.Update{Tab: store.Tab{Name: fmt.Sprintf("bids_won_%04d", i), Type: "CounterGroup"}, Old: old, Stored: old.Offset > 0, New: end, All: make([]byte, 500)}
			for c := range 20 {
				u.Clients = append(u.Clients, store.ClientState{Client: fmt.Sprintf("client%02d", c), State: make([]byte, 500)})
			}
			updates = append(updates, u)
		}
		done, err := s.Compact(b.Context(), 0, updates, end)
		if err != nil || done.Applied != 100 || done.Trim != end {
			b.Fatal(done, err)
		}
		old = end
	}
	reportCPU(b, began)
}
