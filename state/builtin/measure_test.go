package builtin

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// The measure of a column is that of its values one by one.
func TestMeasure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.SliceOfN(rapid.Int64Range(-1e9, 1e9), 1, 200).Draw(t, "cents")
		var want sum
		values := make([]float64, len(cents))
		for i, c := range cents {
			values[i] = float64(c) / 100
			want.add(values[i])
		}
		m, e := measureOf(values), extremesSimply(values)
		if m.total != want.normal() {
			t.Fatalf("total %v, want %v", m.total, want.normal())
		}
		if m.least != e.least || m.highest != e.highest {
			t.Fatalf("from %v to %v, want %v to %v", m.least, m.highest, e.least, e.highest)
		}
	})
}

// FuzzLanes compares both ways of measuring lanes, to the last bit, whatever the
// values are.
func FuzzLanes(f *testing.F) {
	for _, values := range [][]float64{
		pricesOf(rand.New(rand.NewPCG(1, 2)), 64),
		{0, math.Copysign(0, -1), math.Copysign(0, -1), 0},
		{math.MaxFloat64, -math.MaxFloat64, 5e-324, 0x1p-1022, math.MaxFloat64, 1, -5e-324, 1e300},
		{math.Inf(1), math.NaN(), math.Inf(-1), -1, 1, 2, 3, 4},
	} {
		var src []byte
		for _, v := range values {
			src = binary.LittleEndian.AppendUint64(src, math.Float64bits(v))
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var fast, simple laned
		var values []float64
		for ; len(src) >= 8; src = src[8:] {
			values = append(values, math.Float64frombits(binary.LittleEndian.Uint64(src)))
		}
		if values = values[:len(values)&^(lanes-1)]; len(values) == 0 {
			return
		}
		measureLanes(&fast, values)
		measureLanesSimply(&simple, values)
		if fast.bits() != simple.bits() {
			t.Fatalf("%v become\n%v, not\n%v", values, fast, simple)
		}
	})
}

// bits are all of the lanes. Which not-a-number a processor makes is its choice.
func (l *laned) bits() (b [4 * lanes]uint64) {
	for i := range lanes {
		for j, v := range [4]float64{l.hi[i], l.lo[i], l.least[i], l.highest[i]} {
			if v == v {
				b[4*i+j] = math.Float64bits(v)
			}
		}
	}
	return b
}

// BenchmarkLanes measures a column of 1,000 prices, in both ways.
func BenchmarkLanes(b *testing.B) {
	values := pricesOf(rand.New(rand.NewPCG(1, 2)), 64_000)
	for _, way := range []struct {
		name string
		of   func(*laned, []float64)
	}{{"simple", measureLanesSimply}, {"fast", measureLanes}} {
		b.Run(way.name, func(b *testing.B) {
			var l laned
			for n := 0; b.Loop(); n++ {
				i := n % 64 * 1000
				way.of(&l, values[i:i+1000])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
		})
	}
}
