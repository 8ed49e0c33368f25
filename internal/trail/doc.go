// Package trail keeps what became of names that did not simply count: which
// were refused, clamped or moved elsewhere, when, why, and who had sent them. It
// is where "where did my metric go?" is answered from.
//
// What simply counts leaves no trail and costs nothing. A door tells the Trail
// once for each request, or load of a stream, and name that something was wrong
// with; it counts what happens to all names by itself, by reason.
//
// # Concurrency and back-pressure
//
// A Trail is safe for concurrent use. It holds a bounded number of bytes and
// forgets what was told least recently. What was told once is forgotten before
// what was told again, so that a sender that makes names up does not drive out
// those of others. A nil Trail takes everything and knows nothing.
package trail
