package screen

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/tabaproject/taba/internal/cli"
)

// View implements tea.Model.
func (m *model) View() tea.View {
	lines := []string{m.title(), ""}
	switch {
	case m.help:
		lines = append(lines, strings.Split(helpText, "\n")...)
	case m.got != nil:
		lines = append(lines, m.table()...)
	case m.err == nil:
		lines = append(lines, "Asking "+m.o.Client.URL+" …")
	}
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:max(0, min(len(lines), m.height-1))], m.bottom())
	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen = true
	v.WindowTitle = "taba top"
	return v
}

// style is one of the few that the screen has. Nothing is told by colour alone.
func (m *model) style(bold bool, color string) lipgloss.Style {
	s := lipgloss.NewStyle()
	if !m.o.Color {
		return s
	}
	s = s.Bold(bold)
	if color != "" {
		s = s.Foreground(lipgloss.Color(color))
	}
	return s
}

// The terminal's own colours, which are readable on light and dark.
const (
	cyan = "6"
	red  = "1"
)

func (m *model) title() string {
	what := "everything"
	if m.ask.Match != "" {
		what = m.ask.Match
	}
	s := fmt.Sprintf("taba top · %s by %s", what, m.by())
	if m.got != nil {
		s += fmt.Sprintf(" · %s of them · over %d s", cli.Group(fmt.Sprint(m.got.Groups)), m.got.Seconds)
	}
	return m.style(true, cyan).Render(m.cut(s))
}

func (m *model) by() string {
	if m.ask.By == "" {
		return "name"
	}
	return m.ask.By
}

// cut makes a text fit into a line.
func (m *model) cut(s string) string {
	s = cli.Printable(s)
	if lipgloss.Width(s) <= m.width {
		return s
	}
	r := []rune(s)
	for len(r) > 0 && lipgloss.Width(string(r)) > m.width-1 {
		r = r[:len(r)-1]
	}
	return string(r) + "…"
}

// table is the header and the rows that fit.
func (m *model) table() []string {
	cells := [][]string{{strings.ToUpper(m.by()), "TYPE", "A SECOND", "EVENTS", "TABS", "CLIENTS", "BYTES"}}
	for _, r := range m.rows() {
		cells = append(cells, r.Cells())
	}
	m.mark(cells[0])
	widths := m.widths(cells)
	var lines []string
	for i, row := range cells {
		line := layOut(row, widths)
		if i == 0 {
			line = m.style(true, "").Render(line)
		}
		lines = append(lines, line)
	}
	if len(cells) == 1 {
		lines = append(lines, "Nothing is chosen by "+cli.Printable(m.ask.Match)+".")
	}
	return lines
}

// mark shows in the header by which column is sorted.
func (m *model) mark(header []string) {
	at := map[string]int{"key": 0, "rate": 2, "events": 3, "tabs": 4, "clients": 5, "bytes": 6}[m.sort()]
	header[at] += " ▾"
}

func (m *model) sort() string {
	if m.ask.Sort == "" {
		return "rate"
	}
	return m.ask.Sort
}

// minKey is how narrow the first column may become before others are left out.
const minKey = 16

// widths are those of the columns; 0: there is no room for it.
func (m *model) widths(cells [][]string) []int {
	widths := make([]int, len(cells[0]))
	for _, row := range cells {
		for i, c := range row {
			widths[i] = max(widths[i], lipgloss.Width(c))
		}
	}
	total := func() (n int) {
		for _, w := range widths[1:] {
			if w > 0 {
				n += w + gap
			}
		}
		return n
	}
	for _, i := range []int{1, 3, 6, 5, 4} { // the least needed first
		if m.width-total() >= min(minKey, widths[0]) {
			break
		}
		widths[i] = 0
	}
	widths[0] = max(1, min(widths[0], m.width-total()))
	return widths
}

// gap is between columns.
const gap = 2

// layOut puts cells into columns: the first two are texts, the others numbers.
func layOut(row []string, widths []int) string {
	var b strings.Builder
	for i, c := range row {
		w := widths[i]
		if w == 0 {
			continue
		}
		if i > 0 {
			b.WriteString(strings.Repeat(" ", gap))
		}
		if r := []rune(c); lipgloss.Width(c) > w {
			for len(r) > 0 && lipgloss.Width(string(r)) > w-1 {
				r = r[:len(r)-1]
			}
			c = string(r) + "…"
		}
		pad := strings.Repeat(" ", max(0, w-lipgloss.Width(c)))
		if i < 2 {
			b.WriteString(c + pad)
		} else {
			b.WriteString(pad + c)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// bottom is the last line: what is typed, what is wrong, or which keys there are.
func (m *model) bottom() string {
	switch {
	case m.typing && m.field == "by":
		return m.cut("group by (name, tab, client, prefix(N) or a tag): " + string(m.text) + "▏")
	case m.typing:
		return m.cut("filter (a name, a glob, conditions on tags; empty: all): " + string(m.text) + "▏")
	case m.err != nil:
		return m.style(true, red).Render(m.cut("! " + m.err.Error()))
	}
	return m.cut("q quit  ? help  / filter  n name  C client  g group by  r e t c b k sort")
}

const helpText = `Which names, clients or values of a tag have and take the most.

  A SECOND   events a second, over the last minute
  EVENTS     events of the last minute; empty: its Type keeps no times
  TABS       tabs: a name has one for each set of tags
  CLIENTS    clients of these tabs, all together
  BYTES      what the States take from which answers are made

  n  by name        r  sort by A SECOND     /       filter
  N  by whole tab   e  sort by EVENTS       ↑ ↓     scroll
  C  by client      t  sort by TABS         PgUp PgDn
  g  by a tag,      c  sort by CLIENTS      ?       this help
     or prefix(2)   b  sort by BYTES        q       leave
                    k  sort by the first column`
