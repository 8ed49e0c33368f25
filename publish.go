//go:build !gc || !amd64 || race || taba_locked

package taba

import "sync/atomic"

// publish makes word, and all that was written before, visible to others.
func publish(to *uint64, word uint64) { atomic.StoreUint64(to, word) }
