// Package quiet keeps what modules log while they are initialised away from the
// terminal: package metrics tells of kernel features that it has not found, on
// standard error, at the start of every command. Import it for its effect, in
// main, and call Restore first thing.
//
// It works because packages are initialised in the order of their import paths
// as soon as what they import is: this one needs only log, so it comes before
// net/http and with that before everything that imports it.
//
// # Concurrency and back-pressure
//
// None: it acts before main and in Restore.
package quiet

import (
	"io"
	"log"
)

// before is where log wrote to.
var before = log.Writer()

func init() { log.SetOutput(io.Discard) }

// Restore lets package log write again.
func Restore() { log.SetOutput(before) }
