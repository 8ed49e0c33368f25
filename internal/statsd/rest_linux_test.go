package statsd

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestRest(t *testing.T) {
	const room = 32 << 20
	f := func(found turn, commit, want time.Duration) {
		t.Helper()
		if got := rest(found, commit); got != want {
			t.Errorf("after %+v, and a commit of %v, a reader rests %v, want %v", found, commit, got, want)
		}
	}
	const long = time.Minute
	f(turn{}, long, 0)
	f(turn{since: time.Second, room: room}, long, 0)
	// As long as a call's worth takes to come.
	f(turn{since: time.Millisecond, messages: 1, held: 2304, room: room}, long, 64*time.Millisecond)
	f(turn{since: time.Millisecond, messages: 16, held: 16 * 2304, room: room}, long, 4*time.Millisecond)
	f(turn{since: 8 * time.Millisecond, messages: 128, held: 128 * 2304, room: room}, long, 4*time.Millisecond)
	// As long as a share of a small buffer takes to fill.
	f(turn{since: time.Millisecond, messages: 4, held: 8 << 10, room: 256 << 10}, long, 4*time.Millisecond)
	f(turn{since: time.Millisecond, messages: 4, held: 64 << 10, room: 256 << 10}, long, 500*time.Microsecond)
	f(turn{since: time.Millisecond, messages: 8, held: 256 << 10, room: 256 << 10}, long, 0)
	// No longer than a commit.
	f(turn{since: time.Millisecond, messages: 4, held: 4 * 2304, room: room}, 3*time.Millisecond, 3*time.Millisecond)
	f(turn{since: time.Millisecond, messages: 4, held: 4 * 2304, room: room}, 0, 0)
	// Not for a single message.
	f(turn{since: time.Second, messages: 1, held: 2304, room: room}, time.Millisecond, 0)
	f(turn{since: time.Millisecond, messages: 1, held: 2304, room: room}, 2*time.Millisecond, 2*time.Millisecond)
	f(turn{since: time.Millisecond, messages: 1, held: 2304, room: room}, 1900*time.Microsecond, 0)
}

// Whatever a reader finds, what comes during its rest at the same speed is no
// more than is received at once and than its share of the buffer, but two
// messages at least; and no rest is longer than a commit.
func TestRestKeepsItsBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 100_000 {
		found := turn{
			since:    time.Duration(rng.ExpFloat64() * float64(time.Millisecond)),
			messages: rng.IntN(1 << rng.IntN(12)),
			room:     1 << (16 + rng.IntN(10)),
		}
		found.held = min(found.messages*(1<<rng.IntN(17)), found.room)
		commit := time.Duration(rng.ExpFloat64() * float64(10*time.Millisecond))
		d := rest(found, commit)
		if d == 0 {
			continue
		}
		least, most := float64(d)/float64(found.since), float64(d+1)/float64(found.since) // times what came; to the nanosecond
		if d < 0 || d > commit || least*float64(found.messages) > messagesAtOnce || most*float64(found.messages) < 2 ||
			least*float64(found.held) > float64(found.room)/roomShare {
			t.Fatalf("after %+v, and a commit of %v, a reader rests %v", found, commit, d)
		}
	}
}

// An alarm goes off once for all that arrives, and again when it is set.
func TestAlarm(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	to := conn.LocalAddr().String()
	s, err := newSocket("test", conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	rings := func() (rung bool) {
		if err := s.alarm.raw.Control(func(fd uintptr) { rung = s.alarm.ask(fd) }); err != nil {
			t.Fatal(err)
		}
		return rung
	}
	if rings() {
		t.Error("it goes off although nothing has come")
	}
	send(t, "udp", to, "a:1|c", "a:1|c")
	if err := s.alarm.wait(); err != nil {
		t.Fatal(err)
	}
	send(t, "udp", to, "a:1|c")
	if rings() {
		t.Error("it goes off although it was not set again")
	}
	if err := s.alarm.set(); err != nil {
		t.Fatal(err)
	}
	if !rings() {
		t.Error("it was set while something was there, and does not go off")
	}
	s.interrupt()
	if s.alarm.wait() == nil {
		t.Error("waited in spite of an interruption")
	}
}

// BenchmarkRests measures what a reader's rests save at a million lines a
// second, and at a hundredth of that. The sender is another process.
func BenchmarkRests(b *testing.B) {
	for _, bench := range []struct {
		name  string
		rests bool
		every time.Duration // of a datagram of some 44 lines
	}{
		{"fast/rests", true, 44 * time.Microsecond},
		{"fast/none", false, 44 * time.Microsecond},
		{"slow/rests", true, 4400 * time.Microsecond},
		{"slow/none", false, 4400 * time.Microsecond},
	} {
		b.Run(bench.name, func(b *testing.B) { benchRests(b, bench.rests, bench.every) })
	}
}

func benchRests(b *testing.B, rests bool, every time.Duration) {
	s := newSink()
	s.takes = 5 * time.Millisecond // as many names take
	d := New(testOptions(s))
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	to := conn.LocalAddr().String()
	if err := d.datagrams(to, conn, rests); err != nil {
		b.Fatal(err)
	}
	sender := exec.Command(os.Args[0], "-test.run=^TestPacedSender$")
	sender.Env = append(os.Environ(), fmt.Sprintf("TABA_PACED_SENDER=%s %d %d", to, b.N, every))
	before, start := switches(), cpu()
	b.ResetTimer()
	if out, err := sender.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	b.StopTimer()
	d.Stop()
	b.ReportMetric(0, "ns/op") // the sender sets the pace
	b.ReportMetric(float64(switches()-before)/float64(b.N), "switches/datagram")
	b.ReportMetric(float64((cpu()-start).Microseconds())/float64(b.N), "cpu-us/datagram")
	b.ReportMetric(100-100*float64(d.counts.datagrams.Get())/float64(b.N), "%lost")
}

// TestPacedSender is the sender of BenchmarkRests; of itself it does nothing.
func TestPacedSender(t *testing.T) {
	var to string
	var n int
	var every time.Duration
	if _, err := fmt.Sscan(os.Getenv("TABA_PACED_SENDER"), &to, &n, &every); err != nil {
		return
	}
	out, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	list := packets(1000, 100_000)
	start := time.Now()
	for i := range n {
		if early := time.Until(start.Add(time.Duration(i) * every)); early > 0 {
			<-time.After(early)
		}
		if _, err := out.Write(list[i%len(list)]); err != nil {
			t.Fatal(err)
		}
	}
}
