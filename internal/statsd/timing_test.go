package statsd

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/trail"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// packets returns datagrams of up to 1,432 bytes: 60 % counters, 30 % timers
// and 10 % gauges of so many names, in random order.
func packets(names, lines int) (list [][]byte) {
	rng := rand.New(rand.NewPCG(1, 2))
	var packet []byte
	for range lines {
		line := line(rng, rng.IntN(names))
		if len(packet)+len(line) > 1432 {
			list = append(list, packet)
			packet = nil
		}
		packet = append(packet, line...)
	}
	return append(list, packet)
}

func line(rng *rand.Rand, name int) string {
	switch name % 10 {
	case 0, 1, 2, 3, 4, 5:
		return fmt.Sprintf("shop.checkout.%06d.requests:1|c\n", name)
	case 6, 7, 8:
		return fmt.Sprintf("shop.checkout.%06d.time:%.1f|ms\n", name, 1000*rng.Float64())
	}
	return fmt.Sprintf("shop.checkout.%06d.level:%d|g\n", name, rng.IntN(1000))
}

// cpu is the processor time that this process has taken.
func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // never fails
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// switches is how often threads of this process have slept.
func switches() int64 {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // never fails
	return r.Nvcsw
}

// BenchmarkLane measures what a line costs from the bytes in memory to the
// batch (gather), and to Partials of 20 lines for each name (fold). It reports
// processor time, because other work on the machine tells less there.
func BenchmarkLane(b *testing.B) {
	for _, names := range []int{1000, 100_000} {
		d := New(testOptions(newSink()))
		close(d.stop) // the committer is not needed
		<-d.done
		const lines = 200_000
		f := &feeder{lane: newLane(d), packets: packets(names, lines), acc: fold.New(builtin.Registry())}
		f.folder = newFolder(func(*series, *state.Event, state.Reason) {}, func() {})
		f.perRound = float64(lines) / float64(len(f.packets)) * 64
		for range len(f.packets)/64 + 1 { // all names are known
			f.round()
		}
		f.fold()
		b.Run(fmt.Sprintf("gather/names=%d", names), func(b *testing.B) { f.run(b, 0) })
		b.Run(fmt.Sprintf("fold/names=%d", names), func(b *testing.B) { f.run(b, int(20*float64(names)/f.perRound)) })
	}
}

// BenchmarkRandomNames measures what a line costs whose name was never there
// before and is over the limit.
func BenchmarkRandomNames(b *testing.B) {
	o := testOptions(newSink())
	o.Names, o.Trail = 1000, trail.New(trail.Options{})
	d := New(o)
	close(d.stop) // the committer is not needed
	<-d.done
	l := newLane(d)
	var text []byte
	b.ReportAllocs()
	start := cpu()
	l.begin(t0)
	for i := 0; b.Loop(); i++ {
		text = fmt.Appendf(text[:0], "random.%d.name:1|c\n", i)
		l.consume(text, netip.Addr{})
	}
	l.end()
	b.ReportMetric(float64((cpu()-start).Nanoseconds())/float64(b.N), "cpu-ns/line")
}

// feeder gives packets to a lane, round after round.
type feeder struct {
	lane     *lane
	packets  [][]byte
	next     int
	perRound float64 // lines
	folder   *folder
	acc      *fold.Accumulator
}

// run measures rounds, of which every so many are folded; 0: none, but what
// was gathered is thrown away.
func (f *feeder) run(b *testing.B, every int) {
	b.ReportAllocs()
	var took time.Duration
	start := cpu()
	for i := 0; b.Loop(); i++ {
		f.round()
		if every > 0 && i%every == every-1 {
			f.fold()
		}
		if every == 0 && i%1000 == 999 {
			took += cpu() - start
			f.fold()
			start = cpu()
		}
	}
	took += cpu() - start
	f.fold()
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N)/f.perRound, "cpu-ns/line")
}

// round has the lane take in what one call of the kernel receives.
func (f *feeder) round() {
	f.lane.begin(t0)
	for range 64 {
		f.lane.consume(f.packets[f.next%len(f.packets)], netip.Addr{})
		f.next++
	}
	f.lane.end()
}

func (f *feeder) fold() {
	batches := f.lane.take()
	f.folder.fold(batches, f.acc)
	f.lane.giveBack(batches)
	f.acc.Reset()
}
