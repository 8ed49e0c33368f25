//go:build unix

package app

import (
	"io"

	"github.com/VictoriaMetrics/metrics"
	"golang.org/x/sys/unix"
)

// writeSwitches writes how often the threads of this process gave up their
// processor: of themselves, to wait for something, or because it was taken.
func writeSwitches(w io.Writer) {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return
	}
	metrics.WriteCounterUint64(w, "taba_process_voluntary_switches_total", uint64(u.Nvcsw))
	metrics.WriteCounterUint64(w, "taba_process_involuntary_switches_total", uint64(u.Nivcsw))
}

// voluntarySwitches is how often threads gave up their processor to wait.
func voluntarySwitches() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return -1
	}
	return u.Nvcsw
}
