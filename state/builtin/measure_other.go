//go:build !amd64

package builtin

// measureLanes measures whole rows of values, at least one.
func measureLanes(l *laned, values []float64) { measureLanesSimply(l, values) }
