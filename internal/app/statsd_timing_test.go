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
// lines, from the socket to the store on disk, all commits included. The sender
// is another process, which sends as fast as it can, or TABA_STATSD_RATE lines
// per second.
func BenchmarkStatsd(b *testing.B) {
	rate, _ := strconv.Atoi(os.Getenv("TABA_STATSD_RATE"))
	for _, network := range []string{"udp", "tcp", "unix"} {
		for _, names := range []int{1000, 100_000} {
			b.Run(fmt.Sprintf("%s/names=%d", network, names), func(b *testing.B) { benchStatsd(b, network, names, rate) })
		}
	}
}

// BenchmarkStatsdPaced does so for UDP at rates from what is leisure to what
// two processors can do with a sender beside: what of it is lost, and what a
// line costs when there are few.
func BenchmarkStatsdPaced(b *testing.B) {
	for _, names := range []int{1000, 100_000} {
		for _, rate := range []int{250_000, 1_000_000, 4_000_000} {
			b.Run(fmt.Sprintf("names=%d/rate=%d", names, rate), func(b *testing.B) { benchStatsd(b, "udp", names, rate) })
		}
	}
}

func benchStatsd(b *testing.B, network string, names, rate int) {
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
	sendStatsd(b, network, addr, names, 3*names, min(rate, 1_000_000)) // every name is known
	before := settled(b, url, 3*names)
	lost := droppedDatagrams(b, url)
	lines := 1000 * b.N
	start, switches := processTime(), processSwitches()
	b.ResetTimer()
	sendStatsd(b, network, addr, names, lines, rate)
	taken := settled(b, url, before+lines) - before
	b.StopTimer()
	for reason, n := range droppedDatagrams(b, url) {
		if n > lost[reason] {
			b.ReportMetric(float64(n-lost[reason]), "dropped-"+reason)
		}
	}
	cancel() // what is gathered is committed
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	took := processTime() - start
	b.ReportMetric(0, "ns/op") // the sender sets the pace
	b.ReportMetric(float64(processSwitches()-switches)/float64(taken)*1000, "wakes/1000-lines")
	b.ReportMetric(float64(took.Microseconds())/float64(taken)*1000, "server-cpu-us/1000-lines")
	b.ReportMetric(100-100*float64(taken)/float64(lines), "%lost")
	b.ReportMetric(float64(taken)/b.Elapsed().Seconds()/1e6, "Mlines/s")
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

// processSwitches is how often threads of this process have slept.
func processSwitches() int64 {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // never fails
	return r.Nvcsw
}

// statsdMetrics returns what the server counts, by name.
func statsdMetrics(b *testing.B, url string) map[string]int {
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	all := make(map[string]int)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "taba_statsd_") {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			all[name], _ = strconv.Atoi(value)
		}
	}
	return all
}

// droppedDatagrams returns how many datagrams the server has not read, by
// reason.
func droppedDatagrams(b *testing.B, url string) map[string]int {
	dropped := make(map[string]int)
	for name, n := range statsdMetrics(b, url) {
		if reason, ok := strings.CutPrefix(name, `taba_statsd_dropped_datagrams_total{reason="`); ok {
			dropped[strings.TrimSuffix(reason, `"}`)] = n
		}
	}
	return dropped
}

// settled waits until the server has taken so many lines, or for a second no
// more came.
func settled(b *testing.B, url string, want int) int {
	lines := func() int { return statsdMetrics(b, url)["taba_statsd_lines_total"] }
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	n := lines()
	for still := 0; n < want && still < 20; still++ {
		<-tick.C
		if now := lines(); now != n {
			n, still = now, 0
		}
	}
	return n
}

// sendStatsd has another process send.
func sendStatsd(b *testing.B, network, addr string, names, lines, rate int) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestStatsdSender$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("TABA_STATSD_SENDER=%s %s %d %d %d", network, addr, names, lines, rate))
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
}

// TestStatsdSender is the sender of BenchmarkStatsd; of itself it does nothing.
func TestStatsdSender(t *testing.T) {
	var network, addr string
	var names, lines, rate int // rate 0: as fast as it can
	if _, err := fmt.Sscan(os.Getenv("TABA_STATSD_SENDER"), &network, &addr, &names, &lines, &rate); err != nil {
		return
	}
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
			if early := time.Until(start.Add(time.Duration(sent) * time.Second / time.Duration(rate))); early > 0 {
				<-time.After(early)
			}
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
