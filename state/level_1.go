//go:build taba_level1

package state

// Newest is that of a release that neither reads nor writes what is newer: tests
// of how releases are mixed build one from this source.
const Newest Level = 1
