package sim

import (
	"fmt"
	"strings"
)

// tale is what happened, in words.
type tale struct {
	on    bool
	steps []string
}

func (t *tale) say(format string, args ...any) {
	if t.on {
		t.steps = append(t.steps, fmt.Sprintf(format, args...))
	}
}

// String numbers the steps.
func (t *tale) String() string {
	var b strings.Builder
	for i, s := range t.steps {
		fmt.Fprintf(&b, "%5d  %s\n", i+1, s)
	}
	return b.String()
}
