package disktest

import (
	"math/rand/v2"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// Victims are the kinds of operations that a Striker lets fail, as What names
// them.
var Victims = []string{
	"write", "write", "sync", "sync", "sync directory", "create", "rename", "remove",
	"read", "open", "list", "stat", "make directory", "lock", "",
}

// Striker lets some operations in a row fail, all of one kind. The zero value
// lets none.
type Striker struct {
	Err    error
	victim string // "": of any kind
	after  int    // operations of the kind before the first that fails
	times  int
	part   Part
	struck []string
}

// NewStriker draws when, what, how often and how.
func NewStriker(rng *rand.Rand) *Striker {
	s := &Striker{
		Err:    []error{syscall.EIO, syscall.EIO, syscall.ENOSPC, syscall.EDQUOT}[rng.IntN(4)],
		victim: Victims[rng.IntN(len(Victims))],
		after:  rng.IntN(6),
		times:  []int{1, 1, 1, 2, 3, 9}[rng.IntN(6)],
		part:   Part(rng.IntN(int(All) + 1)),
	}
	if rng.IntN(3) == 0 {
		s.after = rng.IntN(60)
	}
	return s
}

// Strike is for Disk.Strike.
func (s *Striker) Strike(op errorfs.Op) *Fault {
	what := What(op)
	if s.victim != "" && s.victim != what || what == "close" || len(s.struck) == s.times {
		return nil
	}
	if s.after > 0 {
		s.after--
		return nil
	}
	s.struck = append(s.struck, what)
	fault := &Fault{s.Err, s.part}
	if !writes(op.Kind) || op.Kind == errorfs.OpLock {
		fault.Part = None // half a read is none, and nobody can own half a lock
	}
	return fault
}

// Stop lets nothing fail any more. Like Struck it must not be called while the
// Disk is in use.
func (s *Striker) Stop() { s.times = len(s.struck) }

// Struck lists the operations that failed so far.
func (s *Striker) Struck() []string { return s.struck }
