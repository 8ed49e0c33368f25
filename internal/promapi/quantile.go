package promapi

import (
	"context"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
)

// A group is series of histograms whose growths are added up, for a quantile of
// the sum. The sum has the bins of all of them.
type group struct {
	labels  labels.Labels
	members []*oneSeries
	columns [][]int32 // of each member's bins in the sum
	bins    []bin
	bounds  []bounds // of the bins
}

// bounds of a bin.
type bounds struct {
	lower, upper       float64
	logLower, logUpper float64
}

// arrange finds out which bins the sum has.
func (g *group) arrange() {
	for _, m := range g.members {
		g.bins = append(g.bins, m.spread.bins...)
	}
	slices.Sort(g.bins)
	g.bins = slices.Compact(g.bins)
	for _, m := range g.members {
		columns := make([]int32, len(m.spread.bins))
		at := 0
		for i, b := range m.spread.bins {
			for g.bins[at] < b {
				at++
			}
			columns[i] = int32(at)
		}
		g.columns = append(g.columns, columns)
	}
	ones := make([]float64, len(g.bins))
	for i := range ones {
		ones[i] = 1
	}
	for it := newHistogram(g.bins, ones).AllBucketIterator(); it.Next(); {
		b := it.At()
		g.bounds = append(g.bounds, bounds{b.Lower, b.Upper, math.Log2(math.Abs(b.Lower)), math.Log2(math.Abs(b.Upper))})
	}
}

// quantiles returns the series of a quantile of the sum of what the members grew
// by.
func (g *group) quantiles(ctx context.Context, q float64, length int64, perSecond bool) (*oneSeries, error) {
	g.arrange()
	growths := make([]growthList, len(g.members))
	for i, m := range g.members {
		growths[i] = m.growths(length, perSecond)
	}
	s := &oneSeries{labels: g.labels, grid: grid{none: true}}
	sum := make([]float64, len(g.bins))
	for i := range growths[0] {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		clear(sum)
		count, some := 0.0, false
		for k := range growths {
			if x := &growths[k][i]; x.factor != 0 {
				x.add(g.columns[k], sum)
				count, some = count+x.count(), true
			}
		}
		v := stale
		if some {
			v = g.quantile(q, sum, count)
		}
		s.times, s.values = append(s.times, growths[0][i].t), append(s.values, v)
	}
	return s, nil
}

// quantile is promql.HistogramQuantile of a histogram with these bins, for a q
// from 0 to 1.
func (g *group) quantile(q float64, row []float64, count float64) float64 {
	if count == 0 {
		return math.NaN()
	}
	i, seen, rank := 0, 0.0, q*count
	if q >= 0.5 {
		rank = (1 - q) * count
	}
	for k, found := range row {
		at := k
		if q >= 0.5 { // from the greatest values on
			at = len(row) - 1 - k
			found = row[at]
		}
		if found == 0 {
			continue
		}
		i = at
		if seen += found; seen >= rank {
			break
		}
	}
	b := g.bounds[i]
	if g.bins[i] == 0 {
		b = g.zero(b, i, row)
	}
	seen = min(seen, count)
	if seen < rank {
		return b.upper
	}
	if q < 0.5 {
		rank -= seen - row[i]
	} else {
		rank = seen - rank
	}
	return b.interpolate(rank / row[i])
}

// zero returns the bounds of the zero bucket: if other values have one sign
// only, so has zero.
func (g *group) zero(b bounds, i int, row []float64) bounds {
	some := func(n float64) bool { return n != 0 }
	negative, positive := slices.ContainsFunc(row[:i], some), slices.ContainsFunc(row[i+1:], some)
	switch {
	case positive && !negative:
		b.lower = 0
	case negative && !positive:
		b.upper = 0
	}
	return b
}

// interpolate returns what is so far from the lower to the upper bound,
// exponentially if zero is not between them.
func (b bounds) interpolate(part float64) float64 {
	switch {
	case b.lower <= 0 && b.upper >= 0:
		return b.lower + (b.upper-b.lower)*part
	case b.lower > 0:
		return math.Exp2(b.logLower + (b.logUpper-b.logLower)*part)
	}
	return -math.Exp2(b.logUpper + (b.logLower-b.logUpper)*(1-part))
}
