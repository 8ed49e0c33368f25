package query

import (
	"context"
	"errors"
	"slices"

	"github.com/tabaproject/taba/internal/query/eval"
	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/trail"
	"github.com/tabaproject/taba/internal/view"
)

// known is what a server knows of names: what its view does.
type known struct{ h *Handler }

// The most clients that an Explanation asks for their rates, and the most names
// that are compared with the one that is asked for.
const (
	maxAsked    = 10_000
	maxCompared = 50_000
)

// Tab implements Known.
func (k known) Tab(ctx context.Context, name string) (*ExplainedTab, []Sending, error) {
	d, ok, err := k.h.o.View.Describe(ctx, name)
	if err != nil || !ok {
		return nil, nil, err
	}
	t := &ExplainedTab{Type: d.Type, Others: append([]string{}, d.Others...), Clients: d.Clients, Events: &d.Events}
	if d.Clients > maxAsked {
		return t, nil, nil
	}
	clients, err := k.sending(ctx, name, t)
	return t, clients, err
}

// sending asks who has sent a tab of late, and how fast.
func (k known) sending(ctx context.Context, name string, t *ExplainedTab) ([]Sending, error) {
	q := &lang.Query{
		Select: []lang.Matcher{{Name: lang.Pattern{Kind: lang.Exact, Text: name}}},
		Values: []lang.Value{{Name: "count", Func: lang.Count}, {Name: "rate", Func: lang.Rate}},
		By:     []lang.Key{{Kind: lang.ByTab}, {Kind: lang.ByClient}}, Last: 60,
	}
	a, err := k.h.eval.Eval(ctx, q, eval.Page{})
	var cannot *eval.CannotError
	if errors.As(err, &cannot) { // it keeps no times
		q.Values, q.Last = q.Values[:1], 0
		a, err = k.h.eval.Eval(ctx, q, eval.Page{})
	}
	if err != nil {
		return nil, err
	}
	var list []Sending
	for _, r := range a.Rows {
		if r.By["tab"] == name && r.Type == t.Type {
			list = append(list, Sending{Client: r.By["client"], Events: r.Values["count"], Rate: r.Values["rate"]})
			add(&t.Rate, r.Values["rate"])
		}
	}
	slices.SortStableFunc(list, func(a, b Sending) int { return compare(b.Rate, a.Rate) })
	return list[:min(len(list), maxSending)], nil
}

// add adds to a sum, which is nil if there is nothing in it.
func add(sum **float64, v *float64) {
	if v == nil {
		return
	}
	if *sum == nil {
		*sum = new(float64)
	}
	**sum += *v
}

func compare(a, b *float64) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	case *a < *b:
		return -1
	case *a > *b:
		return 1
	}
	return 0
}

// Names implements Known: it compares names that begin like the one that is
// asked for, and all of them if there are few.
func (k known) Names(ctx context.Context, name string) ([]Near, error) {
	prefixes := []string{name[:len(name)/2], name[:min(len(name), 1)]}
	if k.h.o.View.TabCount() <= maxCompared {
		prefixes = []string{""}
	}
	var list []Near
	for _, prefix := range prefixes {
		found, err := k.like(ctx, name, prefix)
		if err != nil {
			return nil, err
		}
		if list = append(list, found...); len(list) > 0 {
			break
		}
	}
	slices.SortStableFunc(list, func(a, b Near) int { return int(trail.Like(name, a.Name) - trail.Like(name, b.Name)) })
	return list, nil
}

// like returns names with a prefix that are like a name, of so many that it may
// compare.
func (k known) like(ctx context.Context, name, prefix string) ([]Near, error) {
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	var near []Near
	compared := 0
	p := view.Page{Prefix: prefix, Limit: maxCompared, Match: func(n string) bool {
		if compared++; compared > maxCompared {
			cancel()
			return false
		}
		return trail.Like(name, trail.Printable(n)) < trail.Unlike
	}}
	tabs, _, err := k.h.o.View.SearchTabs(limited, p)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		err = nil // what was found until then
	}
	for _, t := range tabs {
		near = append(near, Near{Name: t.Name, Type: t.Type, State: "served"})
	}
	return near, err
}
