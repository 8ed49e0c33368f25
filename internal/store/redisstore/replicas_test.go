package redisstore

import (
	"slices"
	"strings"
	"testing"
)

// TestHomes: who could take vbuckets over, by what CLUSTER NODES said now and
// before.
func TestHomes(t *testing.T) {
	// One vbucket has slot 13907, another one slot 9842.
	view := func(lines ...string) []node { return parseNodes("txt:" + strings.Join(lines, "\n") + "\n") }
	line := func(id, flags, master, slots string) string {
		return id + " " + id + ":1@2 " + flags + " " + master + " 0 0 1 connected " + slots
	}
	const low, high = "0-9999", "10000-16383"
	whole := view(line("a", "myself,master", "-", low), line("b", "master", "-", high), line("a1", "slave", "a", ""), line("b1", "slave", "b", ""), line("b2", "slave", "b", ""))
	f := func(name string, views [][]node, want map[string]string) {
		t.Helper()
		s := newStore(Options{Kind: Cluster, Prefix: "x"})
		s.cut(2)
		var places []*place
		for _, v := range views {
			places = s.placesOf(v)
		}
		got := map[string]string{}
		for _, p := range places {
			var list []string
			for _, addr := range p.servers {
				list = append(list, strings.TrimSuffix(addr, ":1"))
			}
			slices.Sort(list)
			got[strings.TrimSuffix(p.addr, ":1")] = strings.Join(list, " ")
		}
		for addr, servers := range want {
			if got[addr] != servers {
				t.Errorf("%s: %s could be taken over by %q, want %q", name, addr, got[addr], servers)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	f("whole", [][]node{whole}, map[string]string{"a": "a a1", "b": "b b1 b2"})
	failed := view(line("a", "master", "-", low), line("b", "master,fail", "-", high), line("a1", "slave", "a", ""), line("b1", "slave", "b", ""), line("b2", "slave,fail", "b", ""))
	f("a master has failed", [][]node{whole, failed}, map[string]string{"a": "a a1"})
	taken := view(line("a", "master", "-", low), line("b", "master,fail", "-", ""), line("a1", "slave", "a", ""), line("b1", "master", "-", high), line("b2", "slave,fail", "b", ""))
	f("it was taken over from", [][]node{whole, failed, taken}, map[string]string{"a": "a a1", "b1": "b b1 b2"})
	f("seen for the first time", [][]node{taken}, map[string]string{"a": "a a1 b b2", "b1": "b b1 b2"})
	back := view(line("a", "master", "-", low), line("b", "slave", "b1", ""), line("a1", "slave", "a", ""), line("b1", "master", "-", high), line("b2", "slave,fail", "b", ""))
	f("it is back, another one is not", [][]node{back}, map[string]string{"a": "a a1", "b1": "b b1 b2"})
	fresh := view(line("a", "master", "-", low), line("b", "master", "-", high), line("c", "master", "-", ""), line("d", "handshake", "-", ""), line("e", "slave,nofailover", "a", ""))
	f("new, and not to be elected", [][]node{fresh}, map[string]string{"a": "a c", "b": "b c"})
}

// TestAway: who is missing, whatever else follows.
func TestAway(t *testing.T) {
	h := &shard{s: newStore(Options{})}
	h.place.Store(&place{servers: []string{"m:1", "r:1", "s:1"}})
	f := func(want int, online ...string) {
		t.Helper()
		if got := h.replicas(every, "m:1", online); got != want {
			t.Errorf("with %v: got %d, want %d", online, got, want)
		}
	}
	f(2)
	f(2, "r:1")
	f(2, "r:1", "s:1")
	f(3, "new:1", "s:1") // as many as are known follow, and one that is known does not
	if got := h.replicas(every, "r:1", []string{"s:1"}); got != 2 {
		t.Errorf("of a master that was taken over from: got %d, want 2", got)
	}
	h.place.Store(nil)
	if h.replicas(commit, "m:1", nil) < 1 || h.replicas(none, "m:1", nil) != 0 {
		t.Error("a master that nobody knows any more acknowledges")
	}
}

// TestParseReplication: replicas count if they follow, and each once.
func TestParseReplication(t *testing.T) {
	got := parseReplication("role:master\r\nconnected_slaves:4\r\n" +
		"slave0:ip=10.0.0.1,port=6379,state=online,offset=1,lag=0\r\n" +
		"slave1:ip=10.0.0.1,port=6379,state=online,offset=9,lag=0\r\n" +
		"slave2:ip=10.0.0.2,port=6379,state=wait_bgsave,offset=0,lag=0\r\n" +
		"slave3:ip=::1,port=6380,state=online,offset=9,lag=0\r\nmaster_replid:abc\r\n")
	if want := []string{"10.0.0.1:6379", "[::1]:6380"}; !got.master || got.id != "abc" || !slices.Equal(got.online, want) {
		t.Errorf("got %+v", got)
	}
}
