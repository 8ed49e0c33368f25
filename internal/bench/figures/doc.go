// Package figures measures the figures that Taba is held to: each with its
// goal beside it, the median of several rounds and their spread, and a
// calibration of the machine from the same minute. Every measurement starts
// processes of its own and leaves nothing behind.
//
// # Concurrency and back-pressure
//
// Measurements run one after the other, in the caller's goroutine. When its
// context ends, a measurement stops its processes and removes its files.
package figures
