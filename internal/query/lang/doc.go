// Package lang is the language in which a server is asked: text to Queries, and
// Queries to the text that means the same.
//
//	[top N | bottom N] [VALUE, …] (SELECTOR, …)  or  SELECTOR, …
//	[client PATTERN, …] [by (KEY, …)] [last DURATION] [step DURATION] [limit N]
//
//	VALUE     count total average rate total_rate min max distinct p0 to p100
//	SELECTOR  PATTERN [{tag="value", tag!="value", tag=~"regexp", tag!~"regexp"}]
//	PATTERN   name   bid*   "any text"   /regexp/
//	KEY       tab name client prefix(N) or a tag
//	DURATION  90s 37m 1h30m 1d
//
// Clauses come in any order. docs/queries.md says what they mean.
//
// # Concurrency and back-pressure
//
// A Query is not changed after it was made and may be used by many goroutines.
// A text is bounded (MaxText), and so is what it can make a matcher do: regular
// expressions are those of package regexp, which take time linear in the name.
package lang
