package statsdtext

import (
	"bytes"
	"strconv"
	"strings"
)

// Kind is what the type of a line makes of its values.
type Kind uint8

// The kinds. Timers (ms), histograms (h) and distributions (d) are one: they
// differ only in what other servers compute from them.
const (
	Counter Kind = iota + 1 // c
	Gauge                   // g
	Timing                  // ms, h, d
	Set                     // s
)

// kinds are the types of lines.
var kinds = map[string]Kind{"c": Counter, "g": Gauge, "ms": Timing, "h": Timing, "d": Timing, "s": Set}

// A Metric is one value of a line.
type Metric struct {
	Head
	Value  float64 // unless it is a Set
	Text   string  // the value of a Set
	Signed bool    // Value was written with a sign
}

// Head is what a line says beside its values.
type Head struct {
	Tab  string // the canonical name, with tags
	Kind Kind
	// Rate is the sample rate, in (0, 1]; each value stands for 1/Rate events.
	Rate float64
	// Time is when it happened, in UTC seconds; 0: now.
	Time int64
}

// A Reason says, as a metric label, why a line is not taken.
type Reason string

// Why lines are not taken.
const (
	NoValue      Reason = "no_value"      // nothing is separated by a colon
	NoType       Reason = "no_type"       // nothing is separated by a bar
	BadName      Reason = "name"          // it is empty
	LongName     Reason = "name_long"     // with its tags, it is over the limit
	BadType      Reason = "type"          // it is not one of c, g, ms, h, d, s
	BadValue     Reason = "value"         // it is not a decimal number, or not finite
	BadRate      Reason = "rate"          // it is not a number in (0, 1]
	BadTime      Reason = "time"          // it is not a positive whole number
	Event        Reason = "event"         // DogStatsD events are not metrics
	ServiceCheck Reason = "service_check" // nor are its service checks
)

// smallestRate bounds how many events one line can stand for.
const smallestRate = 1e-9

// Parse reads one line, without the newline at its end and with or without
// carriage returns before it. A line that is bad
// anywhere is refused whole. An empty line is nothing, and no error. Canonical
// names of more than maxName bytes are refused.
//
// Several values may be separated by colons, as DogStatsD writes them, and so
// may several groups of value, type and rate, as the first statsd took them.
func Parse(line []byte, maxName int) ([]Metric, Reason) {
	text := strings.TrimRight(string(line), "\r")
	if text == "" {
		return nil, ""
	}
	if other := Other([]byte(text)); other != "" {
		return nil, other
	}
	name, rest, ok := strings.Cut(text, ":")
	if !ok {
		return nil, NoValue
	}
	var metrics []Metric
	for more := true; more; {
		values, tail, ok := strings.Cut(rest, "|")
		if !ok {
			return nil, NoType
		}
		tail, rest, more = cutGroup(tail)
		head, why := ParseHead([]byte(name), []byte(tail), maxName)
		if why != "" {
			return nil, why
		}
		group, why := parseValues(values, head)
		if why != "" {
			return nil, why
		}
		metrics = append(metrics, group...)
	}
	return metrics, ""
}

// Other returns Event or ServiceCheck if a line is one of those, else nothing.
func Other(line []byte) Reason {
	switch {
	case bytes.HasPrefix(line, []byte("_e{")):
		return Event
	case bytes.HasPrefix(line, []byte("_sc|")):
		return ServiceCheck
	}
	return ""
}

// cutGroup cuts what follows a bar at the colon that begins another group: one
// in the type or in a rate. In tags and other sections colons have their own
// meaning.
func cutGroup(tail string) (this, next string, more bool) {
	at := 0
	for i, section := range strings.Split(tail, "|") {
		if i == 0 || strings.HasPrefix(section, "@") {
			if colon := strings.IndexByte(section, ':'); colon >= 0 {
				return tail[:at+colon], tail[at+colon+1:], true
			}
		}
		at += len(section) + 1
	}
	return tail, "", false
}

func parseValues(values string, head Head) ([]Metric, Reason) {
	if head.Kind == Set {
		if values == "" {
			return nil, BadValue
		}
		return []Metric{{Head: head, Text: values}}, ""
	}
	var metrics []Metric
	for _, v := range strings.Split(values, ":") {
		f, err := strconv.ParseFloat(v, 64)
		if strings.Trim(v, "0123456789+-.eE") != "" || err != nil {
			return nil, BadValue
		}
		signed := v[0] == '+' || v[0] == '-'
		metrics = append(metrics, Metric{Head: head, Value: f + 0, Signed: signed}) // + 0 turns -0 into 0
	}
	return metrics, ""
}

// ParseHead reads what stands before the first colon of a line, and what
// stands behind the first bar. It does not take a tail of several groups.
func ParseHead(name, tail []byte, maxName int) (h Head, why Reason) {
	h.Rate = 1
	var tags []byte
	sections := bytes.Split(tail, []byte("|"))
	for _, s := range sections[1:] {
		switch {
		case len(s) == 0:
		case s[0] == '@':
			h.Rate, why = parseRate(s[1:], why)
		case s[0] == '#':
			tags = s[1:]
		case s[0] == 'T':
			h.Time, why = parseTime(s[1:], why)
		}
		// Others, such as the container's id, say nothing about the metric.
	}
	h.Kind = kinds[string(sections[0])]
	if h.Kind == 0 {
		return Head{}, BadType
	}
	if why != "" {
		return Head{}, why
	}
	if h.Tab, why = Canonical(name, tags); why == "" && len(h.Tab) > maxName {
		why = LongName
	}
	if why != "" {
		return Head{}, why
	}
	return h, ""
}

// parseRate reads a rate unless something is wrong already.
func parseRate(s []byte, why Reason) (float64, Reason) {
	rate, ok := Number(s)
	if why == "" && (!ok || rate < smallestRate || rate > 1) {
		why = BadRate
	}
	return rate, why
}

func parseTime(s []byte, why Reason) (int64, Reason) {
	t, err := strconv.ParseUint(string(s), 10, 53)
	if why == "" && (err != nil || t == 0) {
		why = BadTime
	}
	return int64(t), why
}
