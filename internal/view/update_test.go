package view

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// filled is a State whose encoding has so many bytes.
type filled struct {
	state.State
	n    int
	fill byte
}

func (s filled) Append(dst []byte) []byte {
	return append(dst, bytes.Repeat([]byte{s.fill}, s.n)...)
}

// States that share blocks do not touch each other's bytes, however long they are.
func TestArena(t *testing.T) {
	a := arena{level: state.Newest}
	sizes := []int{0, 1, 700, 3 * arenaRest, arenaBlock - 1, arenaBlock, 2 * arenaBlock, 5}
	var encoded [][]byte
	for i := range 300 {
		enc := a.append(filled{n: sizes[i%len(sizes)], fill: byte(i)})
		encoded = append(encoded, enc)
		_ = append(enc, 255) // must not be the next one's
	}
	for i, enc := range encoded {
		if !bytes.Equal(enc, bytes.Repeat([]byte{byte(i)}, sizes[i%len(sizes)])) {
			t.Fatalf("State %d has %d bytes, or others than its own", i, len(enc))
		}
	}
}

// BenchmarkArena encodes a State of a thousand prices, as compaction does with
// thousands of them.
func BenchmarkArena(b *testing.B) {
	rng, prices := rand.New(rand.NewPCG(1, 2)), make([]float64, 1000)
	for i := range prices {
		prices[i] = math.Round(100*math.Exp(rng.NormFloat64())) / 100
	}
	s := builtin.CounterGroup{}.New().(state.Columnar)
	s.FoldColumn(1395954300, prices)
	o := builtin.CounterGroup{}.New()
	o.Merge(s) // as records are made
	b.Run("each", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = o.Append(nil)
		}
	})
	b.Run("arena", func(b *testing.B) {
		a := arena{level: state.Newest}
		b.ReportAllocs()
		for b.Loop() {
			_ = a.append(o)
		}
	})
}
