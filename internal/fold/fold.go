// Package fold turns events into Partials. It is pure: no I/O, no clock, no
// goroutine; now is a parameter.
//
// An Accumulator holds the Partials of what accrued: per (tab, client) one
// State. The goroutine that reads a request folds into an accumulator of its
// own; accumulators are merged when they are committed. An Accumulator is not
// safe for concurrent use and has no bound of its own: callers stop feeding it
// (or commit it) by Size.
package fold

import (
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/state"
)
