//go:build !amd64

package builtin

// addLanes adds whole rows of values, one to each lane.
func addLanes(l *laned, values []float64) { addLanesSimply(l, values) }
