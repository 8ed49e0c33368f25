package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Answer is what a server says about one tab, of one client or of all.
type Answer struct {
	Client string // empty: all clients together
	Name   string
	Type   string // empty: the server did not tell
	Body   json.RawMessage
}

// Aggregates asks for one Answer per tab, sorted by name.
func (c *Client) Aggregates(ctx context.Context, q Query) ([]Answer, error) {
	var bodies map[string]json.RawMessage
	if err := c.JSON(ctx, "/tabs", q, &bodies); err != nil {
		return nil, err
	}
	types, err := c.Types(ctx, Query{Names: q.Names, Regexp: q.Regexp})
	if err != nil {
		return nil, err
	}
	return answers("", bodies, types), nil
}

// Projections asks for one Answer per client and tab, sorted in that order.
func (c *Client) Projections(ctx context.Context, q Query) ([]Answer, error) {
	var clients map[string]map[string]json.RawMessage
	if err := c.JSON(ctx, "/projection", q, &clients); err != nil {
		return nil, err
	}
	types, err := c.Types(ctx, Query{Names: q.Names, Regexp: q.Regexp})
	if err != nil {
		return nil, err
	}
	var list []Answer
	for _, client := range slices.Sorted(maps.Keys(clients)) {
		list = append(list, answers(client, clients[client], types)...)
	}
	return list, nil
}

// Types asks for the Type of each tab.
func (c *Client) Types(ctx context.Context, q Query) (map[string]string, error) {
	var types map[string]string
	err := c.JSON(ctx, "/types", q, &types)
	return types, err
}

func answers(client string, bodies map[string]json.RawMessage, types map[string]string) []Answer {
	list := make([]Answer, 0, len(bodies))
	for _, name := range slices.Sorted(maps.Keys(bodies)) {
		list = append(list, Answer{Client: client, Name: name, Type: types[name], Body: bodies[name]})
	}
	return list
}

// Percentiles are the ones the API answers with, in its order.
var Percentiles = []string{"p25", "p50", "p75", "p90", "p95", "p99", "p99.9"}

// Line is one row of an Answer: a window of a counter, a value of a gauge, an
// entry of a Buffer. Numbers keep the text they came with.
type Line struct {
	Window                string // "1m", …; "all": the tab's whole life
	Count, Total, Average string // of a gauge's value, Count is the number of clients
	Percentiles           []string
	Value, Expires        string
}

// windowOrder is how windows are sorted: from short to long.
var windowOrder = []string{"1m", "10m", "1h", "1d", "pct"}

// Lines reads an Answer. What it does not know it shows whole, as one value.
func (a *Answer) Lines() []Line {
	var lines []Line
	var err error
	switch a.Type {
	case "CounterGroup", "PercentileGroup":
		lines, err = windowLines(a.Body)
	case "TotalsCounter", "PercentileCounter":
		var s summary
		if err = json.Unmarshal(a.Body, &s); err == nil {
			lines = []Line{s.line("all")}
		}
	case "Gauge", "ExpiryGauge":
		lines, err = gaugeLines(a.Body)
	case "Buffer":
		lines, err = bufferLines(a.Body)
	default:
		lines = []Line{{Value: string(a.Body)}}
	}
	if err != nil {
		return []Line{{Value: string(a.Body)}}
	}
	return lines
}

// Line returns the row of a window, the zero Line if there is none.
func (a *Answer) Line(window string) Line {
	for _, l := range a.Lines() {
		if l.Window == window {
			return l
		}
	}
	return Line{}
}

// Counted returns how many events the Answer's longest window holds: all there
// ever were, or those of a day. Gauges and Buffers do not tell.
func (a *Answer) Counted() (n uint64, ok bool) {
	lines := a.Lines()
	if len(lines) == 0 || lines[0].Window == "" {
		return 0, false
	}
	n, err := strconv.ParseUint(lines[len(lines)-1].Count, 10, 64)
	return n, err == nil
}

// summary is the form of every counter in the API.
type summary struct {
	Count   json.Number   `json:"count"`
	Total   json.Number   `json:"total"`
	Average json.Number   `json:"average"`
	Pct     []json.Number `json:"pct"`
}

func (s summary) line(window string) Line {
	l := Line{Window: window, Count: s.Count.String(), Total: s.Total.String(), Average: s.Average.String()}
	for _, p := range s.Pct {
		l.Percentiles = append(l.Percentiles, p.String())
	}
	if l.Average == "" {
		l.Average = average(s.Total, s.Count)
	}
	return l
}

// average fills in what the API leaves out of percentiles.
func average(total, count json.Number) string {
	t, err1 := total.Float64()
	n, err2 := count.Float64()
	if err1 != nil || err2 != nil || n == 0 {
		return "0.000000"
	}
	return strconv.FormatFloat(t/n, 'f', 6, 64)
}

func windowLines(body json.RawMessage) ([]Line, error) {
	var windows map[string]summary
	if err := json.Unmarshal(body, &windows); err != nil {
		return nil, err
	}
	var lines []Line
	for _, w := range windowOrder {
		s, ok := windows[w]
		if !ok {
			continue
		}
		if w == "pct" {
			w = "all"
		}
		lines = append(lines, s.line(w))
	}
	return lines, nil
}

func gaugeLines(body json.RawMessage) ([]Line, error) {
	var values map[string]json.Number
	if err := json.Unmarshal(body, &values); err != nil {
		return nil, err
	}
	var lines []Line
	for _, v := range slices.Sorted(maps.Keys(values)) {
		lines = append(lines, Line{Value: v, Count: values[v].String()})
	}
	return lines, nil
}

func bufferLines(body json.RawMessage) ([]Line, error) {
	var entries [][]json.RawMessage
	if err := json.Unmarshal(body, &entries); err != nil {
		return nil, err
	}
	lines := make([]Line, 0, len(entries))
	for _, e := range entries {
		if len(e) != 2 {
			return nil, fmt.Errorf("an entry of a Buffer has %d parts, want 2", len(e))
		}
		lines = append(lines, Line{Value: unquoted(e[0]), Expires: string(e[1])})
	}
	return lines, nil
}

// unquoted shows a JSON string as its text and everything else as it is.
func unquoted(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}
