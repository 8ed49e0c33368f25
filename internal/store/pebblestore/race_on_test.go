//go:build race

package pebblestore_test

// slow is how much less is done under the race detector, with which Pebble
// takes ten times as long to open a store.
const slow = 5
