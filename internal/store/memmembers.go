package store

import "context"

var _ Members = (*Mem)(nil)

// Announce implements Members.
func (m *Mem) Announce(ctx context.Context, who Member) ([]Member, error) {
	if err := m.open(ctx); err != nil {
		return nil, err
	}
	return m.members.Announce(who)
}

// Forget implements Members.
func (m *Mem) Forget(ctx context.Context, ids ...MemberID) error {
	if err := m.open(ctx); err != nil {
		return err
	}
	m.members.Forget(ids...)
	return nil
}

func (m *Mem) open(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	return ctx.Err()
}
