package figures

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tabaproject/taba/internal/bench"
	"github.com/tabaproject/taba/internal/cli"
)

// Text shows a Result to people.
func (r *Result) Text(out cli.Output) string {
	var b strings.Builder
	if !out.Terminal {
		fmt.Fprintf(&b, "%s\n\n", r.Title)
	}
	if r.Failed != "" {
		fmt.Fprintf(&b, "FAILED: %s\n", r.Failed)
		return b.String()
	}
	header := []string{"FIGURE", "", "UNIT", "MEDIAN", "MIN", "MAX", "× MULTIPLY", "GOAL"}
	var rows [][]string
	for i := range r.Figures {
		if r.Figures[i].Column == "" {
			rows = append(rows, r.row(&r.Figures[i]))
		}
	}
	fmt.Fprintf(&b, "%s\n\n", out.Grid(r.Title, header, rows, 3))
	if header, rows = r.second(); len(rows) > 0 {
		fmt.Fprintf(&b, "%s\n\n", out.Grid("Beside that, medians", header, rows, 1))
	}
	for _, remark := range r.remarks() {
		fmt.Fprintf(&b, "  %s\n", remark)
	}
	fmt.Fprintf(&b, "  machine before:  %s\n  machine after:   %s\n", r.Calibration[0], r.Calibration[1])
	return b.String()
}

// second is the table of figures that have a column.
func (r *Result) second() (header []string, rows [][]string) {
	header = []string{"MEDIANS"}
	for _, f := range r.Figures {
		if f.Column == "" {
			continue
		}
		at := slices.Index(header, f.Column)
		if at < 0 {
			at = len(header)
			header = append(header, f.Column)
		}
		if len(rows) == 0 || rows[len(rows)-1][0] != f.Name {
			rows = append(rows, []string{f.Name})
		}
		last := &rows[len(rows)-1]
		for len(*last) <= at {
			*last = append(*last, "")
		}
		(*last)[at] = bench.Number(median(f.Values)).String()
	}
	return header, rows
}

// row is a figure in columns. What is processor time is also told in
// multiplications: machines differ, and drift.
func (r *Result) row(f *Figure) []string {
	row := []string{f.Name, "", f.Unit, "–", "", "", "", ""}
	if f.Reached != nil {
		row[1] = map[bool]string{true: "ok", false: "no"}[*f.Reached]
	}
	if len(f.Values) > 0 {
		row[3] = bench.Number(median(f.Values)).String()
	}
	if len(f.Values) > 1 {
		row[4], row[5] = bench.Number(slices.Min(f.Values)).String(), bench.Number(slices.Max(f.Values)).String()
	}
	if ns := nanoseconds(f.Unit); ns > 0 && len(f.Values) > 0 && r.multiply() > 0 {
		row[6] = bench.Number(median(f.Values) * ns / r.multiply()).String()
	}
	if f.Goal != nil {
		row[7] = map[bool]string{true: "≥ ", false: "≤ "}[f.Goal.AtLeast] + number(f.Goal.Limit)
	}
	return row
}

// number is a goal as it was set.
func number(v float64) string {
	if v == math.Trunc(v) {
		return cli.Group(fmt.Sprintf("%.0f", v))
	}
	return fmt.Sprintf("%.3g", v)
}

// nanoseconds is how many a unit of processor time has; 0: it is none.
func nanoseconds(unit string) float64 {
	switch {
	case strings.HasPrefix(unit, "CPU ns/"):
		return 1
	case strings.HasPrefix(unit, "CPU us/"):
		return 1e3
	}
	return 0
}

func (r *Result) multiply() float64 {
	return (r.Calibration[0].Multiply + r.Calibration[1].Multiply) / 2
}

// remarks are those of the figures, each once.
func (r *Result) remarks() (list []string) {
	for _, f := range r.Figures {
		if f.Remark != "" && !slices.Contains(list, f.Remark) {
			list = append(list, f.Remark)
		}
	}
	return list
}

// Summary says which goals were reached and which were not.
func Summary(list []Result) string {
	reached, total := 0, 0
	var missed []string
	for _, r := range list {
		if r.Failed != "" {
			missed = append(missed, fmt.Sprintf("  %s: failed", r.Name))
		}
		for _, f := range r.Figures {
			if f.Reached == nil {
				continue
			}
			total++
			if *f.Reached {
				reached++
				continue
			}
			missed = append(missed, fmt.Sprintf("  %s: %s: %s %s", r.Name, f.Name, spread(f.Values, f.Unit), r.against(&f)))
		}
	}
	text := fmt.Sprintf("%d of %d goals are reached.\n", reached, total)
	if len(missed) > 0 {
		text += "Not reached:\n" + strings.Join(missed, "\n") + "\n"
	}
	return text
}

func (r *Result) against(f *Figure) string { return "(goal " + r.row(f)[7] + ")" }
