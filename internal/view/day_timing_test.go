package view

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/pebblestore"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

var (
	dayStates  = flag.Int("states", 20_000, "BenchmarkDay: States, of 1,000 tabs")
	dayHours   = flag.Int("hours", 1, "BenchmarkDay: simulated hours before what is measured")
	dayMinutes = flag.Int("minutes", 5, "BenchmarkDay: simulated minutes that are measured")
)

// BenchmarkDay is what many States cost that are all touched every minute with 10
// events, compared with 10,000 of them, on simulated time. For a million and a day:
//
//	go test -run '^$' -bench Day -benchtime 1x -timeout 0 ./internal/view -states 1000000 -hours 24 -minutes 30
//
// The hours before are not lived minute by minute: their events come in one Partial of
// each State, which makes the same States, as they depend on the events alone. The
// minutes that are measured are: each is 60 commits, each of them touching every tab.
func BenchmarkDay(b *testing.B) {
	for _, states := range slices.Compact([]int{10_000, *dayStates}) {
		b.Run(fmt.Sprintf("states=%d", states), func(b *testing.B) {
			for range b.N {
				newDay(b, states).live(b)
			}
		})
	}
}

const (
	dayTabs  = 1000
	dayTouch = 10 // events of a State in a minute
	dayStart = 1395954000.0
)

// day is a store with many States whose time is simulated.
type day struct {
	st      *pebblestore.Store
	view    *View
	c       *Compactor
	acc     *fold.Accumulator
	values  [1 << 16]float64 // to draw from
	rng     *rand.Rand
	clients int // of each tab
	part    store.Part
	head    store.Head
	body    []byte

	partials, events, folds, rss, log int64
}

func newDay(b *testing.B, states int) *day {
	reg := builtin.Registry()
	st, err := pebblestore.Open(pebblestore.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = st.Shutdown() })
	d := &day{st: st, acc: fold.New(reg), rng: rand.New(rand.NewPCG(1, 2)), clients: states / dayTabs}
	for i := range d.values {
		d.values[i] = math.Round(100*math.Exp(d.rng.NormFloat64())) / 100
	}
	d.view = New(st, reg, Options{})
	d.c = NewCompactor(st, reg, CompactorOptions{View: d.view})
	if d.part.Source, err = st.Open(b.Context(), store.ClassDirect, store.Nonce{1}, st.Meta().Created); err != nil {
		b.Fatal(err)
	}
	if err := d.view.CatchUp(b.Context()); err != nil {
		b.Fatal(err)
	}
	return d
}

func (d *day) live(b *testing.B) {
	now := dayStart
	minutes := make([]float64, *dayHours*60)
	for i := range minutes {
		minutes[i] = now
		now += 60
	}
	d.touch(b, minutes)
	if err := d.c.Compact(b.Context()); err != nil {
		b.Fatal(err)
	}
	debug.FreeOSMemory() // what only so large Partials took
	d.partials, d.events, d.folds, d.rss, d.log = 0, 0, 0, 0, 0
	start, begun := cpuTime(), time.Now()
	for range *dayMinutes {
		d.touch(b, []float64{now})
		now += 60
	}
	spent := cpuTime() - start
	b.ReportMetric(float64(spent)/float64(d.events), "cpu-ns/event")
	b.ReportMetric(float64(d.events)/time.Since(begun).Seconds()/1e6, "Mevents/s")
	b.ReportMetric(float64(d.folds), "compactions")
	b.ReportMetric(float64(d.log)/(1<<20), "log-MiB")
	b.ReportMetric(float64(d.rss)/(1<<20), "rss-MiB")
	s, err := d.st.Stats(b.Context(), 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(s.RecordBytes)/(1<<20), "record-MiB")
	if err := d.view.CatchUp(b.Context()); err != nil {
		b.Fatal(err)
	}
	before := cpuTime()
	cold := d.cold(b, now)
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(1000*len(cold)), "cold-cpu-ms")
	b.ReportMetric(float64(cold[len(cold)/2].Microseconds())/1000, "cold-ms")
	b.ReportMetric(float64(cold[len(cold)-1].Microseconds())/1000, "cold-max-ms")
}

// touch folds dayTouch events at each of the times into every State, in as many
// commits as a minute has seconds, and compacts what is due.
func (d *day) touch(b *testing.B, times []float64) {
	events := make([]state.Event, dayTouch*len(times))
	for second := range min(60, d.clients) {
		for tab := range dayTabs {
			for client := second; client < d.clients; client += 60 {
				for i := range events {
					events[i] = state.Event{Time: times[i/dayTouch], Value: d.values[d.rng.Uint64()%uint64(len(d.values))], Number: true}
				}
				bundle := state.Bundle{Tab: fmt.Sprintf("bench.tab.%04d", tab), Client: fmt.Sprintf("client-%04d", client), Events: events}
				d.acc.Fold(times[len(times)-1], "", "CounterGroup", &bundle, nil)
				d.partials++
			}
		}
		d.commit(b)
	}
}

func (d *day) commit(b *testing.B) {
	d.body, d.part.Events = d.acc.EncodeAll(d.body[:0])
	d.acc.Reset()
	d.events += int64(d.part.Events)
	p := d.part
	p.Body, p.Digest, p.Seq, p.Prev = d.body, wire.DigestOf(d.body), d.head.Seq+1, d.head.Seq
	p.Chain = store.NextChain(d.head.Chain, p.Seq, p.Prev, p.Digest)
	r, err := d.st.Append(b.Context(), []store.Part{p})
	if err != nil || r[0].Verdict != store.Applied {
		b.Fatalf("append: %v, %+v", err, r)
	}
	d.head = r[0].Head
	before, err := d.st.Stats(b.Context(), 0)
	if err != nil {
		b.Fatal(err)
	}
	d.log = max(d.log, before.LogBytes)
	d.c.pass(b.Context())
	if after, err := d.st.Stats(b.Context(), 0); err == nil && after.Trim != before.Trim {
		d.folds++
	}
	d.rss = max(d.rss, resident())
}

// cold asks for tabs that nobody has asked for, and returns how long each took, the
// longest last.
func (d *day) cold(b *testing.B, now float64) (took []time.Duration) {
	for tab := 0; tab < dayTabs; tab += dayTabs / 20 {
		r := Request{Names: List(fmt.Sprintf("bench.tab.%04d", tab)), Now: now, At: now}
		start := time.Now()
		rows := 0
		if err := d.view.Tabs(b.Context(), r, func(Row) error { rows++; return nil }); err != nil || rows != 1 {
			b.Fatalf("%d rows, %v", rows, err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took
}

// resident is how much memory the process has now.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if fields := strings.Fields(string(text)); err == nil && len(fields) > 1 {
		pages, _ := strconv.ParseInt(fields[1], 10, 64)
		return pages * int64(os.Getpagesize())
	}
	return 0
}
