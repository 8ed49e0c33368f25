//go:build !gc || !(amd64 || arm64) || race || taba_locked

package taba

import (
	"math/bits"
	"runtime"
	"unsafe"
)

// Where goroutines cannot be pinned, or the race detector watches, shards are
// locked.

// shardCount is so many that goroutines seldom meet, a power of two, but not
// more than most.
func shardCount(most int) int {
	want := min(4*runtime.GOMAXPROCS(0), 64, most)
	return 1 << (bits.Len(uint(want)) - 1)
}

// enter returns a shard that is the caller's alone until leave, told by where
// its stack is. Any would do; this one is likely to be free.
func (ns *numbers) enter() *shard {
	var here byte
	h := uintptr(unsafe.Pointer(&here)) >> 10
	h ^= h >> 7
	sh := &ns.shards[h&uintptr(len(ns.shards)-1)]
	sh.mu.Lock()
	return sh
}

func (ns *numbers) leave(sh *shard) { sh.mu.Unlock() }

func (ns *numbers) enterSlowly() *shard { return ns.enter() }

func (ns *numbers) leaveSlowly(sh *shard) { ns.leave(sh) }

// barrier returns when everybody who had entered has left.
func (ns *numbers) barrier() {
	for i := range ns.shards {
		ns.shards[i].mu.Lock()
		//lint:ignore SA2001 whoever holds the lock is recording: there is nothing to do inside
		ns.shards[i].mu.Unlock()
	}
}
