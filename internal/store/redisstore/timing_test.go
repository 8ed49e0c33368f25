package redisstore_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/redisstore"
)

// used is what redis-server has used so far, and how often it has read from a
// connection.
func (s *server) used() (cpu time.Duration, reads float64) {
	for line := range strings.Lines(s.do("INFO", "everything")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		n, _ := strconv.ParseFloat(value, 64) // 0 if it is none
		switch name {
		case "used_cpu_sys", "used_cpu_user":
			cpu += time.Duration(n * float64(time.Second))
		case "total_reads_processed":
			reads = n
		}
	}
	return cpu, reads
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it does not fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measured runs f b.N times and reports the CPU of both ends, and how often the
// server had to read: with small bodies, the round trips.
func measured(b *testing.B, r *server, size int, f func(i int)) {
	b.SetBytes(int64(size))
	b.ReportAllocs()
	cpu, reads := r.used()
	ours := ownCPU()
	b.ResetTimer()
	for i := range b.N {
		f(i)
	}
	b.StopTimer()
	own := ownCPU() - ours
	cpuNow, readsNow := r.used()
	b.ReportMetric(float64(own.Microseconds())/float64(b.N), "own-us/op")
	b.ReportMetric(float64((cpuNow-cpu).Microseconds())/float64(b.N), "redis-us/op")
	b.ReportMetric((readsNow-reads)/float64(b.N), "reads/op")
}

// commits are parts in one commit, each for a vbucket of its own, and the size
// of each.
var commits = []struct{ parts, size int }{{1, 4 << 10}, {1, 64 << 10}, {1, 1 << 20}, {16, 64 << 10}}

// benchmarkCommits measures commits with and without a sync before the answer.
// Files are not rewritten meanwhile: that would be measured, too.
func benchmarkCommits(b *testing.B, run func(b *testing.B, r *server, parts, size int)) {
	for _, fsync := range []string{"everysec", "always"} {
		for _, c := range commits {
			b.Run(fmt.Sprintf("%s/%dx%d", fsync, c.parts, c.size), func(b *testing.B) {
				run(b, redis(b, "--appendfsync", fsync, "--auto-aof-rewrite-percentage", "0"), c.parts, c.size)
			})
		}
	}
}

// BenchmarkAppend is commits without replicas: compare with BenchmarkPlain, the
// least that Redis can do for the same bytes.
func BenchmarkAppend(b *testing.B) { benchmarkCommits(b, appends) }

// BenchmarkReplicated is the same with a replica that syncs: what it takes to wait
// for it, and for its disk where that is counted.
func BenchmarkReplicated(b *testing.B) {
	for _, c := range commits {
		b.Run(fmt.Sprintf("%dx%d", c.parts, c.size), func(b *testing.B) {
			still := append([]string{"--auto-aof-rewrite-percentage", "0"}, durable...)
			m, r := redis(b, still...), redis(b, still...)
			r.follow(m)
			appends(b, m, c.parts, c.size)
		})
	}
}

// appends makes commits of parts, each for a vbucket.
func appends(b *testing.B, r *server, parts, size int) {
	s := open(b, redisstore.Options{Addrs: []string{r.addr}, VBuckets: parts})
	id, err := s.Open(b.Context(), store.ClassSpool, store.Nonce{1}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	body := bodyOf(size)
	heads := make([]store.Head, parts)
	batch := make([]store.Part, parts)
	measured(b, r, parts*size, func(int) {
		for vb, prev := range heads {
			p := store.Part{Source: id, VB: vb, Seq: prev.Seq + 1, Prev: prev.Seq, Body: body}
			p.Chain = store.NextChain(prev.Chain, p.Seq, p.Prev, p.Digest)
			batch[vb] = p
		}
		results, err := s.Append(context.Background(), batch)
		if err != nil {
			b.Fatal(err)
		}
		for vb, r := range results {
			if r.Verdict != store.Applied {
				b.Fatal(r)
			}
			heads[vb] = r.Head
		}
	})
}

// bodyOf makes a body of one Partial that cannot be compressed.
func bodyOf(size int) []byte {
	var w store.BodyWriter
	w.Tab(store.Tab{Name: "tab", Type: "Total"})
	w.Partial("client", 1, func(dst []byte) []byte {
		state := make([]byte, size)
		_, _ = rand.Read(state) // never fails
		return append(dst, state...)
	})
	return w.Bytes()
}

// BenchmarkPlain pushes the same bytes on lists, and decides nothing.
func BenchmarkPlain(b *testing.B) {
	benchmarkCommits(b, func(b *testing.B, r *server, parts, size int) {
		c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{r.addr}, ForceSingleClient: true, DisableCache: true})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		conn, release := c.Dedicate()
		defer release()
		body := rueidis.BinaryString(bodyOf(size))
		measured(b, r, parts*size, func(int) {
			var cmds []rueidis.Completed
			for vb := range parts {
				cmds = append(cmds, c.B().Rpush().Key(fmt.Sprint("list", vb)).Element(body).Build())
			}
			for _, r := range conn.DoMulti(context.Background(), cmds...) {
				if err := r.Error(); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}
