package lang

import (
	"fmt"
	"strconv"
	"strings"
)

// Limits of a Query.
const (
	MaxText     = 64 << 10 // bytes of a text
	MaxWindow   = 86400    // seconds
	MaxList     = 2000     // elements of a list
	MaxPatterns = 100      // globs and regular expressions
	MaxPick     = 10_000   // of top, bottom and limit
)

// Query is what is asked.
type Query struct {
	Pick    int       // how many rows of the greatest first value; negative: of the least; 0: all
	Values  []Value   // empty: whatever can be told
	Select  []Matcher // tabs: those that any of them selects
	Clients []Pattern // empty: all
	By      []Key     // empty: everything is one group
	Last    int64     // seconds; 0: ever
	Step    int64     // seconds; 0: one value; StepAuto: the buckets that there are
	Limit   int       // rows; 0: as many as the server gives
}

// StepAuto asks for slices as fine as they are kept.
const StepAuto = -1

// Func is what is computed of a group.
type Func uint8

// The functions.
const (
	Count     Func = iota
	Total          // the sum of the values
	Average        // Total / Count
	Rate           // events per second
	TotalRate      // Total per second
	Min
	Max
	Distinct // different values
	Quantile
)

var funcNames = map[string]Func{
	"count": Count, "total": Total, "sum": Total, "average": Average, "avg": Average, "mean": Average,
	"rate": Rate, "total_rate": TotalRate, "min": Min, "max": Max, "distinct": Distinct,
}

// valueNames is what a value may be, as errors say it.
const valueNames = "count, total, average, rate, total_rate, min, max, distinct or a quantile such as p99.9"

// Value is one thing that is computed of every group.
type Value struct {
	Name string // as it is written, and as answers call it
	Func Func
	Q    float64 // of a Quantile: from 0 to 1
}

// ParseValue reads a value's name.
func ParseValue(s string) (Value, error) {
	if f, ok := funcNames[s]; ok {
		return Value{Name: s, Func: f}, nil
	}
	if q, ok := quantile(s); ok {
		return Value{Name: s, Func: Quantile, Q: q}, nil
	}
	return Value{}, fmt.Errorf("unknown value %q; use %s", s, valueNames)
}

// quantile reads p0 to p100, with up to nine digits after the point.
func quantile(s string) (float64, bool) {
	digits, ok := strings.CutPrefix(s, "p")
	whole, fraction, _ := strings.Cut(digits, ".")
	if !ok || len(whole) == 0 || len(whole) > 3 || len(fraction) > 9 || strings.Trim(digits, "0123456789.") != "" {
		return 0, false
	}
	percent, err := strconv.ParseFloat(digits, 64)
	if err != nil || percent > 100 || strings.HasSuffix(digits, ".") {
		return 0, false
	}
	q, err := strconv.ParseFloat(digits+"e-2", 64) // the float64 nearest to it
	return q, err == nil
}

// KeyKind is what groups are made by.
type KeyKind uint8

// The kinds of keys.
const (
	ByTag KeyKind = iota
	ByTab
	ByName // the tab without its tags
	ByClient
	ByPrefix // the first parts of the name
)

// Key is one thing that tabs and clients are grouped by.
type Key struct {
	Kind  KeyKind
	Tag   string
	Parts int // of ByPrefix: how many parts between dots
}

var keyNames = map[string]KeyKind{"tab": ByTab, "name": ByName, "client": ByClient}

// String returns the key as it is written, and as answers call it.
func (k Key) String() string {
	switch k.Kind {
	case ByTab:
		return "tab"
	case ByName:
		return "name"
	case ByClient:
		return "client"
	case ByPrefix:
		return "prefix(" + strconv.Itoa(k.Parts) + ")"
	}
	return k.Tag
}

// text is String for a text to be parsed: a tag may be called as anything is.
func (k Key) text() string {
	if k.Kind != ByTag {
		return k.String()
	}
	if _, taken := keyNames[k.Tag]; taken || k.Tag == "prefix" || !isTagWord(k.Tag) {
		return quoteText(k.Tag)
	}
	return k.Tag
}

// PerClient reports whether the States of single clients are asked for.
func (q *Query) PerClient() bool {
	for _, k := range q.By {
		if k.Kind == ByClient {
			return true
		}
	}
	return len(q.Clients) > 0
}

// String returns a text that parses as q.
func (q *Query) String() string {
	var b strings.Builder
	if q.Pick > 0 {
		fmt.Fprintf(&b, "top %d ", q.Pick)
	} else if q.Pick < 0 {
		fmt.Fprintf(&b, "bottom %d ", -q.Pick)
	}
	for i, v := range q.Values {
		b.WriteString(separator(i) + v.Name)
	}
	if len(q.Values) > 0 || q.Pick != 0 {
		b.WriteString("(")
	}
	for i := range q.Select {
		b.WriteString(separator(i) + q.Select[i].String())
	}
	if len(q.Values) > 0 || q.Pick != 0 {
		b.WriteString(")")
	}
	for i, p := range q.Clients {
		b.WriteString(cond(i == 0, " client ", ", ") + p.String())
	}
	for i, k := range q.By {
		b.WriteString(cond(i == 0, " by (", ", ") + k.text())
	}
	if len(q.By) > 0 {
		b.WriteString(")")
	}
	if q.Last > 0 {
		b.WriteString(" last " + Duration(q.Last))
	}
	if q.Step > 0 {
		b.WriteString(" step " + Duration(q.Step))
	} else if q.Step == StepAuto {
		b.WriteString(" step auto")
	}
	if q.Limit > 0 {
		fmt.Fprintf(&b, " limit %d", q.Limit)
	}
	return b.String()
}

func separator(i int) string { return cond(i == 0, "", ", ") }

func cond(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// units are those of durations, largest first.
var units = []struct {
	name    byte
	seconds int64
}{{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}}

// Duration returns the text of so many seconds.
func Duration(seconds int64) string {
	for _, u := range units {
		if seconds%u.seconds == 0 {
			return strconv.FormatInt(seconds/u.seconds, 10) + string(u.name)
		}
	}
	return "0s"
}
