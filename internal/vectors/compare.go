package vectors

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// equalJSON compares values; two empty bodies are equal.
func equalJSON(got, want string) bool {
	if got == "" || want == "" {
		return got == want
	}
	var g, w any
	return decode(got, &g) && decode(want, &w) && reflect.DeepEqual(g, w)
}

// equalLines compares texts of which each line is a JSON value, or a label
// with ": " and a JSON value.
func equalLines(got, want string) bool {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	return slices.EqualFunc(g, w, func(g, w string) bool {
		if g == w || equalJSON(g, w) {
			return true
		}
		glabel, gvalue, _ := strings.Cut(g, ": ")
		wlabel, wvalue, _ := strings.Cut(w, ": ")
		return glabel == wlabel && equalJSON(gvalue, wvalue)
	})
}

// equalSets compares arrays without their order.
func equalSets(got, want string) bool {
	var g, w []any
	if !decode(got, &g) || !decode(want, &w) {
		return equalJSON(got, want)
	}
	order := func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
	slices.SortFunc(g, order)
	slices.SortFunc(w, order)
	return reflect.DeepEqual(g, w)
}

// sameShape compares the keys of objects and the types of values.
func sameShape(got, want string) bool {
	var g, w any
	return decode(got, &g) && decode(want, &w) && shape(g, w)
}

func shape(g, w any) bool {
	switch w := w.(type) {
	case map[string]any:
		g, ok := g.(map[string]any)
		if !ok || !slices.Equal(slices.Sorted(maps.Keys(g)), slices.Sorted(maps.Keys(w))) {
			return false
		}
		for key := range w {
			if !shape(g[key], w[key]) {
				return false
			}
		}
		return true
	case []any:
		g, ok := g.([]any)
		if !ok || (len(g) == 0) != (len(w) == 0) {
			return false
		}
		for i := range g {
			if !shape(g[i], w[0]) {
				return false
			}
		}
		return true
	}
	return reflect.TypeOf(g) == reflect.TypeOf(w)
}

// decode reads numbers as they are written, so that no digit is lost.
func decode(s string, into any) bool {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	return d.Decode(into) == nil && !d.More()
}
