package pebblestore

import (
	"context"

	"github.com/tabaproject/taba/internal/store"
)

var _ store.Members = (*Store)(nil)

// Announce implements store.Members. A store belongs to one process, so what
// its members say is not written down.
func (s *Store) Announce(ctx context.Context, m store.Member) ([]store.Member, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	return s.members.Announce(m)
}

// Forget implements store.Members.
func (s *Store) Forget(ctx context.Context, ids ...store.MemberID) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.life.RUnlock()
	s.members.Forget(ids...)
	return nil
}
