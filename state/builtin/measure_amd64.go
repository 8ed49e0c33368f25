package builtin

import "golang.org/x/sys/cpu"

// addLanes adds whole rows of values, one to each lane.
func addLanes(l *laned, values []float64) {
	if cpu.X86.HasAVX2 {
		addLanesAVX2(l, values)
		return
	}
	addLanesSimply(l, values)
}

// addLanesAVX2 is addLanesSimply for processors that have AVX2.
//
//go:noescape
func addLanesAVX2(l *laned, values []float64)
