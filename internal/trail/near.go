package trail

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Printable is a name as it can be shown and typed: what is not printable UTF-8
// is written \xNN.
func Printable(name string) string {
	if plain(name) {
		return name
	}
	const hex = "0123456789abcdef"
	b := make([]byte, 0, len(name)+16)
	for len(name) > 0 {
		r, n := utf8.DecodeRuneInString(name)
		if r == utf8.RuneError && n == 1 || r < ' ' || r >= 0x7f && r < 0xa0 {
			for i := range n {
				b = append(b, '\\', 'x', hex[name[i]>>4], hex[name[i]&15])
			}
		} else {
			b = append(b, name[:n]...)
		}
		name = name[n:]
	}
	return string(b)
}

func plain(name string) bool {
	for i := range len(name) {
		if name[i] < ' ' || name[i] >= 0x7f {
			return false
		}
	}
	return true
}

// Likeness tells how near two names are: 0 is the same, less is nearer. Beyond
// Unlike they are not near.
type Likeness int

// Unlike is the Likeness of names that have nothing to do with each other.
const Unlike Likeness = 100

// What makes names near, the nearest first.
const (
	sameName    Likeness = 0
	sameLetters Likeness = 1  // but for case and what is no letter or digit
	typo        Likeness = 10 // and one more for each letter
	isBeginning Likeness = 20
	isWithin    Likeness = 30
	shortest             = 3 // bytes of a name that may be part of another one
)

// Like tells how near a name is to the one that is asked for.
func Like(asked, name string) Likeness {
	if asked == name {
		return sameName
	}
	a, b := letters(asked), letters(name)
	long := min(len(a), len(b)) >= shortest
	switch {
	case a == b && a != "":
		return sameLetters
	case len(a)-len(b) > maxTypos || len(b)-len(a) > maxTypos || !long:
	default:
		if d := Distance(a, b, min(maxTypos, len(a)/shortest)); d >= 0 {
			return typo + Likeness(d)
		}
	}
	switch {
	case !long:
	case strings.HasPrefix(a, b), strings.HasPrefix(b, a):
		return isBeginning
	case strings.Contains(a, b), strings.Contains(b, a):
		return isWithin
	}
	return Unlike
}

// letters is what of a name is compared: lower-case letters and digits, and all
// that is no ASCII.
func letters(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c >= utf8.RuneSelf && c != utf8.RuneError:
			return c
		case c >= 'A' && c <= 'Z':
			return c + ('a' - 'A')
		}
		return -1
	}, name)
}

const maxTypos = 2

// Distance is the Levenshtein distance of two texts in bytes, -1 if it is more
// than most.
func Distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return -1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal, least := row[0], i+1
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
			least = min(least, row[j+1])
		}
		if least > most {
			return -1
		}
	}
	if row[len(b)] > most {
		return -1
	}
	return row[len(b)]
}

// Find returns the Traces of a name, and those of names near to it, the nearest
// first and then the latest. Traces of requests of which no name is known are
// near if their text has the name.
func (t *Trail) Find(name string) (exact, near []Trace) { return Find(t.All(), name) }

// Find is the method of the same name, of any Traces.
func Find(all []Trace, name string) (exact, near []Trace) {
	type found struct {
		Trace
		Likeness
	}
	var list []found
	for _, tr := range all {
		switch {
		case tr.Name == "" && strings.Contains(tr.Detail, name):
			list = append(list, found{tr, isWithin})
		case tr.Name == "":
		case tr.is(name):
			exact = append(exact, tr)
		default:
			if l := min(Like(name, tr.Name), Like(name, Printable(tr.Name))); l < Unlike {
				list = append(list, found{tr, l})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b found) int { return int(a.Likeness - b.Likeness) })
	for _, f := range list {
		near = append(near, f.Trace)
	}
	return exact, near
}

// is reports whether the Trace is of a name, as it was sent or as it is shown.
// Of one that was cut it is also if the names begin alike.
func (tr *Trace) is(name string) bool {
	if tr.Name == name || Printable(tr.Name) == name {
		return true
	}
	return tr.Length > 0 && len(name) > len(tr.Name) && strings.HasPrefix(name, tr.Name)
}

// Nameless returns the Traces of requests of which no name is known.
func (t *Trail) Nameless() (list []Trace) {
	for _, tr := range t.All() {
		if tr.Name == "" {
			list = append(list, tr)
		}
	}
	return list
}
