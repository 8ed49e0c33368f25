package redisstore_test

import (
	"testing"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/redisstore"
)

// TestForeignMembers: what others left where members announce themselves is
// left alone.
func TestForeignMembers(t *testing.T) {
	t.Parallel()
	r := redis(t)
	s := open(t, redisstore.Options{Addrs: []string{r.addr}})
	r.do("HSET", "taba:{0}:n", "somebody", "else", "0123456789abcdef", "\x09 of a later release")
	me := store.Member{ID: store.MemberID{1}, Says: []byte("me")}
	list, err := s.Announce(t.Context(), me)
	if err != nil || len(list) != 1 || list[0].ID != me.ID {
		t.Errorf("got %v, %v, want only what is ours", list, err)
	}
	if err := s.Forget(t.Context(), me.ID); err != nil {
		t.Error(err)
	}
	if got := r.do("HLEN", "taba:{0}:n"); got != "2" {
		t.Errorf("%s of 2 foreign rows are left", got)
	}
	r.do("DEL", "taba:{0}:n")
	r.do("SET", "taba:{0}:n", "foreign")
	_, err = s.Announce(t.Context(), me)
	says(t, err, "somebody else's", "left alone", r.addr)
	if got := r.do("GET", "taba:{0}:n"); got != "foreign" {
		t.Errorf("a foreign key: got %q", got)
	}
}

// TestMembersWhileNothingIsAcknowledged: servers know each other also while a
// replica is missing and the store takes nothing.
func TestMembersWhileNothingIsAcknowledged(t *testing.T) {
	t.Parallel()
	r := redis(t)
	replica := redis(t)
	replica.follow(r)
	s := open(t, redisstore.Options{Addrs: []string{r.addr}, Wait: 2})
	if err := s.Writable(t.Context()); err == nil {
		t.Error("one replica of two follows, and the store is writable")
	}
	if list, err := s.Announce(t.Context(), store.Member{}); err != nil || len(list) != 1 {
		t.Errorf("got %v, %v", list, err)
	}
}
