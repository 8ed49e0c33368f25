package redisstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/redisstore"
)

// says fails unless an error has all of it.
func says(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one that says %q", want)
		return
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got %q, want it to say %q", err, w)
		}
	}
}

// comesToSay waits until a store says why it cannot be written. It may say first
// that a connection has ended.
func comesToSay(t *testing.T, s *redisstore.Store, want ...string) {
	t.Helper()
	var err error
	if !within(*patience, func() bool {
		err = s.Writable(t.Context())
		return err != nil && !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(err.Error(), w) })
	}) {
		t.Fatalf("got %v, want it to say %q", err, want)
	}
}

func TestParseRefuses(t *testing.T) {
	f := func(url string, want ...string) {
		t.Helper()
		_, err := redisstore.Parse(url)
		says(t, err, want...)
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q shows the password", err)
		}
	}
	f("redix://h", "scheme", "redis+sentinel")
	f("redis://:secret@h?wiat=1", `no setting "wiat"`, "wait")
	f("redis://:secret@h/x", `"x" is not the number of a database`)
	f("redis://:%zz@h", "%25")
	f("redis://a,b", "several addresses")
	f("redis://h?wait=some", "wait:", `"some"`)
	f("redis://h?vbuckets=0", "vbuckets:", "from 1 to")
	f("redis://h?timeout=5", "timeout:", "5s")
	f("redis://h?prefix=a:b", "prefix:")
	f("redis://h?persistence=no", "persistence:", "aof, any")
	f("redis://h?expect=1", "expect:", "32 hexadecimal digits")
	f("redis://h?tls_ca=/none", "tls_ca:")
	f("redis://h?tls_cert=c&tls_key=k", "tls_cert", "rediss")
	f("rediss://h?tls_cert=c", "tls_key", "go together")
	f("rediss://h?tls_cert=/none&tls_key=/none", "tls_cert and tls_key:", "/none")
	f("redis://h?master=a:0-1", "master is set")
	f("redis+sentinel://h", "master is not set")
	f("redis+sentinel://h?master=a:0-7,b:9-15", "master: vbucket 8 belongs to nobody")
	f("redis+sentinel://h?master=a:0-7,b:7-15", "master: vbucket 7 belongs to both a and b")
	f("redis+sentinel://h?master=a:1-7", "master: vbucket 0 belongs to nobody")
	f("redis+sentinel://h?master=a:0-7&vbuckets=16", "master: vbucket 8 belongs to nobody, the store has 16")
	f("redis+sentinel://h?master=a:0-15&vbuckets=8", "master: there is no vbucket 15, the store has 8")
	f("redis+sentinel://h?master=a,b:1-2", "master: a has no vbuckets")
	f("redis+sentinel://h?master=a:x-2", "master:", "shard1:0-7")
	f("redis+cluster://h/1", "only database 0")
}

func TestParse(t *testing.T) {
	o, err := redisstore.Parse("rediss+sentinel://me:p%40ss@a:1,b?master=one:0-7,two:8-15&wait=2&timeout=3s&sentinel_password=s")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(o.Kind, o.User, o.Password, o.Addrs, o.Masters, o.Wait, o.Timeout, o.SentinelPassword, o.TLS != nil)
	want := fmt.Sprint(redisstore.Sentinel, "me", "p@ss", []string{"a:1", "b:26379"}, []redisstore.Master{{"one", 0, 7}, {"two", 8, 15}}, redisstore.Wait(2), 3*time.Second, "s", true)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	r := redis(t)
	f := func(o redisstore.Options, want ...string) {
		t.Helper()
		o.Addrs = append(o.Addrs, r.addr)
		s, err := redisstore.Open(t.Context(), o)
		if err == nil {
			_ = s.Shutdown()
		}
		says(t, err, want...)
	}
	meta := open(t, redisstore.Options{Addrs: []string{r.addr}, VBuckets: 4}).Meta()
	id := fmt.Sprintf("%x", meta.ID)
	f(redisstore.Options{VBuckets: 8}, "the setting vbuckets is 8", "created with 4", "set it to 4")
	f(redisstore.Options{Prefix: "other", Expect: id}, "expect:", "is empty", "backup")
	f(redisstore.Options{Expect: strings.Repeat("0", 32)}, "expect: the store is "+id)
	f(redisstore.Options{Addrs: []string{"127.0.0.1:1"}}, "127.0.0.1:1")
	f(redisstore.Options{Kind: redisstore.Cluster}, "not a node of a Cluster", "redis://")

	r.do("SET", "foreign:{2}:h", "x")
	f(redisstore.Options{Prefix: "foreign"}, `the key "foreign:{2}:h" is there, but no store`, "left alone")
	if got := r.do("GET", "foreign:{2}:h"); got != "x" {
		t.Errorf("a foreign key: got %q", got)
	}
	r.do("COPY", "taba:{1}:m", "half:{1}:m")
	f(redisstore.Options{Prefix: "half"}, "vbucket 0 is missing", "vbucket 1 of store "+id, "backup")
	other := open(t, redisstore.Options{Addrs: []string{r.addr}, VBuckets: 4, Prefix: "second"})
	r.do("COPY", "taba:{3}:m", "second:{3}:m", "REPLACE")
	f(redisstore.Options{Prefix: "second"}, "vbucket 3 is of store "+id, fmt.Sprintf("%x", other.Meta().ID))
	r.do("DEL", "taba:{3}:k")
	f(redisstore.Options{}, "1 of 3 keys of vbucket 3 are missing")
	// The version of the partition function follows format, identity and time.
	r.do("SETRANGE", "taba:{0}:m", "25", "\x07")
	f(redisstore.Options{}, "partition function 7", "knows 1")
	r.do("SETRANGE", "taba:{0}:m", "0", "\x02")
	f(redisstore.Options{}, "format 2", "reads format 1")

	r.do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	f(redisstore.Options{Prefix: "new"}, "maxmemory-policy is allkeys-lru", "noeviction")
	r.do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	r.do("CONFIG", "SET", "appendonly", "no")
	f(redisstore.Options{Prefix: "new"}, "appendonly is no", "persistence=any")
	open(t, redisstore.Options{Addrs: []string{r.addr}, Prefix: "new", Persistence: redisstore.AnyPersistence})
	r.do("REPLICAOF", "127.0.0.1", "1")
	f(redisstore.Options{Persistence: redisstore.AnyPersistence, Prefix: "new"}, "is a replica")
}

