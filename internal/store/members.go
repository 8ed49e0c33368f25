package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
)

// Members is what an engine offers besides Store to the servers that share a
// store: each says what it is, and reads what all say. Nothing in the store
// rests on it, so what is said may be lost in a failover and is said again.
//
// Who lives is not decided here. A member that lives changes what it says, and
// whoever reads sees that it did: so no clock of one machine is compared with
// that of another. See package member.
type Members interface {
	// Announce replaces what a member has said and returns what all have said
	// by then, itself included, sorted by id.
	Announce(ctx context.Context, m Member) ([]Member, error)
	// Forget removes what members have said. One that still lives says it
	// again.
	Forget(ctx context.Context, ids ...MemberID) error
}

// MemberID is one life of one server: random.
type MemberID [16]byte

func (id MemberID) String() string { return hex.EncodeToString(id[:]) }

// Member is what a member says of itself. Engines do not look into it.
type Member struct {
	ID   MemberID
	Beat uint64 // of this life: grows with everything that is said
	Says []byte // at most MaxSays
}

// MaxSays is how many bytes a member may say.
const MaxSays = 16 << 10

// Check returns an error if m cannot be announced.
func (m *Member) Check() error {
	if len(m.Says) > MaxSays {
		return fmt.Errorf("a member says %d bytes, at most %d are kept", len(m.Says), MaxSays)
	}
	return nil
}

// SortMembers sorts by id.
func SortMembers(list []Member) {
	slices.SortFunc(list, func(a, b Member) int { return bytes.Compare(a.ID[:], b.ID[:]) })
}

// Roster keeps what members say in memory: of engines that only one process
// uses. The zero value is empty.
type Roster struct {
	mu   sync.Mutex
	list []Member
}

// Announce is that of Members.
func (r *Roster) Announce(m Member) ([]Member, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	m.Says = bytes.Clone(m.Says)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(m.ID)
	r.list = append(r.list, m)
	SortMembers(r.list)
	return slices.Clone(r.list), nil
}

// Forget is that of Members.
func (r *Roster) Forget(ids ...MemberID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(ids...)
}

func (r *Roster) remove(ids ...MemberID) {
	r.list = slices.DeleteFunc(r.list, func(m Member) bool { return slices.Contains(ids, m.ID) })
}
