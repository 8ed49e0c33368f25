//go:build gc && !race && !taba_locked

package taba

// publish makes word, and all that was written before, visible to others. On
// this processor others see stores in their order, and a store that is atomic
// by itself needs no lock; sync/atomic takes one, for what we do not need: that
// later loads wait for it.
func publish(to *uint64, word uint64) { *to = word }
