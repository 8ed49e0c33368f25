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

// cpu is what redis-server has used so far.
func (s *server) cpu() time.Duration {
	var sum float64
	for line := range strings.Lines(s.do("INFO", "cpu")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_sys" || name == "used_cpu_user" {
			n, _ := strconv.ParseFloat(value, 64)
			sum += n
		}
	}
	return time.Duration(sum * float64(time.Second))
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it does not fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measured runs f b.N times and reports the CPU of both ends.
func measured(b *testing.B, r *server, size int, f func(i int)) {
	b.SetBytes(int64(size))
	b.ReportAllocs()
	theirs, ours := r.cpu(), ownCPU()
	b.ResetTimer()
	for i := range b.N {
		f(i)
	}
	b.StopTimer()
	b.ReportMetric(float64((ownCPU()-ours).Microseconds())/float64(b.N), "own-us/op")
	b.ReportMetric(float64((r.cpu()-theirs).Microseconds())/float64(b.N), "redis-us/op")
}

var sizes = []int{4 << 10, 64 << 10, 1 << 20}

// BenchmarkAppend is one part per commit, without replicas: compare with
// BenchmarkPlain, the least that Redis can do for the same bytes. The log is
// trimmed now and then, as it is in life.
func BenchmarkAppend(b *testing.B) {
	for _, fsync := range []string{"everysec", "always"} {
		for _, size := range sizes {
			b.Run(fmt.Sprintf("%s/%d", fsync, size), func(b *testing.B) {
				r := redis(b, "--appendfsync", fsync, "--auto-aof-rewrite-percentage", "0")
				s := open(b, redisstore.Options{Addrs: []string{r.addr}, VBuckets: 1})
				id, err := s.Open(b.Context(), store.ClassSpool, store.Nonce{1}, time.Now())
				if err != nil {
					b.Fatal(err)
				}
				body := bodyOf(size)
				var prev store.Head
				measured(b, r, size, func(int) {
					p := store.Part{Source: id, Seq: prev.Seq + 1, Prev: prev.Seq, Body: body}
					p.Chain = store.NextChain(prev.Chain, p.Seq, p.Prev, p.Digest)
					results, err := s.Append(context.Background(), []store.Part{p})
					if err != nil || results[0].Verdict != store.Applied {
						b.Fatal(results, err)
					}
					prev = results[0].Head
				})
			})
		}
	}
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

// BenchmarkPlain pushes the same bytes on a list, and decides nothing.
func BenchmarkPlain(b *testing.B) {
	for _, fsync := range []string{"everysec", "always"} {
		for _, size := range sizes {
			b.Run(fmt.Sprintf("%s/%d", fsync, size), func(b *testing.B) {
				r := redis(b, "--appendfsync", fsync, "--auto-aof-rewrite-percentage", "0")
				c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{r.addr}, ForceSingleClient: true, DisableCache: true})
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				conn, release := c.Dedicate()
				defer release()
				body := rueidis.BinaryString(bodyOf(size))
				measured(b, r, size, func(int) {
					if err := conn.Do(context.Background(), c.B().Rpush().Key("list").Element(body).Build()).Error(); err != nil {
						b.Fatal(err)
					}
				})
			})
		}
	}
}
