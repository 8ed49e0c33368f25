package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Told is a server's answer to a query.
type Told struct {
	AsOf     float64   `json:"as_of"`
	LagMS    float64   `json:"lag_ms"`
	Complete bool      `json:"complete"`
	Missing  []Missing `json:"missing"`
	By       []string  `json:"by"`
	Values   []string  `json:"values"`
	Rows     []ToldRow `json:"rows"`
	Next     string    `json:"next"`
}

// Missing is what an answer lacks.
type Missing struct {
	Tab  string `json:"tab"`
	Tabs int    `json:"tabs"`
	What string `json:"what"`
}

// ToldRow is what is known of one group: a row of values or, of a series, one
// per point.
type ToldRow struct {
	By   map[string]string `json:"by"`
	Type string            `json:"type"`
	Tabs int               `json:"tabs"`
	ToldPoint
	Points []ToldPoint `json:"points"`
}

// ToldPoint is what is known of one stretch of time.
type ToldPoint struct {
	From   *float64            `json:"from"`
	To     float64             `json:"to"`
	Values map[string]*float64 `json:"values"`
	Errors map[string]float64  `json:"errors"`
}

// Form posts a form and returns the body of the answer, which is JSON.
func (c *Client) Form(ctx context.Context, path string, form url.Values) ([]byte, error) {
	req, err := c.request(ctx, http.MethodPost, path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	body, _, err := c.do(req)
	return body, err
}

// Ask asks a query and returns the answer with all its rows, and its first page
// as it came.
func (c *Client) Ask(ctx context.Context, query string) (*Told, []byte, error) {
	var all *Told
	var first []byte
	form := url.Values{"q": {query}}
	for {
		body, err := c.Form(ctx, "/v2/query", form)
		if err != nil {
			return nil, nil, err
		}
		page, err := c.told(body)
		if err != nil {
			return nil, nil, err
		}
		if all == nil {
			all, first = page, body
		} else {
			all.Rows = append(all.Rows, page.Rows...)
			if all.Complete && !page.Complete {
				all.Complete, all.Missing = false, page.Missing
			}
		}
		if page.Next == "" {
			return all, first, nil
		}
		form.Set("after", page.Next)
	}
}

func (c *Client) told(body []byte) (*Told, error) {
	var t Told
	if err := json.Unmarshal(body, &t); err != nil || t.AsOf == 0 {
		return nil, fmt.Errorf("%s did not answer as /v2/query does (%v); is it a Taba server of this version?", c.URL, err)
	}
	return &t, nil
}

// Lacks says what the answer lacks, nil if nothing.
func (t *Told) Lacks() error {
	if t.Complete {
		return nil
	}
	var list []string
	for _, m := range t.Missing {
		if m.Tabs == 0 {
			list = append(list, m.What)
			continue
		}
		list = append(list, fmt.Sprintf("%s (%d tabs): %s", Printable(m.Tab), m.Tabs, m.What))
	}
	return &PartialError{What: "the answer is not complete: " + strings.Join(list, "; ")}
}

// types returns the Types of the rows.
func (t *Told) types() []string {
	set := map[string]bool{}
	for _, r := range t.Rows {
		set[r.Type] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// series reports whether rows have points.
func (t *Told) series() bool {
	return slices.ContainsFunc(t.Rows, func(r ToldRow) bool { return len(r.Points) > 0 })
}

// Told writes an answer as a table.
func (o Output) Told(t *Told) error {
	var header []string
	for _, k := range t.By {
		header = append(header, strings.ToUpper(k))
	}
	withType := len(t.types()) > 1
	if withType {
		header = append(header, "TYPE")
	}
	if t.series() {
		header = append(header, "FROM")
	}
	left := len(header)
	for _, v := range t.Values {
		header = append(header, strings.ToUpper(v))
	}
	var rows [][]string
	for _, r := range t.Rows {
		var names []string
		for _, k := range t.By {
			names = append(names, r.By[k])
		}
		if withType {
			names = append(names, r.Type)
		}
		rows = append(rows, toldRows(t, &r, names)...)
	}
	title := ""
	if o.Terminal {
		title = t.title()
	}
	_, err := fmt.Fprintln(o.W, o.Grid(title, header, rows, left))
	return err
}

// toldRows returns the rows of a group.
func toldRows(t *Told, r *ToldRow, names []string) (rows [][]string) {
	points := r.Points
	if len(points) == 0 {
		points = []ToldPoint{r.ToldPoint}
	}
	for _, p := range points {
		row := slices.Clone(names)
		if t.series() {
			row = append(row, moment(p.From))
		}
		for _, v := range t.Values {
			row = append(row, p.text(v))
		}
		rows = append(rows, row)
	}
	return rows
}

// title says what the answer is about.
func (t *Told) title() string {
	s := fmt.Sprintf("as of %s, %s ms behind", clock(t.AsOf), short(t.LagMS))
	if len(t.Rows) > 0 && t.Rows[0].From != nil {
		s += fmt.Sprintf(": from %s to %s", clock(*t.Rows[0].From), clock(t.Rows[0].To))
	}
	return s
}

// text is a value for people, with its error if it is not exact.
func (p *ToldPoint) text(value string) string {
	v := p.Values[value]
	if v == nil {
		return "-"
	}
	s := Group(short(*v))
	if e := p.Errors[value]; e > 0 {
		s += " ±" + short(e*100) + "%"
	}
	return s
}

// short writes a number with six digits, or all of those before its point.
func short(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return digits(v, 6)
}

// digits writes a number with so many digits, or all of those before its point.
func digits(v float64, n int) string {
	if v == 0 {
		return "0"
	}
	s := strconv.FormatFloat(v, 'f', max(0, n-1-int(math.Floor(math.Log10(math.Abs(v))))), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func clock(seconds float64) string { return time.UnixMilli(int64(seconds * 1e3)).Format(time.TimeOnly) }

func moment(seconds *float64) string {
	if seconds == nil {
		return "ever"
	}
	return time.UnixMilli(int64(*seconds * 1e3)).Format(time.DateTime)
}

// ToldCSV writes an answer as CSV: every row with its interval, in UTC seconds,
// and every value with its error.
func (o Output) ToldCSV(t *Told) error {
	header := append(slices.Clone(t.By), "type", "tabs", "from", "to")
	for _, v := range t.Values {
		header = append(header, v, v+"_error")
	}
	var rows [][]string
	for _, r := range t.Rows {
		points := r.Points
		if len(points) == 0 {
			points = []ToldPoint{r.ToldPoint}
		}
		for _, p := range points {
			var row []string
			for _, k := range t.By {
				row = append(row, r.By[k])
			}
			row = append(row, r.Type, strconv.Itoa(r.Tabs), number(p.From), number(&p.To))
			for _, v := range t.Values {
				e := p.Errors[v]
				row = append(row, number(p.Values[v]), number(&e))
			}
			rows = append(rows, row)
		}
	}
	return o.CSV(header, rows)
}

// number writes a number in full, nothing for none.
func number(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', -1, 64)
}
