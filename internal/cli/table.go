package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// columns of a table of Answers. The first ones name the row.
type columns struct {
	names  []string // "CLIENT", "TAB"
	values []column
}

// column is one column of values.
type column struct {
	title string
	left  bool // text, not a number
	value func(Line) string
}

var (
	colWindow  = column{"WINDOW", true, func(l Line) string { return l.Window }}
	colCount   = column{"COUNT", false, func(l Line) string { return Group(l.Count) }}
	colTotal   = column{"TOTAL", false, func(l Line) string { return Group(l.Total) }}
	colAverage = column{"AVERAGE", false, func(l Line) string { return Group(l.Average) }}
	colValue   = column{"VALUE", true, func(l Line) string { return Printable(l.Value) }}
	colClients = column{"CLIENTS", false, func(l Line) string { return Group(l.Count) }}
	colExpires = column{"EXPIRES", true, func(l Line) string { return when(l.Expires) }}
)

// colPercentiles returns the columns of the percentiles named.
func colPercentiles(names ...string) []column {
	var list []column
	for i, name := range Percentiles {
		if !slices.Contains(names, name) {
			continue
		}
		list = append(list, column{strings.ToUpper(name), false, func(l Line) string {
			if i < len(l.Percentiles) {
				return Group(l.Percentiles[i])
			}
			return ""
		}})
	}
	return list
}

// layouts returns the columns that make sense for a Type, the widest choice
// first: a narrower one is for narrower terminals.
func layouts(typ string) [][]column {
	counts := []column{colWindow, colCount, colTotal, colAverage}
	switch typ {
	case "CounterGroup", "PercentileGroup", "PercentileCounter":
		return [][]column{
			slices.Concat(counts, colPercentiles(Percentiles...)),
			slices.Concat(counts, colPercentiles("p50", "p90", "p99")),
			slices.Concat(counts[:2], colPercentiles("p50", "p99")),
		}
	case "TotalsCounter":
		return [][]column{counts[1:]}
	case "Gauge", "ExpiryGauge":
		return [][]column{{colValue, colClients}}
	case "Buffer":
		return [][]column{{colValue, colExpires}}
	}
	return [][]column{{colValue}}
}

// Answers writes one table per Type, sorted by Type.
func (o Output) Answers(list []Answer, withClient bool) error {
	byType := map[string][]Answer{}
	var types []string
	for _, a := range list {
		if byType[a.Type] == nil {
			types = append(types, a.Type)
		}
		byType[a.Type] = append(byType[a.Type], a)
	}
	slices.Sort(types)
	for i, typ := range types {
		if i > 0 {
			if _, err := io.WriteString(o.W, "\n"); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(o.W, o.answerTable(typ, byType[typ], withClient)); err != nil {
			return err
		}
	}
	return nil
}

// answerTable renders the Answers of one Type in the widest layout that fits.
func (o Output) answerTable(typ string, list []Answer, withClient bool) string {
	cols := columns{names: []string{"TAB"}}
	if withClient {
		cols.names = []string{"CLIENT", "TAB"}
	}
	title := typ
	if title == "" {
		title = "Type not known"
	}
	var s string
	for _, cols.values = range layouts(typ) {
		if s = o.render(title, cols, list); o.Width == 0 || widest(s) <= o.Width {
			break
		}
	}
	return s
}

func (o Output) render(title string, cols columns, list []Answer) string {
	t := o.newTable(title)
	var header table.Row
	var configs []table.ColumnConfig
	for _, n := range cols.names {
		header = append(header, n)
	}
	for i, c := range cols.values {
		header = append(header, c.title)
		if !c.left {
			configs = append(configs, table.ColumnConfig{Number: len(cols.names) + i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	for i := range list {
		o.answerRows(t, cols, &list[i])
	}
	return t.Render()
}

func (o Output) answerRows(t table.Writer, cols columns, a *Answer) {
	names := []string{a.Name}
	if len(cols.names) == 2 {
		names = []string{a.Client, a.Name}
	}
	lines := a.Lines()
	if len(lines) == 0 {
		lines = []Line{{}} // a gauge nobody holds, an empty Buffer: still a tab
	}
	for i, l := range lines {
		var row table.Row
		for _, n := range names {
			if i > 0 && o.Terminal {
				n = ""
			}
			row = append(row, Printable(n))
		}
		for _, c := range cols.values {
			row = append(row, c.value(l))
		}
		t.AppendRow(row)
	}
	if o.Terminal && len(lines) > 1 {
		t.AppendSeparator()
	}
}

// Grid renders a table of texts with a title; all but the first columns, left
// of them, are numbers.
func (o Output) Grid(title string, header []string, rows [][]string, left int) string {
	t := o.newTable(title)
	if len(header) > 0 {
		t.AppendHeader(tableRow(header))
	}
	var configs []table.ColumnConfig
	for i := left; i < len(header); i++ {
		configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(configs)
	for _, r := range rows {
		t.AppendRow(tableRow(r))
	}
	return t.Render()
}

// Rows writes a plain table of texts.
func (o Output) Rows(header []string, rows [][]string) error {
	_, err := fmt.Fprintln(o.W, o.Grid("", header, rows, len(header)))
	return err
}

func tableRow(cells []string) table.Row {
	row := make(table.Row, len(cells))
	for i, c := range cells {
		row[i] = Printable(c)
	}
	return row
}

func (o Output) newTable(title string) table.Writer {
	t := table.NewWriter()
	t.SuppressTrailingSpaces()
	if !o.Terminal {
		t.SetStyle(plain)
		return t
	}
	style := table.StyleRounded
	style.Format.Header = text.FormatDefault
	style.Title.Align = text.AlignLeft
	if o.Color {
		style.Color.Header = text.Colors{text.Bold}
		style.Color.Border = text.Colors{text.FgHiBlack}
		style.Color.Separator = text.Colors{text.FgHiBlack}
		style.Title.Colors = text.Colors{text.Bold, text.FgCyan}
	}
	t.SetStyle(style)
	if title != "" {
		t.SetTitle(title)
	}
	return t
}

// plain is for pipes: columns two blanks apart and nothing else.
var plain = table.Style{
	Name:    "plain",
	Box:     table.BoxStyle{PaddingRight: "  "},
	Format:  table.FormatOptions{Header: text.FormatDefault},
	Options: table.OptionsNoBordersAndSeparators,
}

// widest is the number of columns the longest line takes on a terminal.
func widest(s string) int { return text.LongestLineLen(s) }

// Group formats a number's text for people: commas between thousands, and no
// more decimals than it needs.
func Group(number string) string {
	whole, fraction, hasFraction := strings.Cut(number, ".")
	if strings.ContainsAny(number, "eE") || whole == "" {
		return number
	}
	sign := ""
	if whole[0] == '-' {
		sign, whole = "-", whole[1:]
	}
	var b strings.Builder
	b.WriteString(sign)
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(whole[i])
	}
	if hasFraction {
		if len(fraction) > 2 {
			fraction = fraction[:2] + strings.TrimRight(fraction[2:], "0")
		}
		b.WriteString("." + fraction)
	}
	return b.String()
}

// Printable keeps what others recorded from driving the terminal.
func Printable(s string) string {
	for _, r := range s {
		if !strconv.IsPrint(r) {
			q := strconv.Quote(s)
			return q[1 : len(q)-1]
		}
	}
	return s
}

// when shows UTC seconds as a local date and time.
func when(seconds string) string {
	f, err := strconv.ParseFloat(seconds, 64)
	if err != nil || f < 0 || f > 1<<40 {
		return seconds
	}
	return time.Unix(int64(f), 0).Format(time.DateTime)
}
