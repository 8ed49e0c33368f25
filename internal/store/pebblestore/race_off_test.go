//go:build !race

package pebblestore_test

const slow = 1
