package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Explained is what a server or agent says became of a name.
type Explained struct {
	Name, Kind, Server, Verdict, Summary string

	Tab *struct {
		Type    string
		Clients int
		Events  *uint64
		Rate    *float64 `json:"events_per_second"`
	}
	Steps []struct {
		Step, State, What string
		Events            *uint64
		Rate              *float64 `json:"events_per_second"`
		Last              *float64
	}
	Traces  []ExplainedTrace
	Near    []struct{ Name, Type, State, Reason string }
	Clients []struct {
		Client string
		Events *float64
		Rate   *float64 `json:"events_per_second"`
	}
	Agents []struct {
		Agent, Address string
		Seen           float64 `json:"last_seen"`
		Refused        uint64  `json:"refused_events"`
		Backlog        uint64  `json:"backlog_events"`
	}
	Watched *struct {
		Since, Until float64
		Received     uint64 `json:"received_events"`
		Refused      uint64 `json:"refused_events"`
		Clamped      uint64 `json:"clamped_events"`
		Folded       uint64 `json:"folded_events"`
	}
}

// ExplainedTrace is what happened to events of a name other than to count.
type ExplainedTrace struct {
	Name, Kind, Door, Reason, What, Remedy, Limit, Detail, Type, Client, Sender, Agent string

	Events, Times uint64
	First, Last   float64
}

// Explain asks what became of a name, and to watch it for so long; 0: not to. It
// returns the answer with its text as it came.
func (c *Client) Explain(ctx context.Context, name string, watch time.Duration) (*Explained, []byte, error) {
	path := "/v2/explain?name=" + url.QueryEscape(name)
	if watch > 0 {
		path += "&watch=" + strconv.Itoa(int((watch+time.Second-1)/time.Second)) + "s"
	}
	body, err := c.Get(ctx, path, Query{}, "application/json")
	if err != nil {
		return nil, nil, err
	}
	var x Explained
	if err := json.Unmarshal(body, &x); err != nil || x.Verdict == "" {
		return nil, nil, fmt.Errorf("%s did not answer as /v2/explain does (%v); is it Taba of this version?", c.URL, err)
	}
	return &x, body, nil
}

// Counts reports whether something of the name counts.
func (x *Explained) Counts() bool { return x.Verdict == "served" || x.Verdict == "partly_refused" }

// Explained writes what became of a name: the verdict, then the steps, then what
// is known of those that stopped it.
func (o Output) Explained(x *Explained) error {
	parts := []string{wrap(x.Summary, o.Width), o.steps(x)}
	for i := range x.Traces {
		parts = append(parts, o.trace(&x.Traces[i]))
	}
	if len(x.Clients) > 0 {
		parts = append(parts, o.sending(x))
	}
	if len(x.Near) > 0 {
		parts = append(parts, o.near(x))
	}
	if len(x.Agents) > 0 {
		parts = append(parts, o.tellers(x))
	}
	_, err := fmt.Fprintln(o.W, strings.Join(parts, "\n\n"))
	return err
}

// stepsFrame is how wide the table of steps is beside what it says.
const stepsFrame = 48

func (o Output) steps(x *Explained) string {
	var rows [][]string
	for _, s := range x.Steps {
		row := []string{o.mark(s.State), s.Step, "", count(s.Events), clockOf(s.Last)}
		for _, line := range o.lines(s.What, stepsFrame) {
			row[2] = line
			rows = append(rows, row)
			row = make([]string, len(row))
		}
	}
	return o.grid("Steps at "+x.Server, []string{"", "STEP", "WHAT", "EVENTS", "LAST"}, rows, 3)
}

// mark shows the state of a step.
func (o Output) mark(state string) string {
	if !o.Terminal {
		return state
	}
	return map[string]string{"ok": "✓", "bad": "✗", "none": "·", "unknown": "?"}[state]
}

// lines are those of a text beside a frame of so many columns.
func (o Output) lines(text string, frame int) []string {
	const least = 24
	width := 0
	if o.Width > 0 {
		width = max(o.Width-frame, least)
	}
	return strings.Split(wrap(text, width), "\n")
}

// keyFrame is how wide a table of keys and values is beside the values.
const keyFrame = 18

