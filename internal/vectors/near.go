package vectors

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
)

// equalButFor compares texts as equalLines does, but grants what the recorded
// answers leave open: the order of an object's members, and what the windows of
// a CounterGroup lost because the original kept their totals as float32. How
// the lines are written has to be the same.
func equalButFor(got, want string) bool {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	return slices.EqualFunc(g, w, func(g, w string) bool {
		if g == w {
			return true
		}
		if marks(g) != marks(w) {
			return false
		}
		if nearJSON(g, w) {
			return true
		}
		glabel, gvalue, _ := strings.Cut(g, ": ")
		wlabel, wvalue, _ := strings.Cut(w, ": ")
		return glabel == wlabel && nearJSON(gvalue, wvalue)
	})
}

// marks counts the bytes of a line that are not of numbers.
func marks(line string) (count [256]int) {
	for _, c := range []byte(line) {
		if (c < '0' || c > '9') && c != '.' && c != '-' {
			count[c]++
		}
	}
	return count
}

func nearJSON(got, want string) bool {
	var g, w any
	return decode(got, &g) && decode(want, &w) && near(g, w)
}

func near(g, w any) bool {
	switch w := w.(type) {
	case map[string]any:
		g, ok := g.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for key := range w {
			if value, has := g[key]; !has || !(near(value, w[key]) || isWindow(w) && nearNumber(value, w[key])) {
				return false
			}
		}
		return true
	case []any:
		g, ok := g.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !near(g[i], w[i]) && !(i == 2 && isBucket(w) && nearNumber(g[i], w[i])) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(g, w)
}

// isWindow reports whether v is a window of a CounterGroup.
func isWindow(v map[string]any) bool {
	return len(v) == 3 && v["count"] != nil && v["total"] != nil && v["average"] != nil
}

// isBucket reports whether v is a bucket of one: start, count, total.
func isBucket(v []any) bool {
	for _, n := range v {
		if _, ok := n.(json.Number); !ok {
			return false
		}
	}
	return len(v) == 3
}

// nearNumber compares numbers with a tolerance of 1e-6, and of what rounding to
// two decimals makes of that.
func nearNumber(g, w any) bool {
	gn, ok := g.(json.Number)
	if !ok {
		return false
	}
	wn, ok := w.(json.Number)
	if !ok {
		return false
	}
	a, errA := gn.Float64()
	b, errB := wn.Float64()
	whole := !strings.ContainsAny(string(wn), ".e") // a count
	return errA == nil && errB == nil && !whole && math.Abs(a-b) <= 0.0101+1e-6*math.Abs(b)
}
