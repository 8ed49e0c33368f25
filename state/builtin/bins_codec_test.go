package builtin

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// Both ways of writing tokens write the same.
func TestTokensOfArrays(t *testing.T) {
	count := rapid.OneOf(rapid.Just(uint64(0)), rapid.Just(uint64(0)), rapid.Uint64Range(0, 40), rapid.Uint64())
	rapid.Check(t, func(t *rapid.T) {
		counts := append(rapid.SliceOfN(count, 0, 200).Draw(t, "counts"), rapid.Uint64Min(1).Draw(t, "top"))
		b := bins{base: 1000, dense: counts}
		if got, want := appendCounts([]byte{7}, counts), b.appendTokens([]byte{7}); !bytes.Equal(got, want) {
			t.Fatalf("%v is written as\n%x, not\n%x", counts, got, want)
		}
	})
}

// FuzzBins compares both ways of reading tokens. The fast one may decline what is
// not an array, or not right, but nothing else.
func FuzzBins(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 7, 8, 100, 1000} {
		var b bins
		for range n {
			b.add(int32(1000+rng.NormFloat64()*30), 1+rng.Uint64N(1<<rng.UintN(8)))
		}
		f.Add(b.append(nil))
	}
	f.Add([]byte{1, 40, shortCount, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Add([]byte{2, 200, 10, 0, shortGap << countBits, 200, 20})
	f.Fuzz(func(t *testing.T, src []byte) {
		slow := decoder{src: src, version: version2}
		n := slow.length(maxSpan, 1)
		if n == 0 {
			return
		}
		fast := slow
		var simple, b bins
		want := simple.decodeTokens(&slow, n)
		got, ok := b.decodeCounts(&fast, n)
		switch {
		case ok != (slow.ok() && len(simple.dense) > 0):
			t.Fatalf("fast: %v, simple: %q and %d", ok, slow.bad, len(simple.dense))
		case !ok:
			return
		case got != want || !b.equal(&simple) || !bytes.Equal(fast.src, slow.src):
			t.Fatalf("fast: %d %v %x\nsimple: %d %v %x", got, b, fast.src, want, simple, slow.src)
		}
	})
}

// BenchmarkBins writes and reads the bins of 64 sketches of 1,000 prices, each of
// them other ones, in both ways.
func BenchmarkBins(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	var all [64]bins
	var enc [len(all)][]byte
	for i := range all {
		for all[i].empty() {
			s := new(sketch)
			s.reset()
			s.addColumn(pricesOf(rng, 1000), nil, 1000)
			all[i] = s.pos
		}
		enc[i] = all[i].append(nil)
	}
	run := func(name string, one func(i int)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				one(n % len(all))
			}
		})
	}
	var buf []byte
	run("append/simple", func(i int) { buf = all[i].appendTokens(buf[:0]) })
	run("append/fast", func(i int) { buf = appendCounts(buf[:0], all[i].dense) })
	var into bins
	read := func(decode func(*bins, *decoder, int)) func(i int) {
		return func(i int) {
			r := decoder{src: enc[i], version: version2}
			into.reset()
			if decode(&into, &r, r.length(maxSpan, 1)); len(r.src) > 0 || !r.ok() {
				b.Fatal(r.bad)
			}
		}
	}
	run("decode/simple", read(func(x *bins, r *decoder, n int) { x.decodeTokens(r, n) }))
	run("decode/fast", read(func(x *bins, r *decoder, n int) { x.decodeCounts(r, n) }))
}
