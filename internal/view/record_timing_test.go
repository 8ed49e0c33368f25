package view

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/pebblestore"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// cpuTime is what processors have spent on this process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// partials makes a body with a Partial of n events for each client of each tab.
func partials(reg *state.Registry, tabs, clients, n int, now float64, rng *rand.Rand) (body []byte, events uint64) {
	acc := fold.New(reg)
	values := make([]float64, n)
	for tab := range tabs {
		for client := range clients {
			for i := range values {
				values[i] = math.Round(100*math.Exp(rng.NormFloat64())) / 100
			}
			name := store.Tab{Name: fmt.Sprintf("bench.tab.%04d", tab), Type: "CounterGroup"}
			acc.FoldColumn(acc.Slot(name, fmt.Sprintf("client-%02d", client)), int64(now), values)
		}
	}
	return acc.EncodeAll(nil)
}

// BenchmarkRecord is what a Partial costs from the moment it is committed: the log,
// Pebble's upkeep, compaction into records as it falls due. An operation is a
// commit of a Partial of every one of 10,000 States.
func BenchmarkRecord(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) { benchmarkRecord(b, n) })
	}
}

func benchmarkRecord(b *testing.B, n int) {
	const tabs, clients, bodies = 1000, 10, 30
	reg, rng := builtin.Registry(), rand.New(rand.NewPCG(1, 2))
	dir := b.TempDir()
	st, err := pebblestore.Open(pebblestore.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = st.Shutdown() }()
	id, err := st.Open(b.Context(), store.ClassDirect, store.Nonce{1}, st.Meta().Created)
	if err != nil {
		b.Fatal(err)
	}
	var parts [bodies]store.Part
	for i := range parts {
		parts[i].Source = id
		parts[i].Body, parts[i].Events = partials(reg, tabs, clients, n, 1395954300+float64(i)*61, rng)
		parts[i].Digest = wire.DigestOf(parts[i].Body)
	}
	c := NewCompactor(st, reg, CompactorOptions{})
	var head store.Head
	var peak, compactions int64
	start, bytes := cpuTime(), int64(0)
	b.ResetTimer()
	for i := range b.N {
		p := parts[i%bodies]
		p.Seq, p.Prev = head.Seq+1, head.Seq
		p.Chain = store.NextChain(head.Chain, p.Seq, p.Prev, p.Digest)
		r, err := st.Append(context.Background(), []store.Part{p})
		if err != nil || r[0].Verdict != store.Applied {
			b.Fatalf("append: %v, %+v", err, r)
		}
		head = r[0].Head
		bytes += int64(len(p.Body))
		before, err := st.Stats(b.Context(), 0)
		if err != nil {
			b.Fatal(err)
		}
		peak = max(peak, before.LogBytes)
		c.pass(b.Context())
		if after, _ := st.Stats(b.Context(), 0); after.Trim != before.Trim {
			compactions++
		}
	}
	b.StopTimer()
	states := float64(b.N * tabs * clients)
	b.ReportMetric(float64(cpuTime()-start)/states, "cpu-ns/Partial")
	b.ReportMetric(float64(bytes)/states, "bytes/Partial")
	b.ReportMetric(float64(peak)/(1<<20), "log-MiB")
	b.ReportMetric(float64(b.N)/float64(max(compactions, 1)), "commits/compaction")
	s, _ := st.Stats(b.Context(), 0)
	b.ReportMetric(float64(s.RecordBytes)/(1<<20), "record-MiB")
	b.ReportMetric(float64(size(dir))/(1<<20), "disk-MiB")
}

// size is how many bytes the files below a directory have.
func size(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}
