package figures

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tabaproject/taba/internal/bench"
	"github.com/tabaproject/taba/internal/cli"
)

func sample() Result {
	r := Result{
		Title: "Something measured",
		Figures: []Figure{
			atLeast("10 a bundle", []float64{12, 9, 11}, "M events/s", 10, "as it was"),
			atMost("10 a bundle, server", []float64{130, 125, 140}, "CPU ns/event", 120, ""),
			{Name: "10 a bundle", Column: "ALLOCATIONS", Values: []float64{0.01}},
			{Name: "10 a bundle", Column: "COPIES/BYTE"},
			plain("100 a bundle", []float64{3}, "ms", "as it was"),
			{Name: "100 a bundle", Column: "COPIES/BYTE", Values: []float64{1, 2, 3}},
		},
		Calibration: [2]bench.Calibration{{Multiply: 1, Copy: 40, Chase: 150, Fdatasync: 160}, {Multiply: 1.5, Copy: 40, Chase: 150, Fdatasync: 160}},
	}
	r.judge()
	return r
}

func TestText(t *testing.T) {
	r := sample()
	want := `Something measured

FIGURE                   UNIT          MEDIAN   MIN   MAX  × MULTIPLY   GOAL
10 a bundle          ok  M events/s      11.0  9.00  12.0               ≥ 10
10 a bundle, server  no  CPU ns/event     130   125   140         104  ≤ 120
100 a bundle             ms              3.00

MEDIANS       ALLOCATIONS  COPIES/BYTE
10 a bundle         0.010            –
100 a bundle                      2.00

  as it was
  machine before:  multiply 1.00 ns, copy 40.0 GB/s, pointer chase 150 ns, fdatasync 160 us
  machine after:   multiply 1.50 ns, copy 40.0 GB/s, pointer chase 150 ns, fdatasync 160 us
`
	if diff := cmp.Diff(want, r.Text(cli.Output{})); diff != "" {
		t.Errorf("the table (-want +got):\n%s", diff)
	}
}

func TestSummary(t *testing.T) {
	failed := Result{Name: "other", Failed: "it did not start"}
	r := sample()
	r.Name = "some"
	want := `1 of 2 goals are reached.
Not reached:
  some: 10 a bundle, server: 130 (125-140) CPU ns/event (goal ≤ 120)
  other: failed
`
	if diff := cmp.Diff(want, Summary([]Result{r, failed})); diff != "" {
		t.Errorf("the summary (-want +got):\n%s", diff)
	}
}

func TestCountOf(t *testing.T) {
	f := func(answer string, want int) {
		t.Helper()
		if got, err := countOf([]byte(answer)); got != want || err != nil {
			t.Errorf("%q counts %d, %v, want %d", answer, got, err, want)
		}
	}
	f(`a: {"count": 3, "total": 1.00, "average": 0.3}`, 3)
	f(`a: {"1m": {"count": 1}, "1d": {"count": 7}}`, 7)
	if _, err := countOf([]byte("")); err == nil {
		t.Error("no tab counts something")
	}
}
