package redisstore_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/redisstore"
)

// calls is how often a server was asked to do something.
func (s *server) calls(command string) int {
	m := regexp.MustCompile(`cmdstat_` + regexp.QuoteMeta(command) + `:calls=(\d+)`).FindStringSubmatch(s.do("INFO", "commandstats"))
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // digits
	return n
}

// TestOneTransaction: the bodies of a commit are executed, and so synced, at
// once, in one round trip; those that gain nothing by it are not.
func TestOneTransaction(t *testing.T) {
	t.Parallel()
	r := redis(t, durable...)
	s := open(t, redisstore.Options{Addrs: []string{r.addr}, VBuckets: 16}.UsualTransactions())
	heads := make([]store.Head, 16)
	id, err := s.Open(t.Context(), store.ClassSpool, store.Nonce{1}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	send := func(parts, size int) {
		t.Helper()
		batch := make([]store.Part, parts)
		for vb := range batch {
			batch[vb] = after(heads[vb], id, vb, bodyOf(size))
		}
		results, err := s.Append(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for vb, r := range results {
			if r.Err != nil || r.Verdict != store.Applied {
				t.Fatalf("%+v", r)
			}
			heads[vb] = r.Head
		}
	}
	f := func(parts, size, transactions int) {
		t.Helper()
		send(parts, 1) // then nothing needs to be asked first
		before := []int{r.calls("exec"), r.calls("evalsha"), r.calls("hset")}
		send(parts, size)
		want := []int{before[0] + transactions, before[1] + parts, before[2] + 2*parts} // HSET of a row each, too
		if got := []int{r.calls("exec"), r.calls("evalsha"), r.calls("hset")}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%d parts of %d bytes: EXEC, EVALSHA, HSET: got %v, want %v", parts, size, got, want)
		}
	}
	f(1, 64<<10, 0)
	f(1, 2<<20, 0)
	f(16, 100, 0)
	f(16, 64<<10, 1)
	f(16, 100<<10, 2)
	f(3, 2<<20, 0)
}

// twin is one of two stores that are treated alike.
type twin struct {
	r    *server
	s    *redisstore.Store
	id   store.SourceID
	head []store.Head
}

// piece is a part that is to be sent: its vbucket, the size of its body, and how
// many that come before it are left out, or sent again.
type piece struct{ vb, size, skip int }

// inScript is what an error says if a script met it: a server that still frees
// memory may take what comes before.
var inScript = regexp.MustCompile(` script: [0-9a-f]+, on @user_script:\d+\.`)

// send sends pieces in one commit and tells what became of each.
func (x *twin) send(t *testing.T, pieces []piece) (told []string) {
	t.Helper()
	heads := slices.Clone(x.head)
	var parts []store.Part
	for _, p := range pieces {
		var w store.BodyWriter
		w.Tab(store.Tab{Name: "tab", Type: "Total"})
		w.Partial("client", 1, func(dst []byte) []byte { return append(dst, make([]byte, p.size)...) })
		prev := heads[p.vb]
		prev.Seq += uint64(p.skip)
		part := after(prev, x.id, p.vb, w.Bytes())
		heads[p.vb] = store.Head{Seq: part.Seq, Chain: part.Chain}
		parts = append(parts, part)
	}
	results, err := x.s.Append(t.Context(), parts)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Err == nil {
			x.head[parts[i].VB] = r.Head
		}
		why := strings.ReplaceAll(fmt.Sprint(r.Err), x.r.addr, "ADDR")
		told = append(told, fmt.Sprint(r.Verdict, r.Head.Seq, r.Position.Offset, inScript.ReplaceAllString(why, "")))
	}
	return told
}

// TestTransactionsAsPlain: what commits come to does not depend on whether they
// share transactions, nor do the reasons why they are refused.
func TestTransactionsAsPlain(t *testing.T) {
	t.Parallel()
	const vbuckets = 4
	born := time.Now()
	var twins []*twin
	for _, most := range []int{-1, 100 << 10} {
		r := redis(t)
		s := open(t, redisstore.Options{Addrs: []string{r.addr}, VBuckets: vbuckets, Timeout: time.Hour}.Transactions(-1, most))
		id, err := s.Open(t.Context(), store.ClassSpool, store.Nonce{1}, born)
		if err != nil {
			t.Fatal(err)
		}
		twins = append(twins, &twin{r: r, s: s, id: id, head: make([]store.Head, vbuckets)})
	}
	days := []struct{ spoil, mend []string }{
		{}, {}, {},
		{[]string{"CONFIG", "SET", "maxmemory", "1"}, []string{"CONFIG", "SET", "maxmemory", "0"}},
		{[]string{"ACL", "SETUSER", "default", "-hset"}, []string{"ACL", "SETUSER", "default", "+hset"}},
		{[]string{"ACL", "SETUSER", "default", "-evalsha"}, []string{"ACL", "SETUSER", "default", "+evalsha"}},
		{spoil: []string{"SCRIPT", "FLUSH"}},
	}
	rng := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for i := range 200 {
		var pieces []piece
		for range 1 + rng.IntN(8) {
			pieces = append(pieces, piece{rng.IntN(vbuckets), rng.IntN(1 << rng.IntN(17)), max(0, rng.IntN(8)-6)})
		}
		day := days[rng.IntN(len(days))]
		var told [2][]string
		for n, x := range twins {
			if day.spoil != nil {
				x.r.do(day.spoil...)
			}
			told[n] = x.send(t, pieces)
			if day.mend != nil {
				x.r.do(day.mend...)
			}
		}
		if !slices.Equal(told[0], told[1]) {
			t.Fatalf("commit %d, %v, after %v:\nplain           %q\nin transactions %q", i, pieces, day.spoil, told[0], told[1])
		}
		if day.mend != nil {
			refused++
		}
	}
	if exec := twins[1].r.calls("exec"); exec < twins[0].r.calls("exec")+50 || refused < 50 {
		t.Errorf("only %d transactions and %d refused commits", exec, refused)
	}
	for vb := range vbuckets {
		var logs [2]string
		for n, x := range twins {
			loaded, err := x.s.Load(t.Context(), vb, store.LoadRequest{})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range loaded.Entries {
				logs[n] += fmt.Sprintln(e.Position.Offset, e.Seq, e.Events, xxhash.Sum64(e.Body))
			}
		}
		if logs[0] != logs[1] || logs[0] == "" {
			t.Errorf("vbucket %d: the log is\n%s\nand in transactions\n%s", vb, logs[0], logs[1])
		}
	}
}
