package redisstore_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tabaproject/taba/internal/redisrun"
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

// fsyncs are when servers sync what they write, and where: a disk takes its time,
// and a file system in memory shows what all else takes.
var fsyncs = []struct{ name, fsync, dir string }{
	{"everysec", "everysec", ""},
	{"always", "always", ""},
	{"always-memory", "always", "/dev/shm"},
}

// benchmarkCommits measures commits with and without a sync before the answer.
func benchmarkCommits(b *testing.B, run func(b *testing.B, r *server, parts, size int)) {
	for _, f := range fsyncs {
		if _, err := os.Stat(f.dir); f.dir != "" && err != nil {
			continue // this system has no such file system
		}
		for _, c := range commits {
			b.Run(fmt.Sprintf("%s/%dx%d", f.name, c.parts, c.size), func(b *testing.B) {
				run(b, writing(b, f.dir, f.fsync), c.parts, c.size)
			})
		}
	}
}

// writing starts a server with its files below a directory. Files are not
// rewritten: that would be measured, too.
func writing(b *testing.B, below, fsync string) *server {
	b.Helper()
	dir, err := os.MkdirTemp(below, "redis-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := own(b)(redisrun.New("redis", dir, loopback, freePort(b), "--appendfsync", fsync, "--auto-aof-rewrite-percentage", "0"))
	s.start()
	return s
}

// BenchmarkAppend is commits without replicas: compare with BenchmarkPlain, the
// least that Redis can do for the same bytes, on the same disk.
func BenchmarkAppend(b *testing.B) {
	benchmarkCommits(b, func(b *testing.B, r *server, parts, size int) {
		commit(b, r, redisstore.Options{}, parts, size)
	})
}

// BenchmarkReplicated is the same with a replica that syncs: what it takes to wait
// for it, and for its disk where that is counted.
func BenchmarkReplicated(b *testing.B) {
	for _, c := range commits {
		b.Run(fmt.Sprintf("%dx%d", c.parts, c.size), func(b *testing.B) {
			m, r := writing(b, "", "always"), writing(b, "", "always")
			r.follow(m)
			commit(b, m, redisstore.Options{}, c.parts, c.size)
		})
	}
}

// BenchmarkTransaction is commits of many bodies, by how many bytes of them share
// a transaction: -1 is none. Somebody else waits for answers meanwhile.
func BenchmarkTransaction(b *testing.B) {
	for _, most := range []int{-1, 1 << 18, 1 << 19, 1 << 20, 1 << 21, 1 << 22, 1 << 24} {
		b.Run(fmt.Sprint(most), func(b *testing.B) {
			r := writing(b, "", "always")
			waits := r.pinged(b)
			commit(b, r, redisstore.Options{}.Transactions(0, most), 128, 64<<10)
			took := waits()
			b.ReportMetric(took[len(took)/2].Seconds()*1e3, "other-p50-ms")
			b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "other-p99-ms")
		})
	}
}

// pinged asks a server again and again for nothing, on a connection of its own.
// What it returns stops that and tells how long the answers took, in order.
func (s *server) pinged(b *testing.B) (stop func() []time.Duration) {
	b.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.addr}, ForceSingleClient: true, DisableCache: true})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	took := make(chan []time.Duration)
	go func() {
		defer c.Close()
		var list []time.Duration
		for ctx.Err() == nil {
			begun := time.Now()
			if err := c.Do(context.Background(), c.B().Ping().Build()).Error(); err != nil {
				b.Error(err)
				break
			}
			list = append(list, time.Since(begun))
		}
		slices.Sort(list)
		took <- list
	}()
	return func() []time.Duration {
		cancel()
		return <-took
	}
}

// commit measures commits of parts, each for a vbucket of its own.
func commit(b *testing.B, r *server, o redisstore.Options, parts, size int) {
	o.Addrs, o.VBuckets = []string{r.addr}, parts
	s := open(b, o)
	id, err := s.Open(b.Context(), store.ClassSpool, store.Nonce{1}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	body := bodyOf(size)
	heads := make([]store.Head, parts)
	batch := make([]store.Part, parts)
	measured(b, r, parts*size, func(int) {
		for vb, prev := range heads {
			batch[vb] = after(prev, id, vb, body)
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

// BenchmarkSenders is what a server does under load: commits of a part each, to
// as many vbuckets, whenever the one before is done. What is asked while a round
// trip is under way makes the next.
func BenchmarkSenders(b *testing.B) {
	const vbuckets, size = 16, 64 << 10
	for _, most := range []int{-1, 1 << 20} {
		b.Run(fmt.Sprint(most), func(b *testing.B) {
			r := writing(b, "", "always")
			s := open(b, redisstore.Options{Addrs: []string{r.addr}, VBuckets: vbuckets}.Transactions(0, most))
			id, err := s.Open(b.Context(), store.ClassSpool, store.Nonce{1}, time.Now())
			if err != nil {
				b.Fatal(err)
			}
			body := bodyOf(size)
			heads := make([]store.Head, vbuckets)
			rounds := r.calls("info")
			measured(b, r, vbuckets*size, func(int) {
				var all sync.WaitGroup
				for vb := range vbuckets {
					all.Go(func() {
						results, err := s.Append(context.Background(), []store.Part{after(heads[vb], id, vb, body)})
						if err != nil || results[0].Verdict != store.Applied {
							b.Error(results, err)
							return
						}
						heads[vb] = results[0].Head
					})
				}
				all.Wait()
			})
			b.ReportMetric(float64(r.calls("info")-rounds)/float64(b.N), "rounds/op")
		})
	}
}

// after is the part that comes after a head.
func after(prev store.Head, id store.SourceID, vb int, body []byte) store.Part {
	p := store.Part{Source: id, VB: vb, Seq: prev.Seq + 1, Prev: prev.Seq, Body: body}
	p.Chain = store.NextChain(prev.Chain, p.Seq, p.Prev, p.Digest)
	return p
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
func BenchmarkPlain(b *testing.B) { benchmarkCommits(b, push) }

// BenchmarkPlainTransaction pushes them in one transaction, and so is synced as
// seldom as a commit.
func BenchmarkPlainTransaction(b *testing.B) {
	benchmarkCommits(b, func(b *testing.B, r *server, parts, size int) {
		pushWithin(b, r, parts, size, []string{"MULTI"}, []string{"EXEC"})
	})
}

func push(b *testing.B, r *server, parts, size int) { pushWithin(b, r, parts, size, nil, nil) }

func pushWithin(b *testing.B, r *server, parts, size int, first, last []string) {
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
		add := func(words []string) {
			if len(words) > 0 {
				cmds = append(cmds, c.B().Arbitrary(words...).Build())
			}
		}
		add(first)
		for vb := range parts {
			cmds = append(cmds, c.B().Rpush().Key(fmt.Sprint("list", vb)).Element(body).Build())
		}
		add(last)
		for _, r := range conn.DoMulti(context.Background(), cmds...) {
			if err := r.Error(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
