// Package statetest tests Types of metrics against the laws of package state.
//
// A State travels: it is folded in an agent, merged in a server, compacted,
// decoded by another version and merged again, in orders that nobody controls.
// The answers are right only if none of that can be seen in them. Laws checks
// this for any Handler with random events, groupings and orders; run it on a
// Type of your own before you register it:
//
//	func TestLaws(t *testing.T) {
//		statetest.Laws(t, mytype.Handler{}, statetest.Gen{
//			Payloads: func(t *rapid.T, now float64) []string {
//				return rapid.SliceOfN(rapid.SampledFrom([]string{"1", "2.5", `"bad"`}), 1, 9).Draw(t, "payloads")
//			},
//		})
//	}
//
// A failure is minimised by package rapid and printed with the command that
// repeats it.
//
// States are compared by their encodings, so a Type that sums float64s should
// be given whole numbers: their sums do not depend on the order of addition.
//
// Laws calls t.Run, uses no other goroutines, and keeps nothing.
package statetest
