package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/fleet"
)

// body is a sample as a person at a terminal sees it.
func (s *sample) body(out cli.Output) string {
	var b strings.Builder
	total := s.counts()
	fmt.Fprintf(&b, "\n%s   %s events/s   lag %s (worst of the last %d: %s)\n",
		s.age.Round(time.Second), whole(s.rate), millis(s.lag.median), probeKeep, millis(s.lag.worst))
	fmt.Fprintf(&b, "recorded %s   acknowledged %s   counted %s   on the way %s%s\n\n",
		number(total.recorded), number(total.acknowledged), number(total.counted),
		number(total.recorded-min(total.recorded, total.counted)), s.doubtful())
	if s.err != nil {
		fmt.Fprintf(&b, "%v\n\n", s.err)
	}
	if last := s.story[max(0, len(s.story)-storyLines):]; len(last) > 0 {
		b.WriteString(strings.Join(last, "\n") + "\n\n")
	}
	b.WriteString(out.Grid("How many", []string{"TAB", "LAST MINUTE", "10 MINUTES", "HOUR", "DAY"}, s.counters(), 1) + "\n")
	b.WriteString(s.amounts(out) + "\n")
	b.WriteString(s.builds(out.Color) + s.leaders() + s.errors())
	return b.String()
}

// doubtful is said only if there is any.
func (s *sample) doubtful() string {
	if s.doubt == 0 {
		return ""
	}
	return "   in doubt " + number(s.doubt)
}

func (s *sample) counters() [][]string {
	var rows [][]string
	for _, name := range []string{fleet.TabRequests, fleet.TabWon, fleet.TabLost} {
		a := s.answers[name]
		row := []string{name}
		for _, w := range []string{"1m", "10m", "1h", "1d"} {
			row = append(row, cli.Group(a.Line(w).Count))
		}
		rows = append(rows, row)
	}
	return rows
}

// wide is how many columns the table with all percentiles takes.
const wide = 136

// amounts is the table of percentiles, of fewer where there is no room.
func (s *sample) amounts(out cli.Output) string {
	which := []int{0, 1, 2, 3, 4, 5, 6}
	if out.Width > 0 && out.Width < wide {
		which = []int{1, 3, 5}
	}
	header := []string{"TAB", "COUNT", "AVERAGE"}
	for _, i := range which {
		header = append(header, strings.ToUpper(cli.Percentiles[i]))
	}
	rows := [][]string{
		s.amount(fleet.TabLatency, "1m", which),
		s.amount(fleet.TabPrice, "1m", which),
		s.amount(fleet.TabBytes, "all", which),
	}
	return out.Grid("How much, in the last minute (creative_bytes: ever)", header, rows, 1)
}

func (s *sample) amount(tab, window string, which []int) []string {
	a := s.answers[tab]
	l := a.Line(window)
	row := []string{tab, cli.Group(l.Count), short(l.Average)}
	for _, i := range which {
		p := ""
		if i < len(l.Percentiles) {
			p = cli.Group(l.Percentiles[i])
		}
		row = append(row, p)
	}
	return row
}

// builds draws how many clients run which build.
func (s *sample) builds(color bool) string {
	const width = 40
	a := s.answers[fleet.TabBuild]
	lines := a.Lines()
	total := 0
	for _, l := range lines {
		n, _ := strconv.Atoi(l.Count)
		total += n
	}
	var b strings.Builder
	b.WriteString("\nBuilds ")
	for i, l := range lines {
		n, _ := strconv.Atoi(l.Count)
		bar := strings.Repeat("█", width*n/max(1, total))
		if color {
			bar = fmt.Sprintf("\x1b[%dm%s\x1b[0m", 32+i%5, bar)
		}
		fmt.Fprintf(&b, " %s %s %d ", cli.Printable(l.Value), bar, n)
	}
	return b.String() + "\n"
}

func (s *sample) leaders() string {
	a := s.answers[fleet.TabLeader]
	var zones []string
	for _, l := range a.Lines() {
		zones = append(zones, cli.Printable(l.Value))
	}
	return "Zones with a leader  " + strings.Join(zones, ", ") + "\n"
}

// errors shows the latest entries of the Buffer: those that expire last.
func (s *sample) errors() string {
	a := s.answers[fleet.TabErrors]
	lines := a.Lines()
	text := fmt.Sprintf("Errors of the last minute  %d\n", len(lines))
	for _, l := range lines[:min(3, len(lines))] {
		text += "  " + cli.Printable(l.Value) + "\n"
	}
	return text
}

func number(n uint64) string { return cli.Group(strconv.FormatUint(n, 10)) }

func whole(f float64) string { return cli.Group(strconv.FormatFloat(f, 'f', 0, 64)) }

// short rounds a number's text to two decimals.
func short(text string) string {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return cli.Group(strconv.FormatFloat(f, 'f', 2, 64))
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
