package verify

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tabaproject/taba/internal/cli"
)

// Report is what a Session found.
type Report struct {
	Rows       []Row    // one for each agent or server posted to
	Stray      uint64   // events counted for clients that never were
	Reads      uint64   // answers checked while events were being sent
	ReadFaults []string // what was wrong with them
	Findings   []string // the first events counted wrongly
	Names      string   // of the tabs, as a regular expression
	more       int      // findings not kept
}

// Row is what became of the events of one agent or server, in events.
type Row struct {
	Name                        string
	Sent, Acknowledged, InDoubt uint64
	Counted                     uint64
	DoubtCounted                uint64 // of those in doubt, how many are counted
	Duplicates, Missing         uint64
}

// Keeps reports whether a later answer has all that an earlier one had. Of what
// is in doubt more may have been counted meanwhile.
func (w Row) Keeps(earlier Row) bool {
	return w.Counted-w.DoubtCounted == earlier.Counted-earlier.DoubtCounted && w.DoubtCounted >= earlier.DoubtCounted &&
		w.Missing == earlier.Missing && w.Duplicates == earlier.Duplicates
}

// maxFindings is how many events counted wrongly are named.
const maxFindings = 10

func (r *Report) found(format string, args ...any) {
	if len(r.Findings) == maxFindings {
		r.more++
		return
	}
	r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
}

// cell adds one cell to a row.
func (r *Report) cell(row *Row, tab, client string, c cell, posts [pageSize]outcome) {
	row.Counted += c.Count
	times, legible := c.times()
	if !legible {
		r.illegible(row, tab, client, c, posts)
		return
	}
	for i, n := range times {
		switch {
		case posts[i] == notSent && n > 0:
			r.Stray += uint64(n)
			r.found("%s, %s: the event of post %d was not sent and is counted %d times", tab, client, i, n)
		case posts[i] == acknowledged && n == 0:
			row.Missing++
			r.found("%s, %s: the event of post %d was acknowledged and is missing", tab, client, i)
		case n > 1:
			row.Duplicates += uint64(n - 1)
			r.found("%s, %s: the event of post %d is counted %d times", tab, client, i, n)
		}
		if posts[i] != acknowledged && posts[i] != notSent && n > 0 {
			row.DoubtCounted++
		}
	}
}

// illegible adds a cell of which only the count is known.
func (r *Report) illegible(row *Row, tab, client string, c cell, posts [pageSize]outcome) {
	var sent uint64
	for _, o := range posts {
		if o != notSent {
			sent++
		}
	}
	row.Duplicates += max(c.Count, sent+1) - sent
	r.found("%s, %s: %d events were sent; %d are counted with a total of %.0f, which no choice of them gives", tab, client, sent, c.Count, c.Total)
}

// Total is all rows together.
func (r *Report) Total() Row {
	t := Row{Name: "together"}
	for _, row := range r.Rows {
		t.Sent += row.Sent
		t.Acknowledged += row.Acknowledged
		t.InDoubt += row.InDoubt
		t.Counted += row.Counted
		t.DoubtCounted += row.DoubtCounted
		t.Duplicates += row.Duplicates
		t.Missing += row.Missing
	}
	return t
}

// OK says that every acknowledged event is counted exactly once, that there
// are any, and that no other event is counted more than once.
func (r *Report) OK() bool {
	t := r.Total()
	return t.Acknowledged > 0 && t.Missing == 0 && t.Duplicates == 0 && r.Stray == 0 && len(r.ReadFaults) == 0
}

// Text renders the table and the verdict.
func (r *Report) Text(out cli.Output) string {
	rows := r.Rows
	if len(rows) > 1 {
		rows = append(rows[:len(rows):len(rows)], r.Total())
	}
	header := []string{"EVENTS THROUGH", "SENT", "ACKNOWLEDGED", "IN DOUBT", "COUNTED", "DUPLICATES", "MISSING"}
	var cells [][]string
	for _, w := range rows {
		cells = append(cells, []string{w.Name, number(w.Sent), number(w.Acknowledged), number(w.InDoubt), number(w.Counted), number(w.Duplicates), number(w.Missing)})
	}
	return out.Grid("Exactly once", header, cells, 1) + "\n\n" + r.verdict()
}

// verdict says in sentences what the table means.
func (r *Report) verdict() string {
	var b strings.Builder
	t := r.Total()
	if t.InDoubt > 0 {
		fmt.Fprintf(&b, "In doubt are %s events whose posts got no answer; they may count or not. %s of them count.\n", number(t.InDoubt), number(t.DoubtCounted))
	}
	fmt.Fprintf(&b, "%s answers were checked while events were being sent.\n", number(r.Reads))
	for _, f := range append(r.Findings, r.ReadFaults[:min(maxFindings, len(r.ReadFaults))]...) {
		fmt.Fprintf(&b, "  %s\n", cli.Printable(f))
	}
	if r.more > 0 {
		fmt.Fprintf(&b, "  and %d more\n", r.more)
	}
	switch {
	case t.Acknowledged == 0:
		b.WriteString("Nothing was acknowledged, so nothing is proven.\n")
	case r.OK():
		fmt.Fprintf(&b, "PASS: each of the %s acknowledged events is counted exactly once.\n", number(t.Acknowledged))
	default:
		fmt.Fprintf(&b, "FAIL: %s missing, %s duplicates, %s never sent, %d wrong answers.\n", number(t.Missing), number(t.Duplicates), number(r.Stray), len(r.ReadFaults))
	}
	return b.String()
}

func number(n uint64) string { return cli.Group(strconv.FormatUint(n, 10)) }
