// Package screen is `taba top`: the names, clients or values of a tag that have
// and take the most, on a terminal, live. It asks a server as any client does and
// draws what it says; what is asked again depends on keys.
//
// # Concurrency and back-pressure
//
// One question is under way at a time. After an answer the screen rests as long as
// it was asked to, and nine times as long as the answer took, so that a screen
// that nobody looks at takes no more than a tenth of a server's processor.
package screen
