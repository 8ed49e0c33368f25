package builtin

import (
	"strconv"

	"github.com/tabaproject/taba/state"
)

// number returns the number that an event carries: a JSON number, true or
// false as 1 or 0, or the first element of a list of which the same holds. A
// reason that is not empty says why there is none.
func number(e *state.Event) (float64, state.Reason) {
	if e.Number && finite(e.Value) && finite(e.Time) {
		return e.Value, ""
	}
	return numberOfJSON(e)
}

// numberOfJSON is number for what is not simply a good number.
func numberOfJSON(e *state.Event) (float64, state.Reason) {
	if !finite(e.Time) || e.Number {
		return 0, state.ReasonNotFinite
	}
	var buf [64]byte
	v, why := canonical(buf[:0], e)
	if why != "" {
		return 0, why
	}
	if v[0] == '[' {
		v = firstElement(v)
	}
	return numberOfValue(v)
}

// numberOfValue returns the number that a canonical value is.
func numberOfValue(v []byte) (float64, state.Reason) {
	switch {
	case len(v) == 0:
		return 0, state.ReasonPayload
	case v[0] == 't':
		return 1, ""
	case v[0] == 'f':
		return 0, ""
	case !isNumber(v):
		return 0, state.ReasonPayload
	}
	f, _ := strconv.ParseFloat(string(v), 64)
	if !finite(f) {
		return 0, state.ReasonNotFinite
	}
	return f, ""
}