// TestUser: a user with the rights that the documentation names is enough.
func TestUser(t *testing.T) {
	t.Parallel()
	r := redis(t)
	r.do("ACL", "SETUSER", "taba", "on", ">pass", "~taba:*", "+@all", "-@dangerous", "+info", "+cluster|nodes", "-@admin")
	o, err := redisstore.Parse("redis://taba:pass@" + r.addr)
	if err != nil {
		t.Fatal(err)
	}
	l := burden(t, 1, open(t, o))
	l.goesOn()
	l.finish()
	o.Password = "wrong"
	_, err = redisstore.Open(t.Context(), o)
	says(t, err, "user or password is wrong")
	if err != nil && strings.Contains(err.Error(), "pass@") {
		t.Errorf("%q shows the password", err)
	}
}

// TestBadDays: a server that takes nothing for a while. Nothing is
// acknowledged meanwhile, and it goes on by itself.
func TestBadDays(t *testing.T) {
	t.Parallel()
	r := redis(t, durable...)
	s := open(t, redisstore.Options{Addrs: []string{r.addr}, VBuckets: 2, Timeout: time.Second})
	l := burden(t, 2, s)
	bad := func(what string, spoil, mend func(), want ...string) {
		t.Helper()
		l.goesOn()
		spoil()
		comesToSay(t, s, want...)
		l.refused()
		mend()
		l.goesOn()
		var err error
		if !within(*patience, func() bool { err = s.Writable(t.Context()); return err == nil }) {
			t.Errorf("%s: afterwards: %v", what, err)
		}
	}
	set := func(name, value string) func() { return func() { r.do("CONFIG", "SET", name, value) } }
	bad("out of memory", set("maxmemory", "1"), set("maxmemory", "0"), "memory is full", "maxmemory")
	bad("eviction", set("maxmemory-policy", "volatile-ttl"), set("maxmemory-policy", "noeviction"), "maxmemory-policy is volatile-ttl")
	bad("read-only", func() { r.do("REPLICAOF", "127.0.0.1", "1") }, func() { r.do("REPLICAOF", "NO", "ONE") }, "is a replica")
	bad("away", r.Kill, r.start, r.addr)
	bad("loading", func() { r.loadSlowly() }, func() { r.eventually("it has read everything", r.loaded) }, "is reading its data from disk")
	bad("gone", func() { r.do("RENAME", "taba:{0}:m", "away:m") }, func() { r.do("RENAME", "away:m", "taba:{0}:m") }, "vbucket 0 is missing", "backup")
	r.do("SCRIPT", "FLUSH")
	l.goesOn()
	l.finish()
	for vb := range 2 {
		var audit store.Stats
		var err error
		within(*patience, func() bool { audit, err = s.Audit(t.Context(), vb); return err == nil })
		if err != nil || audit.Appended != audit.Tail {
			t.Errorf("ledger: %+v, %v", audit, err)
		}
	}
}

// TestStranger: a key below the prefix that is not ours is reported.
func TestStranger(t *testing.T) {
	t.Parallel()
	r := redis(t)
	r.do("SET", "taba:{0}:x", "y")
	r.do("SET", "taba:notes", "z")
	var log output
	open(t, redisstore.Options{Addrs: []string{r.addr}, Logger: logTo(&log)})
	if !within(*patience, func() bool { return strings.Count(log.String(), "left alone") == 2 }) {
		t.Errorf("got %s", log.String())
	}
	if got := r.do("MGET", "taba:{0}:x", "taba:notes"); got != "y\nz" {
		t.Errorf("foreign keys: got %q", got)
	}
}
