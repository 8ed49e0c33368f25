//go:build gc && (amd64 || arm64) && !race && !taba_locked

package taba

import (
	"runtime"
	_ "unsafe" // for linkname
)

// A goroutine that is pinned stays on its processor, alone, until it unpins:
// it must not block meanwhile. sync.Pool is made of the same.

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

// shardCount is one for each processor, and the last one for those that may
// come later, but not more than most.
func shardCount(most int) int {
	return min(max(runtime.GOMAXPROCS(0), runtime.NumCPU())+1, most)
}

// enter returns a shard that is the caller's alone until leave, or nil if only
// enterSlowly has one. The caller must neither block nor panic in between.
func (ns *numbers) enter() *shard {
	if p := procPin(); p < len(ns.shards)-1 {
		return &ns.shards[p]
	}
	return nil
}

func (ns *numbers) leave(*shard) { procUnpin() }

// enterSlowly is enter for everybody.
func (ns *numbers) enterSlowly() *shard {
	if sh := ns.enter(); sh != nil {
		return sh
	}
	procUnpin()
	sh := &ns.shards[len(ns.shards)-1]
	sh.mu.Lock()
	return sh
}

func (ns *numbers) leaveSlowly(sh *shard) {
	if sh == &ns.shards[len(ns.shards)-1] {
		sh.mu.Unlock()
		return
	}
	procUnpin()
}

// barrier returns when everybody who had entered has left.
func (ns *numbers) barrier() {
	// What stops the world waits for who is pinned, which is why the pools of
	// sync can be cleaned up then. A trace of all stacks, of no length, does
	// nothing else; it takes tens of µs.
	runtime.Stack(nil, true)
	last := &ns.shards[len(ns.shards)-1]
	last.mu.Lock()
	//lint:ignore SA2001 whoever holds the lock is recording: there is nothing to do inside
	last.mu.Unlock()
}
