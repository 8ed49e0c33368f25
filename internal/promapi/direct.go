package promapi

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// The engine goes through all buckets of all samples in a range, and through
// those of each range again. What a distribution grew by in a range is the
// difference of two of its rows, so the parts of an expression that ask for it
// are answered here: a selector takes their place, and what it selects is what
// they would be evaluated to. TestDirect holds that to the engine.

// A direct is a part of an expression that is answered directly: a rate or an
// increase of native histograms or, if ofSum is set, a quantile of that or of
// its sums.
type direct struct {
	length    time.Duration // of the range
	perSecond bool
	ofSum     *parser.AggregateExpr // nil: there is none
	quantile  *float64
	lookback  time.Duration
}

// errIndirect: a selector is not only of native histograms, which the engine has
// to look at itself.
var errIndirect = errors.New("not only native histograms are selected")

// goDirect puts selectors in the place of what can be answered directly.
func (q *querier) goDirect(stmt parser.Statement) {
	if s, ok := stmt.(*parser.EvalStmt); ok {
		q.directs = map[*labels.Matcher]direct{}
		s.Expr = q.replace(s.Expr, s.LookbackDelta)
	}
}

func (q *querier) replace(expr parser.Expr, lookback time.Duration) parser.Expr {
	if d, of, ok := directOf(expr); ok {
		return q.selector(d, of, expr, lookback)
	}
	switch e := expr.(type) {
	case *parser.Call:
		// These look at how their argument is written, not only at its value.
		if slices.Contains([]string{"absent", "timestamp", "start_timestamp", "info"}, e.Func.Name) {
			return expr
		}
		for i := range e.Args {
			e.Args[i] = q.replace(e.Args[i], lookback)
		}
	case *parser.AggregateExpr:
		e.Expr = q.replace(e.Expr, lookback)
	case *parser.BinaryExpr:
		e.LHS, e.RHS = q.replace(e.LHS, lookback), q.replace(e.RHS, lookback)
	case *parser.ParenExpr:
		e.Expr = q.replace(e.Expr, lookback)
	case *parser.UnaryExpr:
		e.Expr = q.replace(e.Expr, lookback)
	case *parser.StepInvariantExpr:
		e.Expr = q.replace(e.Expr, lookback)
	}
	return expr
}

// selector returns the selector that takes the place of an expression.
func (q *querier) selector(d direct, of *parser.VectorSelector, expr parser.Expr, lookback time.Duration) parser.Expr {
	d.lookback = lookback
	s := *of
	s.SkipHistogramBuckets = false
	s.PosRange = expr.PositionRange()
	s.LabelMatchers = slices.Clone(of.LabelMatchers)
	first := *s.LabelMatchers[0]
	s.LabelMatchers[0] = &first
	q.directs[&first] = d
	return &s
}

// directOf reports what can be answered directly, and of which selector.
func directOf(expr parser.Expr) (d direct, of *parser.VectorSelector, ok bool) {
	call, ok := expr.(*parser.Call)
	if !ok {
		return d, nil, false
	}
	switch call.Func.Name {
	case "rate", "increase":
		m, ok := call.Args[0].(*parser.MatrixSelector)
		if !ok {
			return d, nil, false
		}
		of, ok = m.VectorSelector.(*parser.VectorSelector)
		return direct{length: m.Range, perSecond: call.Func.Name == "rate"}, of, ok && mayBeHistogram(of)
	case "histogram_quantile":
		q, ok := call.Args[0].(*parser.NumberLiteral)
		if !ok || !(q.Val >= 0 && q.Val <= 1) {
			return d, nil, false
		}
		inner := call.Args[1]
		sum, summed := inner.(*parser.AggregateExpr)
		if summed && sum.Op == parser.SUM {
			inner = sum.Expr
		}
		d, of, ok = directOf(inner)
		d.ofSum, d.quantile, ok = sum, &q.Val, ok && d.quantile == nil
		return d, of, ok
	}
	return d, nil, false
}

// mayBeHistogram reports whether a selector names one metric, which nothing but
// a native histogram is usually called.
func mayBeHistogram(s *parser.VectorSelector) bool {
	if s.Anchored || s.Smoothed {
		return false
	}
	for _, m := range s.LabelMatchers {
		if m.Name == labelName && m.Type == labels.MatchEqual {
			return !slices.ContainsFunc(allFamilies, func(f *family) bool { return f.suffix != "" && strings.HasSuffix(m.Value, f.suffix) })
		}
	}
	return false
}

// directFor returns what the matchers of a selector are to be answered with, if
// it took the place of something.
func (q *querier) directFor(matchers []*labels.Matcher) (d direct, ok bool) {
	if len(matchers) > 0 {
		d, ok = q.directs[matchers[0]]
	}
	return d, ok
}

// selectDirect returns what a part of an expression would be evaluated to.
func (q *querier) selectDirect(ctx context.Context, d direct, hints *storage.SelectHints, matchers []*labels.Matcher) ([]storage.Series, *selection, error) {
	// The samples are those that the engine would have asked for.
	moments := *hints
	moments.Range = d.length.Milliseconds()
	moments.Start = hints.Start + d.lookback.Milliseconds() - moments.Range
	s := newSelection(q, &moments, matchers)
	s.even = newGrid(&moments)
	if err := s.series(ctx, matchers); err != nil {
		return nil, s, err
	}
	for _, x := range s.found {
		if x.spread == nil {
			return nil, s, errIndirect
		}
		x.labels = x.labels.DropReserved(func(name string) bool { return name == labelName })
	}
	if d.quantile == nil {
		list := make([]storage.Series, len(s.found))
		for i, x := range s.found {
			list[i] = &grown{x, moments.Range, d.perSecond}
		}
		return list, s, nil
	}
	if err := q.take(int64(len(s.found)) * s.even.steps() * growthSize); err != nil {
		return nil, s, err
	}
	list, err := d.quantiles(ctx, s.found)
	return list, s, err
}

// quantiles returns the quantiles of series or of their sums.
func (d *direct) quantiles(ctx context.Context, found []*oneSeries) (list []storage.Series, err error) {
	groups := map[uint64]*group{}
	order := []*group{}
	for _, x := range found {
		ls := d.group(x.labels)
		g := groups[ls.Hash()]
		if g == nil {
			g = &group{labels: ls}
			groups[ls.Hash()] = g
			order = append(order, g)
		}
		g.members = append(g.members, x)
	}
	for _, g := range order {
		s, err := g.quantiles(ctx, *d.quantile, d.length.Milliseconds(), d.perSecond)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// group returns the labels of the sum that a series goes into.
func (d *direct) group(ls labels.Labels) labels.Labels {
	switch {
	case d.ofSum == nil:
		return ls
	case d.ofSum.Without:
		return labels.NewBuilder(ls).Del(d.ofSum.Grouping...).Labels()
	}
	return labels.NewBuilder(ls).Keep(d.ofSum.Grouping...).Labels()
}
