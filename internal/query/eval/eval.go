// Package eval answers Queries: it chooses tabs in a View, adds up the States of
// each group, and says what is known of them. It combines and then projects: a
// percentile of a group is that of all its events, not of its percentiles.
//
// # Concurrency and back-pressure
//
// An Evaluator is safe for concurrent use. It evaluates as many Queries at once
// as there are processors, the others wait; each may read a number of States and
// hold a number of bytes (Options), and is told how to ask for less. What it
// reads is locked one tab at a time. A Query ends early with its context.
package eval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/tabaproject/taba/internal/query/lang"
	"github.com/tabaproject/taba/internal/view"
)

// Options of an Evaluator. View is needed.
type Options struct {
	View *view.View
	Now  func() time.Time // nil: time.Now
	// Latency returns the seconds from receipt to visibility; nil: none is known.
	Latency func() float64

	MaxStates int   // that one Query may read; 0: 1,000,000
	MaxGroups int   // that one Query may make; 0: 100,000
	MaxBytes  int64 // that one Query may hold; 0: 256 MiB
	MaxRows   int   // of a page; 0: 10,000
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Latency == nil {
		o.Latency = func() float64 { return 0 }
	}
	if o.MaxStates <= 0 {
		o.MaxStates = 1_000_000
	}
	if o.MaxGroups <= 0 {
		o.MaxGroups = 100_000
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 256 << 20
	}
	if o.MaxRows <= 0 {
		o.MaxRows = 10_000
	}
	return o
}

// Evaluator answers Queries.
type Evaluator struct {
	o     Options
	slots chan struct{} // of those that run
}

// New returns an Evaluator.
func New(o Options) *Evaluator {
	return &Evaluator{o: o.withDefaults(), slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// A LimitError says which limit a Query is over, and how to ask for less.
type LimitError struct{ Message string }

func (e *LimitError) Error() string { return e.Message }

// A CannotError says why a Query has no answer with what is kept.
type CannotError struct{ Message string }

func (e *CannotError) Error() string { return e.Message }

// Answer is what is known.
type Answer struct {
	Query    string    `json:"query"`             // the same in other words
	AsOf     float64   `json:"as_of"`             // UTC seconds: what was acknowledged by then is in it
	LagMS    float64   `json:"lag_ms"`            // from receipt to visibility, the median of late
	Complete bool      `json:"complete"`          // nothing is missing
	Missing  []Missing `json:"missing,omitempty"` // of what was asked for
	By       []string  `json:"by"`                // what rows are grouped by
	Values   []string  `json:"values"`            // what rows have
	Rows     []Row     `json:"rows"`
	Next     string    `json:"next,omitempty"` // where the next page begins

	// Until is when the answer is another one even if nothing happens, because a
	// bucket has left its window; 0: never.
	Until float64 `json:"-"`
}

// Missing is something that was asked for and is not in the answer.
type Missing struct {
	Reason string `json:"reason"`
	Tab    string `json:"tab,omitempty"` // the first one, if there are several
	Tabs   int    `json:"tabs"`          // how many; 0: that is not known
	What   string `json:"what"`          // a sentence

	VBuckets []int `json:"vbuckets,omitempty"` // that could not be read
}

// Unread is what is missing of vbuckets that could not be read.
func Unread(l *view.Lacks) []Missing {
	err := l.Err()
	if err == nil {
		return nil
	}
	unread, _ := errors.AsType[*view.UnreadError](err)
	return []Missing{{Reason: "unavailable", VBuckets: unread.VBuckets, What: unread.Which() + " cannot be read now; the server's log says why"}}
}

// Row is what is known of one group.
type Row struct {
	By   map[string]string `json:"by"`
	Type string            `json:"type"`
	Tabs int               `json:"tabs"` // that were added up
	Told
	Points []Told `json:"points,omitempty"` // of a series, from the oldest on
}

// Told is what is known of one stretch of time.
type Told struct {
	From   *float64            `json:"from"` // UTC seconds; null: ever
	To     float64             `json:"to"`
	Values map[string]*float64 `json:"values,omitempty"` // null: not known, or of no events
	Errors map[string]float64  `json:"errors,omitempty"` // relative, of values that are not exact
}

// Page is which rows are asked for.
type Page struct {
	After string // Answer.Next of the page before
	Limit int    // rows; 0: as many as there may be
}

// Eval answers q.
func (e *Evaluator) Eval(ctx context.Context, q *lang.Query, page Page) (*Answer, error) {
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for other queries: %w", ctx.Err())
	}
	lag := e.o.Latency()
	now := e.o.Now()
	asOf := float64(now.UnixMicro()) / 1e6
	var lacks view.Lacks
	look := e.look(q)
	look.Lacks = &lacks
	chosen, err := e.o.View.Choose(ctx, look)
	if err != nil {
		return nil, tooMany(err, q)
	}
	r := &run{e: e, q: q, page: page, chosen: chosen, at: asOf - lag}
	if err := r.evaluate(ctx); err != nil {
		return nil, err
	}
	a := &Answer{Query: q.String(), AsOf: asOf, LagMS: math.Round(lag*1e6) / 1e3, By: []string{}, Rows: []Row{}}
	for _, k := range q.By {
		a.By = append(a.By, k.String())
	}
	for _, v := range r.values {
		a.Values = append(a.Values, v.Name)
	}
	r.rows(a)
	a.Missing = append(Unread(&lacks), r.missing()...)
	a.Complete = len(a.Missing) == 0
	a.Until = r.until()
	return a, nil
}

// tooMany says how to ask for fewer States.
func tooMany(err error, q *lang.Query) error {
	var many *view.TooManyError
	if !errors.As(err, &many) {
		return err
	}
	how := "name fewer tabs, with a longer glob or with tags"
	if q.PerClient() {
		how = "choose fewer clients, or " + how
	}
	return &LimitError{fmt.Sprintf("the query would read %d States of %d tabs, at most %d are read; %s", many.States, many.Tabs, many.Most, how)}
}

// look says which States a Query is about.
func (e *Evaluator) look(q *lang.Query) view.Look {
	l := view.Look{PerClient: q.PerClient(), Most: e.o.MaxStates}
	for i := range q.Select {
		l.Tabs = append(l.Tabs, Ranges(&q.Select[i])...)
	}
	for i := range q.Clients {
		p := &q.Clients[i]
		l.Clients = append(l.Clients, view.Range{Prefix: p.Prefix(), Whole: p.Kind == lang.Exact, Match: p.Match})
	}
	return l
}

// Ranges returns where the tabs that m chooses are.
func Ranges(m *lang.Matcher) []view.Range {
	switch {
	case m.Name.Kind != lang.Exact:
		return []view.Range{{Prefix: m.Name.Prefix(), Match: m.Match}}
	case m.Whole():
		return []view.Range{{Prefix: m.Name.Text, Whole: true, Match: m.Match}}
	}
	return []view.Range{
		{Prefix: m.Name.Text, Whole: true, Match: m.MatchTags},
		{Prefix: m.Name.Text + ";", Match: m.MatchTags},
	}
}
