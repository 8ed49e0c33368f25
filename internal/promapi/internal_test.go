package promapi

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"pgregory.net/rapid"
)

// TestNextFindsAll: going from one place to the next finds the tabs that a walk
// through all of them finds, and always moves on.
func TestNextFindsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		char := rapid.SampledFrom([]string{"a", "b", "_", ".", "-", ":", ";", "0", "~", "\xff", "\x00"})
		name := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(char, 1, 5).Draw(t, "chars"), "") })
		tabs := rapid.SliceOfN(name, 1, 60).Draw(t, "tabs")
		slices.Sort(tabs)
		tabs = slices.Compact(tabs)
		p := namePattern{
			text:  strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "_", ":", "0"}), 0, 4).Draw(t, "text"), ""),
			whole: rapid.Bool().Draw(t, "whole"),
		}
		if !p.whole {
			p.text = tabPrefix(p.text)
		}
		match := func(tab string) bool {
			name, _, _ := strings.Cut(tab, ";")
			if p.whole {
				return becomes(name, p.text)
			}
			return strings.HasPrefix(name, p.text)
		}
		var want, got []string
		for _, tab := range tabs {
			if match(tab) {
				want = append(want, tab)
			}
		}
		for i := 0; i < len(tabs); {
			if match(tabs[i]) {
				got = append(got, tabs[i])
				i++
				continue
			}
			next, more := p.next(tabs[i])
			if !more {
				break
			}
			if next <= tabs[i] {
				t.Fatalf("%q: from %q to %q", p.text, tabs[i], next)
			}
			i, _ = slices.BinarySearch(tabs, next)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v in %q: found %q, not %q", p, tabs, got, want)
		}
	})
}

// TestMetricNames: whatever a tab is called, its metrics and labels are called as
// Prometheus lets them be.
func TestMetricNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		for i, c := range []byte(metricName(name)) {
			if !metricByte[c] || i == 0 && isDigit(c) {
				t.Fatalf("%q becomes %q", name, metricName(name))
			}
		}
		if key := labelKey(name); strings.ContainsAny(key, ":") || strings.HasPrefix(key, "__") || key == labelClient {
			t.Fatalf("%q becomes the label %q", name, key)
		}
	})
}

// TestEncode holds the encoding without reflection to encoding/json.
func TestEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z_]{1,9}`))
		metric := labels.FromStrings("__name__", text.Draw(t, "name"), "l", text.Draw(t, "value"))
		number := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), 1 << 53, 1e300, 5e-324, 12}))
		at := rapid.Int64Range(-1e13, 1e13)
		var value parser.Value
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			value = promql.Scalar{T: at.Draw(t, "t"), V: number.Draw(t, "v")}
		case 1:
			value = promql.String{T: at.Draw(t, "t"), V: text.Draw(t, "v")}
		case 2:
			value = promql.Vector{{Metric: metric, T: at.Draw(t, "t"), F: number.Draw(t, "v")}}
		default:
			m := promql.Series{Metric: metric, Floats: []promql.FPoint{{T: at.Draw(t, "t"), F: number.Draw(t, "v")}, {T: at.Draw(t, "t"), F: number.Draw(t, "v")}}}
			if rapid.Bool().Draw(t, "histogram") {
				m.Histograms = []promql.HPoint{{T: 5, H: &histogram.FloatHistogram{Count: 1, Sum: 2}}}
			}
			value = promql.Matrix{m}
		}
		got, err := appendResult(nil, value)
		if err != nil {
			t.Fatal(err)
		}
		reference, err := json.Marshal(map[string]any{"resultType": value.Type(), "result": value})
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if json.Unmarshal(got, &a) != nil || json.Unmarshal(reference, &b) != nil || !reflect.DeepEqual(a, b) {
			t.Fatalf("%s, not %s", got, reference)
		}
	})
}

// FuzzTimes: no time or duration is one that arithmetic fails on.
func FuzzTimes(f *testing.F) {
	for _, s := range []string{"1395954300.123", "2014-03-27T21:05:00Z", "1e300", "NaN", "-5", "15s", "1h30m", "9999999999999y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if x, err := parseTime(s); err == nil && (x.Unix() > maxSeconds || x.Unix() < -maxSeconds) {
			t.Errorf("%q is %v", s, x)
		}
		if d, err := parseDuration(s); err == nil && (d > maxDuration || d < -maxDuration) {
			t.Errorf("%q is %v", s, d)
		}
	})
}

// TestSpans: a native histogram's spans say which buckets there are.
func TestSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cells := rapid.SliceOfDistinct(rapid.Int32Range(-500, 500), func(c int32) int32 { return c }).Draw(t, "cells")
		slices.Sort(cells)
		var bins []bin
		var row []float64
		for _, c := range cells {
			bins, row = append(bins, positiveBins+bin(c), -positiveBins-bin(c)), append(row, 1, 1)
		}
		slices.Sort(bins)
		h := newHistogram(bins, row)
		h.Count = float64(len(row))
		if err := h.Validate(); err != nil {
			t.Fatal(err)
		}
		for _, it := range []histogram.BucketIterator[float64]{h.PositiveBucketIterator(), h.NegativeBucketIterator()} {
			var got []int32
			for it.Next() {
				got = append(got, it.At().Index)
			}
			if !slices.Equal(got, cells) && len(cells) > 0 {
				t.Fatalf("%v are %v", cells, got)
			}
		}
	})
	if got := cell(1); got != 0 {
		t.Errorf("1 is in bucket %d", got)
	}
	if lookback < 15*time.Minute {
		t.Error("the widest buckets are longer than what is looked back")
	}
}
