package main

import (
	"strings"
	"testing"

	"github.com/tabaproject/taba/state/statetest"
	"pgregory.net/rapid"
)

func TestLaws(t *testing.T) {
	statetest.Laws(t, Extremes{}, statetest.Gen{
		Payloads: func(t *rapid.T, _ float64) []string {
			return rapid.SliceOfN(rapid.SampledFrom([]string{"0", "1", "-1", "2.5", "1e300", "-7", `"text"`, "NaN", "[1]"}), 1, 9).Draw(t, "payloads")
		},
	})
}

func TestRun(t *testing.T) {
	var out strings.Builder
	if err := run(&out); err != nil {
		t.Fatal(err)
	}
	want := `request_seconds: {"count": 4, "min": 1.50, "max": 12.00}` + "\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
