package lang

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// maxProgram is how many steps a regular expression may have once its
// repetitions are written out: each takes time for each byte of each name.
const maxProgram = 4000

var errProgram = fmt.Errorf("it repeats too much, more than %d steps", maxProgram)

// compile compiles an expression that is not too large, and one that has to
// match a whole text.
func compile(expr string) (bare, whole *regexp.Regexp, err error) {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, nil, errors.New(strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	if steps(tree) > maxProgram {
		return nil, nil, errProgram
	}
	if bare, err = regexp.Compile(expr); err != nil {
		return nil, nil, err
	}
	whole, err = regexp.Compile(`\A(?:` + expr + `)\z`)
	return bare, whole, err
}

// steps estimates the length of the program that an expression becomes.
func steps(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)/2
	for _, sub := range re.Sub {
		n += steps(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, maxProgram+1)
}
