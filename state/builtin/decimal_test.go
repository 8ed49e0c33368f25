package builtin

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// decodeDecimalsSimply is decodeDecimals number by number.
func decodeDecimalsSimply(d *decoder, n int) (runs []run) {
	places := d.uint8()
	if places >= decimalPlaces {
		d.fail("a decimal has too many places")
	}
	var v int64
	for i := 0; i < n && d.ok(); i++ {
		step, count := d.decimal()
		switch {
		case i == 0:
			v = unzigzag(step)
		case step == 0 || step > 2*maxDecimal:
			d.fail("values are not in ascending order")
		default:
			v += int64(step)
		}
		if v < -maxDecimal || v > maxDecimal {
			d.fail("a decimal is too large")
		}
		if d.ok() {
			runs = append(runs, run{float64(v) / decimalUnits[places], count})
		}
	}
	return runs
}

// FuzzDecimals compares both ways of reading decimals.
func FuzzDecimals(f *testing.F) {
	for _, n := range []int{1, 10, 100} {
		runs, _ := new(column).sortedRuns(pricesOf(rand.New(rand.NewPCG(1, 2)), n), n)
		out, _ := appendDecimals(nil, runs)
		f.Add(out)
	}
	f.Add([]byte{0, 2, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 4})
	f.Fuzz(func(t *testing.T, src []byte) {
		n := min(len(src), percentileCounterExact)
		for n := range n {
			fast := decoder{src: src, version: version2}
			simple := fast
			got, total := decodeDecimals(&fast, nil, n)
			want := decodeDecimalsSimply(&simple, n)
			if fast.bad != simple.bad || !slices.Equal(got, want) || !bytes.Equal(fast.src, simple.src) {
				t.Fatalf("%d: %v %q, want %v %q", n, got, fast.bad, want, simple.bad)
			}
			sum := uint64(0)
			for _, r := range got {
				sum = addCount(sum, r.n)
			}
			if fast.ok() && total != sum {
				t.Fatalf("%d: counts %d values, want %d", n, total, sum)
			}
		}
	})
}
