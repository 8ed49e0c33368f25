package redisstore

import (
	"testing"

	"github.com/tabaproject/taba/internal/store"
)

func FuzzMember(f *testing.F) {
	whole := store.Member{ID: store.MemberID{1}, Beat: 300, Says: []byte("x")}
	f.Add(string(whole.ID[:]), encodeMember(&whole))
	f.Add("short", "\x01\x00")
	f.Add(string(whole.ID[:]), "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	f.Fuzz(func(t *testing.T, id, row string) {
		m, ok := decodeMember(id, row)
		if !ok {
			return
		}
		again, ok := decodeMember(id, encodeMember(&m))
		if !ok || again.ID != m.ID || again.Beat != m.Beat || string(again.Says) != string(m.Says) {
			t.Errorf("%+v comes back as %+v", m, again)
		}
	})
}
