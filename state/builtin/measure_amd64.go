package builtin

import "golang.org/x/sys/cpu"

// measureLanes measures whole rows of values, at least one.
func measureLanes(l *laned, values []float64) {
	if cpu.X86.HasAVX2 {
		measureLanesAVX2(l, values)
		return
	}
	measureLanesSimply(l, values)
}

// measureLanesAVX2 is measureLanesSimply for processors that have AVX2.
//
//go:noescape
func measureLanesAVX2(l *laned, values []float64)
