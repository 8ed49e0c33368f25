package ingest

import "sync"

// share is what a stream holds of the budget. It is safe for concurrent use.
type share struct {
	mu       sync.Mutex
	lease    lease
	buffers  int64 // of the reader, with names and series
	accrued  int64 // folded and not taken by the committer
	settling int64 // in the commit
}

// perStream is the part of the budget that one stream may hold: others have to
// have some, too.
const perStream = 4

// reserve asks for the memory of the reader before it reads. It returns false
// if there is none now.
func (s *share) reserve(buffers int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.buffers
	s.buffers = int64(buffers)
	if n := s.sum(); n <= s.most() && s.lease.hold(n) {
		return true
	}
	s.buffers = held
	return false
}

// most is what a stream may hold.
func (s *share) most() int64 { return s.lease.of.Max() / perStream }

// accrue tells what lies folded. It was read already, so it is charged even
// beyond the budget; then nothing more is read.
func (s *share) accrue(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accrued = int64(size)
	s.lease.force(s.sum())
}

// take tells that the committer has taken what accrued.
func (s *share) take() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settling, s.accrued = s.accrued, 0
}

// settle tells that what the committer took is committed. It wakes the reader
// if that waits.
func (s *share) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settling = 0
	s.lease.force(s.sum())
	s.lease.of.give()
}

// busy reports whether a commit is about to make room.
func (s *share) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settling+s.accrued > 0
}

// free gives everything back.
func (s *share) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buffers, s.accrued, s.settling = 0, 0, 0
	s.lease.free()
}

func (s *share) sum() int64 { return s.buffers + s.accrued + s.settling }
