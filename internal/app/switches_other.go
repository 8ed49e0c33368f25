//go:build !unix

package app

import "io"

// writeSwitches writes nothing: the system does not tell.
func writeSwitches(io.Writer) {}

// voluntarySwitches is not known here.
func voluntarySwitches() int64 { return -1 }
