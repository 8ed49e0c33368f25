package wire

import (
	"fmt"

	"github.com/tabaproject/taba/state"
)

// The original's text protocol, version 1. A body is lines that end in \n:
//
//	1
//	                        (blank)
//	client
//	                        (blank)
//	tab
//	["CounterGroup", 1395954314.12, "5"]
//	…                       (more events of the tab)
//	                        (blank: the tab ends)
//	…                       (more tabs)
//	                        (blank: the client ends)
//	…                       (more clients)
//
// An event is a JSON array of Type, time in UTC seconds, and payload, the
// payload being JSON text in a string. Blank lines that are missing at the end
// are forgiven. Names are bytes of whatever encoding.

// Limits bound what a Decoder accepts and holds. A zero field means its
// default.
type Limits struct {
	// Name is the longest name of a client, tab or Type, in bytes. Default
	// 512.
	Name int
	// Line is the longest line, in bytes. Default 1 MiB.
	Line int
	// BundleEvents is how many events a bundle holds before it is split.
	// Default 50,000, as the original's.
	BundleEvents int
	// BundleBytes is how many bytes of lines a bundle holds before it is
	// split, whatever the number of events. Default 16 MiB.
	BundleBytes int
}

func (l Limits) withDefaults() Limits {
	or := func(v, def int) int {
		if v == 0 {
			return def
		}
		return v
	}
	return Limits{
		Name:         or(l.Name, 512),
		Line:         or(l.Line, 1<<20),
		BundleEvents: or(l.BundleEvents, 50_000),
		BundleBytes:  or(l.BundleBytes, 16<<20),
	}
}

// Bundle is consecutive events of one tab and client.
type Bundle struct {
	state.Bundle
	// Type is the Type in the first good event. If that is no string, it is
	// the JSON text.
	Type string
	// Bad are the events that were left out, by line.
	Bad []Bad
	// First is the line of the first event, good or bad, counted from 1.
	First int
}

// Line returns the line that Events[event] was on.
func (b *Bundle) Line(event int) int {
	line := b.First + event
	for i := range b.Bad {
		if b.Bad[i].Line > line {
			break
		}
		line++
	}
	return line
}

// Bad is an event that is not one.
type Bad struct {
	Line   int    // counted from 1
	Reason string // one of the Bad… constants
	Detail string // what is wrong, for people
}

// Reasons for which a Decoder leaves out events, as metric labels. What a
// Type refuses has reasons of its own (state.Reason).
const (
	BadJSON    = "json"    // the line is not JSON
	BadShape   = "shape"   // it is not an array of at least three
	BadType    = "type"    // the Type's name is too long
	BadTime    = "time"    // the time is not a number
	BadPayload = "payload" // the payload is not JSON text in a string
)

// SyntaxError says that a body is not of the v1 protocol. Nothing of such a
// body is to be ingested.
type SyntaxError struct {
	Line   int // counted from 1
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d of the body: %s", e.Line, e.Reason)
}

// LimitError says that a body is over a limit. Nothing of it is to be
// ingested.
type LimitError struct {
	Line  int    // counted from 1; 0 in a body that is not lines
	Limit string // "name" or "line"
	Max   int    // bytes
	Name  string // how a tab's name that is too long begins; "": it is another name
}

// beginning is how a name that is too long begins.
func beginning(name []byte) string {
	const most = 1 << 10
	return string(name[:min(len(name), most)])
}

func (e *LimitError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("longer than the %s limit of %d bytes", e.Limit, e.Max)
	}
	return fmt.Sprintf("line %d of the body: longer than the %s limit of %d bytes", e.Line, e.Limit, e.Max)
}
