package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/tabaproject/taba/internal/query/lang"
)

// body is a query as a JSON object: as text in q, or in parts.
type body struct {
	Q       string        `json:"q"`
	Limit   int           `json:"limit"`
	After   string        `json:"after"`
	Step    string        `json:"step"`
	Top     int           `json:"top"`
	Bottom  int           `json:"bottom"`
	Values  []string      `json:"values"`
	Select  []bodyTabs    `json:"select"`
	Clients []bodyPattern `json:"clients"`
	By      []string      `json:"by"`
	Last    string        `json:"last"`
}

// bodyPattern chooses texts: exactly one of its fields is given.
type bodyPattern struct {
	Name   string `json:"name"`
	Glob   string `json:"glob"`
	Regexp string `json:"regexp"`
}

// bodyTabs chooses tabs.
type bodyTabs struct {
	bodyPattern
	Tags []bodyTag `json:"tags"`
}

type bodyTag struct {
	Tag   string `json:"tag"`
	Op    string `json:"op"` // = unless it is given
	Value string `json:"value"`
}

// readAll reads a request's body up to a limit.
func readAll(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, &problem{status: http.StatusRequestEntityTooLarge, Code: codeTooLarge, Message: fmt.Sprintf("the body is longer than %d bytes", limit)}
	}
	if err != nil {
		return nil, badParameter("the body could not be read: " + err.Error())
	}
	return b, nil
}

// posted returns the parameters that a JSON object stands for: those that are in
// names.
func posted(text []byte, names []string) (url.Values, error) {
	if !slices.Contains(names, "q") {
		return nil, badParameter("a JSON object is read where a query is asked; give parameters in the query string or as a form")
	}
	var b body
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return nil, badParameter("the body is not a JSON object of a query: " + err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, badParameter("the body is not one JSON object: something follows it")
	}
	values := url.Values{}
	set := func(name, value string) {
		if value != "" {
			values.Set(name, value)
		}
	}
	set("after", b.After)
	if b.Limit != 0 {
		set("limit", strconv.Itoa(b.Limit))
	}
	q := b.Q
	if q != "" && slices.Contains(names, "step") {
		set("step", b.Step)
		b.Step = ""
	}
	if q == "" {
		built, err := b.query()
		if err != nil {
			return nil, err
		}
		q = built.String()
	} else if b.structured() {
		return nil, badParameter(`give a query as q or in parts, not both`)
	}
	set("q", q)
	return values, nil
}

func (b *body) structured() bool {
	return b.Select != nil || b.Values != nil || b.Clients != nil || b.By != nil || b.Last != "" || b.Step != "" || b.Top != 0 || b.Bottom != 0
}

// query returns the Query that the parts make.
func (b *body) query() (*lang.Query, error) {
	q := &lang.Query{Pick: b.Top}
	if b.Bottom != 0 {
		q.Pick = -b.Bottom
	}
	if len(b.Select) == 0 {
		return nil, badParameter(`select is empty; say which tabs, for example [{"glob": "bid*"}]`)
	}
	if b.Top < 0 || b.Bottom < 0 || b.Top > lang.MaxPick || b.Bottom > lang.MaxPick || b.Top != 0 && b.Bottom != 0 {
		return nil, badParameter(fmt.Sprintf("top or bottom must be from 1 to %d, and only one of them", lang.MaxPick))
	}
	err := errors.Join(
		each("values", b.Values, &q.Values, lang.ParseValue),
		each("select", b.Select, &q.Select, bodyTabs.matcher),
		each("clients", b.Clients, &q.Clients, bodyPattern.pattern),
		each("by", b.By, &q.By, lang.ParseKey),
		duration("last", b.Last, &q.Last),
	)
	if b.Step == "auto" {
		q.Step = lang.StepAuto
	} else {
		err = errors.Join(err, duration("step", b.Step, &q.Step))
	}
	if err != nil {
		return nil, badParameter(err.Error())
	}
	return q, nil
}

// each reads the elements of a field.
func each[T, U any](field string, list []T, into *[]U, read func(T) (U, error)) error {
	for i, x := range list {
		u, err := read(x)
		if err != nil {
			return fmt.Errorf("%s[%d]: %w", field, i, err)
		}
		*into = append(*into, u)
	}
	return nil
}

func duration(field, text string, into *int64) (err error) {
	if text == "" {
		return nil
	}
	*into, err = lang.ParseDuration(field, text)
	return err
}

func (p bodyPattern) pattern() (lang.Pattern, error) {
	switch {
	case p.Name != "" && p.Glob == "" && p.Regexp == "":
		return lang.NewPattern(lang.Exact, p.Name)
	case p.Name == "" && p.Glob != "" && p.Regexp == "":
		return lang.NewPattern(lang.Glob, p.Glob)
	case p.Name == "" && p.Glob == "" && p.Regexp != "":
		return lang.NewPattern(lang.Regexp, p.Regexp)
	}
	return lang.Pattern{}, errors.New("give one of name, glob and regexp")
}

func (t bodyTabs) matcher() (m lang.Matcher, err error) {
	if m.Name, err = t.pattern(); err != nil {
		return m, err
	}
	err = each("tags", t.Tags, &m.Tags, func(t bodyTag) (lang.Tag, error) {
		op := lang.Equal
		if t.Op != "" {
			var err error
			if op, err = lang.ParseOp(t.Op); err != nil {
				return lang.Tag{}, err
			}
		}
		return lang.NewTag(t.Tag, op, t.Value)
	})
	return m, err
}
