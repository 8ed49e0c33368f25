package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkStatsd measures the processor time that a server takes for 1,000
// lines, from the socket to the store on disk, commits and compaction
// included. The sender is another process, which sends as fast as it can, or
// TABA_STATSD_RATE lines per second; of datagrams, what was lost is told too.
func BenchmarkStatsd(b *testing.B) {
	for _, network := range []string{"udp", "tcp", "unix"} {
		for _, names := range []int{1000, 100_000} {
			b.Run(fmt.Sprintf("%s/names=%d", network, names), func(b *testing.B) { benchStatsd(b, network, names) })
		}
	}
}

func benchStatsd(b *testing.B, network string, names int) {
	dir := b.TempDir()
	cfg := DefaultServerConfig()
	cfg.Listen, cfg.Data = "127.0.0.1:0", filepath.Join(dir, "data")
	addr := filepath.Join(dir, "socket")
	switch network {
	case "unix":
		cfg.Statsd.Unix = []string{"unixstream://" + addr}
	default:
		addr = freeAddr(b, network)
		cfg.Statsd.UDP, cfg.Statsd.TCP = []string{addr}, []string{addr}
	}
	ctx, cancel := context.WithCancel(b.Context())
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- RunServer(ctx, cfg, Options{Logger: slog.New(slog.DiscardHandler), Ready: func(a string) { ready <- a }})
	}()
	url := "http://" + <-ready
	sendStatsd(b, network, addr, names, 3*names) // every name is known
	before := settled(b, url, 3*names)
	lines := 1000 * b.N
	start := processTime()
	b.ResetTimer()
	sendStatsd(b, network, addr, names, lines)
	taken := settled(b, url, before+lines) - before
	b.StopTimer()
	took := processTime() - start
	b.ReportMetric(0, "ns/op") // the sender sets the pace
	b.ReportMetric(float64(took.Microseconds())/float64(taken)*1000, "server-cpu-us/1000-lines")
	b.ReportMetric(100-100*float64(taken)/float64(lines), "%lost")
	b.ReportMetric(float64(taken)/b.Elapsed().Seconds()/1e6, "Mlines/s")
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

func freeAddr(b *testing.B, network string) string {
	conn, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(network, err)
	}
	defer func() { _ = conn.Close() }()
	return conn.Addr().String()
}

func processTime() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // never fails
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// statsdLines is how many lines the server has taken.
func statsdLines(b *testing.B, url string) int {
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "taba_statsd_lines_total ")
	value, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(value)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// settled waits until the server has taken so many lines, or no more come.
func settled(b *testing.B, url string, want int) int {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	n := statsdLines(b, url)
	for last := -1; n < want && n != last; n = statsdLines(b, url) {
		last = n
		<-tick.C
	}
	<-tick.C // the last commit
	return n
}

// sendStatsd has another process send.
func sendStatsd(b *testing.B, network, addr string, names, lines int) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestStatsdSender$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("TABA_STATSD_SENDER=%s %s %d %d", network, addr, names, lines))
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
}

// TestStatsdSender is the sender of BenchmarkStatsd; of itself it does nothing.
func TestStatsdSender(t *testing.T) {
	var network, addr string
	var names, lines int
	if _, err := fmt.Sscan(os.Getenv("TABA_STATSD_SENDER"), &network, &addr, &names, &lines); err != nil {
		return
	}
	rate, _ := strconv.Atoi(os.Getenv("TABA_STATSD_RATE"))
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	size := 1432
	if network != "udp" {
		size = 64 << 10
	}
	packets := statsdPackets(names, min(lines, 300_000), size)
	start, sent := time.Now(), 0
	for i := 0; sent < lines; i++ {
		p := packets[i%len(packets)]
		if sent += p.lines; sent > lines {
			p.text = p.text[:p.cut(lines-sent+p.lines)]
		}
		if _, err := conn.Write(p.text); err != nil {
			t.Fatal(err)
		}
		if rate > 0 {
			<-time.After(time.Until(start.Add(time.Duration(sent) * time.Second / time.Duration(rate))))
		}
	}
}

type statsdPacket struct {
	text  []byte
	lines int
}

// cut returns where the first n lines end.
func (p *statsdPacket) cut(n int) (at int) {
	for range n {
		at += 1 + strings.IndexByte(string(p.text[at:]), '\n')
	}
	return at
}

// statsdPackets returns 60 % counters, 30 % timers and 10 % gauges of so many
// names, in random order, in packets of up to size bytes.
func statsdPackets(names, lines, size int) (list []statsdPacket) {
	rng := rand.New(rand.NewPCG(1, 2))
	var p statsdPacket
	for range lines {
		line := statsdLine(rng, rng.IntN(names))
		if len(p.text)+len(line) > size {
			list = append(list, p)
			p = statsdPacket{}
		}
		p.text = append(p.text, line...)
		p.lines++
	}
	return append(list, p)
}

func statsdLine(rng *rand.Rand, name int) string {
	switch name % 10 {
	case 0, 1, 2, 3, 4, 5:
		return fmt.Sprintf("shop.checkout.%06d.requests:1|c\n", name)
	case 6, 7, 8:
		return fmt.Sprintf("shop.checkout.%06d.time:%.1f|ms\n", name, 1000*rng.Float64())
	}
	return fmt.Sprintf("shop.checkout.%06d.level:%d|g\n", name, rng.IntN(1000))
}
