//go:build !taba_level1

package state

// Newest is the Level that this release reads and, where everybody does,
// writes.
const Newest Level = 2
