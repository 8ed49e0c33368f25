package redisstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/redisstore"
)

// newSender is a sender to a store of one vbucket.
func newSender(t testing.TB, s *redisstore.Store, nonce byte) *sender {
	t.Helper()
	var id store.SourceID
	var err error
	if !within(*patience, func() bool {
		id, err = s.Open(t.Context(), store.ClassSpool, store.Nonce{nonce}, time.Now())
		return err == nil
	}) {
		t.Fatal(err)
	}
	return &sender{id: id, parts: make([][]store.Part, 1), acked: make([]int, 1)}
}

// sends appends a part, once.
func sends(t testing.TB, s *redisstore.Store, p store.Part) store.PartResult {
	t.Helper()
	results, err := s.Append(t.Context(), []store.Part{p})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

// goes appends a part until it is acknowledged.
func goes(t testing.TB, s *redisstore.Store, p store.Part) (r store.PartResult) {
	t.Helper()
	if !within(*patience, func() bool { r = sends(t, s, p); return r.Err == nil }) {
		t.Fatal(r.Err)
	}
	return r
}

// slowly lets a server take seconds to write a file of all that it has.
var slowly = append([]string{"--rdb-key-save-delay", "300000"}, durable...)

// TestFirstFile: a replica that has just copied everything and still writes its
// first file comes back with nothing if it is killed. Where servers count who has
// synced nothing is acknowledged before; else it is, and somebody has to look.
func TestFirstFile(t *testing.T) {
	t.Parallel()
	m, r := redis(t, durable...), redis(t, slowly...)
	var log output
	s := open(t, redisstore.Options{Addrs: []string{m.addr}, VBuckets: 1, Timeout: time.Second, Logger: logTo(&log)})
	from := newSender(t, s, 1)
	part := from.seal(0)
	r.follow(m)
	got := goes(t, s, part)
	kept := r.Kept()
	if got.Stable != 1 {
		t.Errorf("got %+v, want it to be stable", got)
	}
	said := "the server has no WAITAOF"
	if m.CountsSynced() {
		said = "commits wait until replicas have synced"
		if !kept {
			t.Error("it was acknowledged while the replica wrote its first file")
		}
	}
	if !strings.Contains(log.String(), said) {
		t.Errorf("the log does not say that %s:\n%s", said, log.String())
	}
}

// TestNoFile: a replica that stops writing an append-only file has nothing synced
// any more. Where that is counted nothing is acknowledged until it writes one
// again, and everybody is told why; who waits for a number without it goes on.
func TestNoFile(t *testing.T) {
	t.Parallel()
	m, good, bad := redis(t, durable...), redis(t, durable...), redis(t, durable...)
	good.follow(m)
	bad.follow(m)
	o := redisstore.Options{Addrs: []string{m.addr}, VBuckets: 1, Timeout: time.Second}
	all := open(t, o)
	o.Wait = 1
	one := open(t, o)
	from := newSender(t, all, 1)
	goes(t, all, from.seal(0))
	bad.do("CONFIG", "SET", "appendonly", "no")
	part := from.seal(0)
	if r := goes(t, one, part); r.Stable != 0 {
		t.Errorf("got %+v: not everybody has it", r)
	}
	if m.CountsSynced() {
		const want = "all 2 replicas answered, but 1 have synced"
		var r store.PartResult
		if !within(*patience, func() bool { r = sends(t, all, part); return r.Err != nil && strings.Contains(r.Err.Error(), want) }) {
			t.Errorf("got %+v, want it to say %q", r, want)
		}
		comesToSay(t, all, want, "appendonly yes")
		comesToBe(t, one)
	}
	bad.do("CONFIG", "SET", "appendonly", "yes")
	comesToBe(t, all)
	goes(t, all, part)
}

// comesToBe waits until a store is writable, whoever else writes.
func comesToBe(t *testing.T, s *redisstore.Store) {
	t.Helper()
	var err error
	if !within(*patience, func() bool { err = s.Writable(t.Context()); return err == nil }) {
		t.Errorf("it does not go on by itself: %v", err)
	}
}

// TestWaitsOfUsers: a user who may not wait for disks is told, and waits for
// replicas alone.
func TestWaitsOfUsers(t *testing.T) {
	t.Parallel()
	m, r := redis(t, durable...), redis(t, durable...)
	r.follow(m)
	rights := append([]string{"+config|get"}, leastRights...)
	m.allow(rights, "taba:{*}:*")
	o, err := redisstore.Parse("redis://taba:pass@" + m.addr + "?vbuckets=1")
	if err != nil {
		t.Fatal(err)
	}
	waited := func(want string) {
		t.Helper()
		var log output
		o.Logger = logTo(&log)
		s := open(t, o)
		if r := goes(t, s, newSender(t, s, 1).seal(0)); r.Stable != 1 {
			t.Errorf("got %+v", r)
		}
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say that %s:\n%s", want, log.String())
		}
	}
	if !m.CountsSynced() {
		waited("the server has no WAITAOF")
		return
	}
	waited("the store's user may not use WAITAOF")
	o.Prefix = "other"
	m.allow(append(rights, "+waitaof"), "other:{*}:*")
	waited("commits wait until replicas have synced")
	if n := m.do("INFO", "commandstats"); !strings.Contains(n, "\ncmdstat_waitaof:") {
		t.Error("it was never waited for disks")
	}
}

// BenchmarkWait is a write and the wait for one replica that syncs, in each way:
// for its memory, for its disk, and for its disk after its memory.
func BenchmarkWait(b *testing.B) {
	m, r := redis(b, durable...), redis(b, durable...)
	r.follow(m)
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{m.addr}, ForceSingleClient: true, DisableCache: true})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	conn, release := c.Dedicate()
	defer release()
	wait, disks := []string{"WAIT", "1", "5000"}, []string{"WAITAOF", "1", "1", "5000"}
	ways := map[string][][]string{"WAIT": {wait}}
	if m.CountsSynced() {
		ways["WAITAOF"], ways["both"] = [][]string{disks}, [][]string{wait, disks}
	}
	for name, way := range ways {
		b.Run(name, func(b *testing.B) {
			measured(b, m, 1, func(i int) {
				cmds := []rueidis.Completed{c.B().Set().Key("key").Value(fmt.Sprint(i)).Build()}
				for _, words := range way {
					cmds = append(cmds, c.B().Arbitrary(words...).Blocking())
				}
				for _, r := range conn.DoMulti(context.Background(), cmds...) {
					if err := r.Error(); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
