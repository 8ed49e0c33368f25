//go:build !unix

package app

import "io"

// writeSwitches writes nothing: the system does not tell.
func writeSwitches(io.Writer) {}
