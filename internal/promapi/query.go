package promapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// maxPoints is how many a series of an answer may have, as in Prometheus.
const maxPoints = 11_000

// query evaluates at one moment.
func (a *API) query(ctx context.Context, p params) (*answer, error) {
	at, err := p.time("time", a.o.Now())
	if err != nil {
		return nil, err
	}
	return a.evaluate(ctx, p, func(ctx context.Context, q *querier, opts promql.QueryOpts) (promql.Query, error) {
		return a.engine().NewInstantQuery(ctx, q, opts, p.Get("query"), at)
	})
}

// queryRange evaluates at many.
func (a *API) queryRange(ctx context.Context, p params) (*answer, error) {
	start, err := p.time("start", time.Time{})
	if err != nil {
		return nil, err
	}
	end, err := p.time("end", time.Time{})
	if err != nil {
		return nil, err
	}
	if end.Before(start) {
		return nil, bad("invalid parameter \"end\": end timestamp must not be before start time")
	}
	step, err := p.duration("step")
	if err != nil {
		return nil, err
	}
	if step < time.Millisecond {
		return nil, bad("invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer")
	}
	if end.Sub(start)/step > maxPoints {
		return nil, bad("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")
	}
	return a.evaluate(ctx, p, func(ctx context.Context, q *querier, opts promql.QueryOpts) (promql.Query, error) {
		return a.engine().NewRangeQuery(ctx, q, opts, p.Get("query"), start, end, step)
	})
}

// evaluate evaluates a query.
func (a *API) evaluate(ctx context.Context, p params, prepare func(context.Context, *querier, promql.QueryOpts) (promql.Query, error)) (*answer, error) {
	limit, err := p.limit("limit")
	if err != nil {
		return nil, err
	}
	back, err := p.duration("lookback_delta")
	if err != nil {
		return nil, err
	}
	expr, err := a.parser.ParseExpr(p.Get("query"))
	if err != nil {
		return nil, bad("invalid parameter \"query\": %v", err)
	}
	ctx, cancel, err := a.deadline(ctx, p)
	if err != nil {
		return nil, err
	}
	defer cancel()
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for other queries: %w", ctx.Err())
	}
	form := shapeOf(expr)
	var q *querier
	run := func(direct bool) (promql.Query, *promql.Result, error) {
		q = a.newQuerier(form.nested)
		if back > 0 {
			q.lookback = back
		}
		qry, err := prepare(ctx, q, promql.NewPrometheusQueryOpts(false, back, nil))
		if err != nil {
			return nil, nil, bad("invalid parameter \"query\": %v", err)
		}
		if direct {
			q.goDirect(qry.Statement())
		}
		return qry, qry.Exec(ctx), nil
	}
	qry, result, err := run(true)
	if err == nil && errors.Is(result.Err, errIndirect) {
		qry.Close()
		qry, result, err = run(false)
	}
	if err != nil {
		return nil, err
	}
	defer qry.Close()
	if result.Err != nil {
		return nil, result.Err
	}
	x := &answer{query: p.Get("query"), notes: result.Warnings}
	if !q.held.Load() {
		x.notes = x.notes.Merge(form.notes())
	}
	value, cut := truncate(result.Value, limit)
	if cut {
		x.notes.Add(errTruncated)
	}
	if x.text, err = appendResult(nil, value); err != nil {
		return nil, err
	}
	return x, nil
}

// truncate leaves the first series.
func truncate(v parser.Value, limit int) (parser.Value, bool) {
	switch v := v.(type) {
	case promql.Vector:
		if limit > 0 && len(v) > limit {
			return v[:limit], true
		}
	case promql.Matrix:
		if limit > 0 && len(v) > limit {
			return v[:limit], true
		}
	}
	return v, false
}

// shape is what has to be known of an expression before it is evaluated.
type shape struct {
	nested bool     // it has subqueries
	lonely []string // selectors that are grouped by client but do not tell clients apart
}

func shapeOf(expr parser.Expr) (s shape) {
	parser.Inspect(expr, func(n parser.Node, path []parser.Node) error {
		switch n := n.(type) {
		case *parser.SubqueryExpr:
			s.nested = true
		case *parser.VectorSelector:
			if byClient(path) && !slices.ContainsFunc(n.LabelMatchers, tellsClients) {
				s.lonely = append(s.lonely, n.String())
			}
		}
		return nil
	})
	return s
}

func byClient(path []parser.Node) bool {
	return slices.ContainsFunc(path, func(n parser.Node) bool {
		agg, ok := n.(*parser.AggregateExpr)
		return ok && !agg.Without && slices.Contains(agg.Grouping, labelClient)
	})
}

func tellsClients(m *labels.Matcher) bool { return m.Name == labelClient && !m.Matches("") }

// formatQuery writes a query as Prometheus would.
func (a *API) formatQuery(_ context.Context, p params) (*answer, error) {
	expr, err := a.parser.ParseExpr(p.Get("query"))
	if err != nil {
		return nil, bad("invalid parameter \"query\": %v", err)
	}
	return reply(expr.Pretty(0))
}
