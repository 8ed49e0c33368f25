package trail

// A Reason is what is to be said of a reason for which events do not simply
// count.
type Reason struct {
	What   string // is wrong
	Remedy string // what to do about it
	Limit  string // the setting that has to do with it; "" if none has
}

// What explains a reason of a door. Types of a user's own may have others, which
// have only themselves to say.
func What(door, reason string) Reason {
	if door == DoorStatsd {
		if r, ok := statsd[reason]; ok {
			return r
		}
	}
	if r, ok := reasons[reason]; ok {
		return r
	}
	return Reason{What: "it was refused: " + reason, Remedy: "look the reason up in the documentation of the metric's Type"}
}

var reasons = map[string]Reason{
	"name":         {"the name of the tab or of the client is empty or has a character that is not allowed", "use printable characters; control characters such as a tab or a line's end are none", ""},
	"name_long":    {"the name is longer than the limit", "send a shorter name, or raise the limit", "limits.name_bytes"},
	"unknown_type": {"its Type is not one that this process knows", "use one of the Types of the documentation; 'taba types' lists those in use", ""},
	"payload":      {"its payload does not fit its Type", "send what the Type takes, or use another name: the first Type that a tab is sent with stays", ""},
	"not_finite":   {"its value or its time is not a finite number", "send no NaN and no infinity", ""},
	"state":        {"it is a State that cannot be decoded", "update the client: what it has folded itself is of another version, or damaged", ""},
	"json":         {"its line is not JSON", `send ["TYPE", TIME, "PAYLOAD"]`, ""},
	"shape":        {"its line is not an array of three", `send ["TYPE", TIME, "PAYLOAD"]`, ""},
	"type":         {"the name of its Type is longer than the limit", "send the name of a Type", "limits.name_bytes"},
	"time":         {"its time is not a number", "send seconds since 1970, in UTC", ""},
	"future":       {"its time was further in the future than the limit, and was moved to now", "set the clock of the sender, or raise the limit", "limits.future_tolerance"},
	"tabs":         {"there are as many tabs as the limit allows", "delete tabs that nobody needs, or raise the limit", "limits.tabs"},
	"states":       {"there are as many clients of tabs as the limit allows", "delete tabs that nobody needs, send with fewer clients, or raise the limit", "limits.states"},
	"new_tabs":     {"more new tabs were made lately than the limit allows", "send fewer new names at once, or raise the limit", "limits.new_tabs"},
	"malformed":    {"the request could not be read, and nothing of it counts", "see what is said of it, and docs/compatibility.md or docs/v2.md for how it is written", ""},
	"empty":        {"the request had no events", "send some", ""},
	"encoding":     {"the request was compressed in a way that is not known, or damaged", "use gzip, zstd, s2, deflate or nothing", ""},
	"too_large":    {"the request was larger than a limit, and nothing of it counts", "send less at once, or raise the limit", "limits.body_bytes"},
	"ratio":        {"the request became too large by decompression, and nothing of it counts", "send less at once, or raise the limit", "limits.ratio"},
	"line":         {"a line of the request was longer than the limit, and nothing of it counts", "send shorter payloads", ""},
	"series":       {"the stream has more series than it may have", "forget, as docs/v2.md says, and declare those that are in use", ""},
	"forget":       {"a frame before this one was refused, so its names are not known", "begin anew with forget", ""},
	"framing":      {"the stream could not be cut into frames", "see docs/v2.md for how it is written", ""},
	"capacity":     {"the process held as much as it may", "send it again: it was answered 503", "limits.in_flight_bytes"},
	"slow":         {"the request did not arrive in time", "send faster, or raise the limit", "limits.read_timeout"},
	"aborted":      {"the sender left before the request was complete", "send it again", ""},
	"commit":       {"it could not be made durable", "send it again: it was answered 503; the process's log says more", ""},
	"token":        {"the request had no token that is known", "send a token with the scope write", "tokens_file"},
	"scope":        {"the request's token may not write", "send a token with the scope write", "tokens_file"},
	"other_store":  {"a Batch was for another store", "let the agent's servers be of one store", ""},
}

// statsd are reasons that mean something else, or more, in a line of statsd.
var statsd = map[string]Reason{
	"no_value": {"nothing in the line is separated by a colon", "send NAME:VALUE|TYPE", ""},
	"no_type":  {"nothing in the line is separated by a bar", "send NAME:VALUE|TYPE", ""},
	"name":     {"the line's name is empty", "send NAME:VALUE|TYPE", ""},
	"type":     {"the line's type is not known", "use c, g, ms, h, d or s", ""},
	"value":    {"the line's value is not a decimal number, or is not finite", "send a number, such as 12.5", ""},
	"rate":     {"the line's sample rate is not a number from 0 to 1", "send a rate such as |@0.1", ""},
	"time":     {"the line's time is not a positive whole number", "send seconds since 1970, such as |T1395954314", ""},
	"payload":  {"a value in the line does not fit the Type that its tab has", "use another name for another kind of metric: the first Type that a tab is sent with stays", ""},

	"line_long": {"the line does not fit into a buffer", "send shorter lines", ""},
	"names":     {"more names came over statsd than the limit allows: it counts in the tab statsd.overflow", "send fewer names, or raise the limit", "statsd.names"},
}

// unreadable are the reasons for which something could not be read; others are
// those for which it was and is not taken.
var unreadable = map[string]bool{
	"json": true, "shape": true, "type": true, "time": true, "malformed": true, "empty": true, "encoding": true, "line": true, "framing": true,
	"no_value": true, "no_type": true, "value": true, "rate": true, "line_long": true, "state": true,
}

// Unreadable reports whether something could not be read.
func Unreadable(door, reason string) bool {
	return unreadable[reason] || door == DoorStatsd && reason == "name"
}
