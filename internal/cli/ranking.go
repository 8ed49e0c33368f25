package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// TopQuery says which ranking is asked for. Empty fields are the server's choice.
type TopQuery struct {
	By, Match, Sort string
	Limit           int
}

// Ranking is which names, clients or values of a tag have and take the most.
type Ranking struct {
	AsOf     float64 `json:"as_of"`
	By, Sort string
	Seconds  int
	Groups   int
	Rows     []Ranked
}

// Ranked is one of them.
type Ranked struct {
	Key           string
	Types         []string
	Rate          *float64 `json:"events_per_second"`
	Events        *float64
	Tabs, Clients int
	Bytes         int64
}

// Top asks for a ranking. It returns the answer with its text as it came.
func (c *Client) Top(ctx context.Context, q TopQuery) (*Ranking, []byte, error) {
	v := url.Values{}
	for name, text := range map[string]string{"by": q.By, "match": q.Match, "sort": q.Sort} {
		if text != "" {
			v.Set(name, text)
		}
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	body, err := c.Get(ctx, "/v2/top?"+v.Encode(), Query{}, "application/json")
	if err != nil {
		return nil, nil, err
	}
	var r Ranking
	if err := json.Unmarshal(body, &r); err != nil || r.AsOf == 0 {
		return nil, nil, fmt.Errorf("%s did not answer as /v2/top does (%v); is it a Taba server of this version?", c.URL, err)
	}
	return &r, body, nil
}

// Cells are what a row shows to people.
func (r *Ranked) Cells() []string {
	key := Printable(r.Key)
	if key == "" {
		key = "(none)"
	}
	return []string{
		key, strings.Join(r.Types, ","), rate(r.Rate), value(r.Events), Group(strconv.Itoa(r.Tabs)), Group(strconv.Itoa(r.Clients)), Size(float64(r.Bytes)),
	}
}

// Ranking writes a ranking as a table.
func (o Output) Ranking(r *Ranking) error {
	var rows [][]string
	for i := range r.Rows {
		rows = append(rows, r.Rows[i].Cells())
	}
	header := []string{strings.ToUpper(r.By), "TYPE", "A SECOND", "EVENTS", "TABS", "CLIENTS", "BYTES"}
	_, err := fmt.Fprintln(o.W, o.Grid("", header, rows, 2))
	return err
}

// RankingCSV writes a ranking as CSV.
func (o Output) RankingCSV(r *Ranking) error {
	var rows [][]string
	for _, x := range r.Rows {
		rows = append(rows, []string{
			x.Key, strings.Join(x.Types, ","), number(x.Rate), number(x.Events), strconv.Itoa(x.Tabs), strconv.Itoa(x.Clients), strconv.FormatInt(x.Bytes, 10),
		})
	}
	return o.CSV([]string{r.By, "types", "events_per_second", "events", "tabs", "clients", "bytes"}, rows)
}
