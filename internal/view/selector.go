package view

import (
	"fmt"
	"regexp"
)

// Selector chooses names. The zero Selector chooses all.
type Selector struct {
	items []item
	re    *regexp.Regexp
	some  bool
}

// item is one entry of a list: whole, or parts if there are any and whole does
// not exist.
type item struct {
	whole string
	parts []string
}

// List chooses the given names.
func List(names ...string) Selector {
	s := Selector{some: true}
	for _, n := range names {
		s = s.With(n)
	}
	return s
}

// With returns the list s with one more name.
func (s Selector) With(name string) Selector {
	s.items = append(s.items, item{whole: name})
	return s
}

// Either returns the list s with the name whole or, where that does not
// exist, with parts.
func (s Selector) Either(whole string, parts ...string) Selector {
	s.items = append(s.items, item{whole: whole, parts: parts})
	return s
}

// Pattern chooses the names that expr matches from their start on, like
// Python's re.match: not necessarily to their end. The syntax is that of
// package regexp: no look-around, no back-references; \z for Python's \Z.
func Pattern(expr string) (Selector, error) {
	// Compiled by itself first: a lone parenthesis must not pair up with ours.
	if _, err := regexp.Compile(expr); err != nil {
		return Selector{}, fmt.Errorf("regular expression %q: %w", expr, err)
	}
	re, err := regexp.Compile(`\A(?:` + expr + `)`)
	if err != nil {
		return Selector{}, fmt.Errorf("regular expression %q: %w", expr, err)
	}
	return Selector{some: true, re: re}, nil
}

// All reports whether everything is chosen.
func (s Selector) All() bool { return !s.some }

// candidates returns all names that a list may mean.
func (s Selector) candidates() map[string]struct{} {
	set := make(map[string]struct{}, len(s.items))
	for _, it := range s.items {
		set[it.whole] = struct{}{}
		for _, p := range it.parts {
			set[p] = struct{}{}
		}
	}
	return set
}

// list returns the names of a list, once each.
func (s Selector) list(exists func(name string) bool) map[string]struct{} {
	set := make(map[string]struct{}, len(s.items))
	for _, it := range s.items {
		if it.parts == nil || exists(it.whole) {
			set[it.whole] = struct{}{}
			continue
		}
		for _, p := range it.parts {
			set[p] = struct{}{}
		}
	}
	return set
}
