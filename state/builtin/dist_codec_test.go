package builtin

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// anyDist draws a distribution of numbers with few digits, with many, or both,
// now and then of absurd weight.
func anyDist(t *rapid.T, limit int) *dist {
	var d dist
	unit := rapid.SampledFrom([]float64{1, 10, 100, 1000, 1e6, 1e7}).Draw(t, "unit")
	digits := rapid.Custom(func(t *rapid.T) float64 {
		return float64(rapid.Int64Range(-3000, 1<<rapid.IntRange(1, 55).Draw(t, "bits")).Draw(t, "digits")) / unit
	})
	value := rapid.OneOf(digits, digits, digits, rapid.Just(math.Copysign(0, -1)), rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64))
	if rapid.Bool().Draw(t, "digits only") {
		value = digits
	}
	weight := rapid.OneOf(rapid.Just(uint64(1)), rapid.Uint64Range(1, 80), rapid.Uint64Min(1))
	for range rapid.IntRange(0, 3*limit).Draw(t, "values") {
		v, n := value.Draw(t, "value"), weight.Draw(t, "weight")
		var total sum
		total.addProduct(v, n)
		d.add(v, n, limit)
		d.total.merge(total.normal())
	}
	return &d
}

func decoded(t *rapid.T, version byte, src []byte, limit int) *dist {
	r := newDecoder(append([]byte{version}, src...), version2)
	var d dist
	if d.decode(&r, limit); !r.ok() || len(r.src) > 0 {
		t.Fatalf("version %d: %s; %d bytes are left", version, r.bad, len(r.src))
	}
	return &d
}

// Both versions decode to what was encoded, and the second is canonical.
func TestDistVersions(t *testing.T) {
	const limit = 12
	rapid.Check(t, func(t *rapid.T) {
		d := anyDist(t, limit)
		now := d.append(nil, limit)
		for version, src := range map[byte][]byte{version1: d.appendVersion1(nil, limit), version2: now} {
			got := decoded(t, version, src, limit)
			if !got.equal(d) {
				t.Fatalf("version %d of %+v decodes to %+v", version, d, got)
			}
			if again := got.append(nil, limit); !bytes.Equal(again, now) {
				t.Fatalf("version %d decodes to what encodes to\n%x, not\n%x", version, again, now)
			}
		}
	})
}

// What version 2 is for: prices take about a fourth of the bytes, and so does the
// log. The sketch of a thousand of them takes about half.
func TestDistVersion2IsShort(t *testing.T) {
	for _, c := range []struct{ values, most int }{{1, 100}, {20, 40}, {100, 30}, {1000, 60}} {
		d := distOfPrices(c.values, 200)
		before, now := len(d.appendVersion1(nil, 200)), len(d.append(nil, 200))
		if 100*now > c.most*before {
			t.Errorf("%d prices take %d bytes, %d in version 1; want at most %d %%", c.values, now, before, c.most)
		}
	}
}

// distOfPrices is that of n prices, log-normal, in cents.
func distOfPrices(n, limit int) *dist {
	prices := pricesOf(rand.New(rand.NewPCG(1, 2)), n)
	var d dist
	d.addColumn(prices, nil, limit)
	d.total.addColumn(prices, nil)
	d.tidy(limit)
	return &d
}

func pricesOf(rng *rand.Rand, n int) []float64 {
	prices := make([]float64, n)
	for i := range prices {
		prices[i] = math.Round(100*math.Exp(rng.NormFloat64())) / 100
	}
	return prices
}

// What is not an encoding of its version is refused.
func TestDistRefuses(t *testing.T) {
	for name, src := range map[string][]byte{
		"a form of version 2 in version 1":  {version1, distDecimal, 1, 0, 2},
		"a form of version 1 in version 2":  {version2, distSketch, 0, 0, 0, 0, 0, 0, 0},
		"a form of none":                    {version2, 9},
		"too many places":                   {version2, distDecimal, 1, decimalPlaces, 2},
		"equal decimals":                    {version2, distDecimal, 2, 0, 2, 0},
		"a decimal that is too large":       appendUint([]byte{version2, distDecimal, 1, 0}, zigzag(maxDecimal+1)<<1),
		"a count that is too large":         appendUint([]byte{version2, distDecimal, 1, 0, 3}, math.MaxUint64-1),
		"more decimals than there is room":  {version2, distDecimal, 9, 0, 2},
		"a first bin with a distance":       {version2, distTokens, 0, 0, 0, 0, 0, 1, 200, 10, 1<<countBits | 3, 0},
		"a distance beyond the lowest bin":  appendUint([]byte{version2, distTokens, 0, 0, 0, 0, 0, 2, 40, 3, shortGap << countBits}, 40),
		"a distance beyond all bins":        appendUint([]byte{version2, distTokens, 0, 0, 0, 0, 0, 2, 40, 3, shortGap << countBits}, math.MaxUint64),
		"a count of a bin that is too much": appendUint([]byte{version2, distTokens, 0, 0, 0, 0, 0, 1, 40, shortCount}, math.MaxUint64),
	} {
		r := newDecoder(src, version2)
		var d dist
		if d.decode(&r, 1); r.ok() {
			t.Errorf("%s decodes", name)
		}
	}
}