// trace writes what is known of one thing that happened.
func (o Output) trace(t *ExplainedTrace) string {
	var rows [][]string
	add := func(key, value string) {
		if value == "" {
			return
		}
		for _, line := range o.lines(value, keyFrame) {
			rows = append(rows, []string{key, line})
			key = ""
		}
	}
	add("why", fmt.Sprintf("%s (%s)", t.What, t.Reason))
	add("do", t.Remedy)
	add("limit", t.Limit)
	add("seen", t.Detail)
	add("type", t.Type)
	add("client", t.Client)
	add("sender", t.Sender)
	add("agent", t.Agent)
	add("by way of", t.Door)
	add("how often", t.often())
	add("first, last", clock(t.First)+", "+clock(t.Last))
	name := t.Name
	if name == "" {
		name = "A request"
	}
	return o.grid(brief(name)+": "+t.Kind, nil, rows, 2)
}

func (t *ExplainedTrace) often() string {
	requests := many(t.Times, "request")
	if t.Events == 0 {
		return requests
	}
	return many(t.Events, "event") + " in " + requests
}

// many is how many there are of something.
func many(n uint64, what string) string {
	if n != 1 {
		what += "s"
	}
	return Group(strconv.FormatUint(n, 10)) + " " + what
}

// brief is a name that is not too long for a table.
func brief(name string) string {
	const most = 60
	if r := []rune(name); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return name
}

func (o Output) sending(x *Explained) string {
	var rows [][]string
	for _, c := range x.Clients {
		rows = append(rows, []string{brief(c.Client), value(c.Events), rate(c.Rate)})
	}
	return o.grid("Who sends it", []string{"CLIENT", "EVENTS", "A SECOND"}, rows, 1)
}

func (o Output) near(x *Explained) string {
	var rows [][]string
	for _, n := range x.Near {
		rows = append(rows, []string{brief(n.Name), n.Type, n.State, n.Reason})
	}
	return o.grid("Names like it", []string{"NAME", "TYPE", "STATE", "REASON"}, rows, 4)
}

func (o Output) tellers(x *Explained) string {
	var rows [][]string
	for _, a := range x.Agents {
		rows = append(rows, []string{a.Agent, a.Address, clock(a.Seen), count(&a.Refused), count(&a.Backlog)})
	}
	return o.grid("Agents that tell of it", []string{"AGENT", "ADDRESS", "SEEN", "REFUSED", "BACKLOG"}, rows, 3)
}

// grid is Grid with its title on a line of its own where there are no borders.
func (o Output) grid(title string, header []string, rows [][]string, left int) string {
	text := o.Grid(title, header, rows, left)
	if !o.Terminal {
		text = Printable(title) + "\n" + text
	}
	return text
}

// ExplainedCSV writes the steps, and then what happened, as rows of one form.
func (o Output) ExplainedCSV(x *Explained) error {
	header := []string{"what", "name", "state", "reason", "events", "last", "client", "sender", "limit", "text"}
	var rows [][]string
	for _, s := range x.Steps {
		rows = append(rows, []string{s.Step, x.Name, s.State, "", plainCount(s.Events), number(s.Last), "", "", "", s.What})
	}
	for _, t := range x.Traces {
		rows = append(rows, []string{"trace", t.Name, t.Kind, t.Reason, strconv.FormatUint(t.Events, 10), number(&t.Last), t.Client, t.Sender, t.Limit, t.What})
	}
	for _, n := range x.Near {
		rows = append(rows, []string{"near", n.Name, n.State, n.Reason, "", "", "", "", "", ""})
	}
	return o.CSV(header, rows)
}

func count(n *uint64) string {
	if n == nil {
		return ""
	}
	return Group(strconv.FormatUint(*n, 10))
}

func plainCount(n *uint64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatUint(*n, 10)
}

func value(v *float64) string {
	if v == nil {
		return ""
	}
	return Group(short(*v))
}

// rate writes a number with three digits, or all of those before its point.
func rate(v *float64) string {
	if v == nil {
		return ""
	}
	return Group(digits(*v, 3))
}

func clockOf(at *float64) string {
	if at == nil {
		return ""
	}
	return clock(*at)
}

// wrap breaks a text into lines that fit; 0: one line.
func wrap(text string, width int) string {
	text = Printable(text)
	if width == 0 {
		return text
	}
	var b strings.Builder
	at := 0
	for _, word := range strings.Fields(text) {
		n := len([]rune(word))
		if at > 0 && at+1+n > width {
			b.WriteByte('\n')
			at = 0
		} else if at > 0 {
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}
