package redisstore

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/redis/rueidis"

	"github.com/tabaproject/taba/internal/store"
)

var _ store.Members = (*Store)(nil)

// membersOf is the vbucket at which members announce themselves.
const membersOf = 0

// A row of n: version 1, beat, and what the member says.
const memberVersion = 1

func encodeMember(m *store.Member) string {
	b := binary.AppendUvarint([]byte{memberVersion}, m.Beat)
	return string(append(b, m.Says...))
}

func decodeMember(id, row string) (m store.Member, ok bool) {
	if len(id) != len(m.ID) || len(row) == 0 || row[0] != memberVersion {
		return m, false
	}
	beat, n := binary.Uvarint([]byte(row[1:]))
	if n <= 0 || len(row)-1-n > store.MaxSays {
		return m, false
	}
	copy(m.ID[:], id)
	m.Beat, m.Says = beat, []byte(row[1+n:])
	return m, true
}

// Announce implements store.Members. It goes beside the queue of what waits for
// replicas: nothing rests on it, and a store that acknowledges nothing still
// knows its members. A row that is somebody else's, or of a later release, is
// left alone and left out.
func (s *Store) Announce(ctx context.Context, m store.Member) (list []store.Member, err error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	rows, err := s.aside(ctx, []string{"HSET", s.key(membersOf, kindMembers), string(m.ID[:]), encodeMember(&m)},
		[]string{"HGETALL", s.key(membersOf, kindMembers)})
	if err != nil {
		return nil, err
	}
	fields, err := rows.AsStrMap()
	if err != nil {
		return nil, err
	}
	for id, row := range fields {
		if m, ok := decodeMember(id, row); ok {
			list = append(list, m)
		}
	}
	store.SortMembers(list)
	return list, nil
}

// Forget implements store.Members.
func (s *Store) Forget(ctx context.Context, ids ...store.MemberID) error {
	if len(ids) == 0 {
		return s.begun(ctx)
	}
	words := []string{"HDEL", s.key(membersOf, kindMembers)}
	for i := range ids {
		words = append(words, string(ids[i][:]))
	}
	_, err := s.aside(ctx, words)
	return err
}

func (s *Store) begun(ctx context.Context) error {
	err := s.begin(ctx)
	if err == nil {
		s.life.RUnlock()
	}
	return err
}

// aside does commands at the master of the members' vbucket, on the connection
// for questions, and returns the last answer.
func (s *Store) aside(ctx context.Context, commands ...[]string) (last rueidis.RedisMessage, err error) {
	if err := s.begin(ctx); err != nil {
		return last, err
	}
	defer s.life.RUnlock()
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	p := s.shard(membersOf).place.Load()
	if p == nil {
		return last, fmt.Errorf("%w: no server has vbucket %d now", errMoved, membersOf)
	}
	if p.err != nil {
		return last, p.err
	}
	c, err := s.asked(ctx, p.addr, s.login())
	if err != nil {
		return last, err
	}
	cmds := make([]rueidis.Completed, len(commands))
	for i, words := range commands {
		cmds[i] = c.cmd(words...)
	}
	for _, r := range c.DoMulti(ctx, cmds...) {
		if last, err = r.ToMessage(); err != nil {
			if _, answered := rueidis.IsRedisErr(err); !answered {
				s.forgetIfGone(ctx, p.addr, c)
			}
			return last, explain(p.addr, err)
		}
	}
	return last, nil
}
