package trail

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is one that tests set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

func newClock() *clock { return &clock{time.Unix(1395954300, 0)} }

func refused(name, reason string) Note {
	return Note{Kind: Refused, Door: DoorV1, Reason: reason, Name: name, Events: 1, Sender: "10.0.0.1:4711"}
}

func TestNotesOfANameAddUp(t *testing.T) {
	c := newClock()
	tr := New(Options{Now: c.now})
	begun := c.now()
	first := refused("bids", "payload")
	first.Client, first.Detail = "web-1", "a CounterGroup does not take x"
	tr.Note(first)
	c.pass(time.Minute)
	second := first
	second.Client, second.Sender, second.Events, second.Detail = "web-2", "10.0.0.2:1", 4, "a CounterGroup does not take y"
	tr.Note(second)
	tr.Note(refused("bids", "unknown_type"))
	exact, near := tr.Find("bids")
	if len(exact) != 2 || len(near) != 0 {
		t.Fatalf("found %+v and %+v", exact, near)
	}
	for _, got := range exact {
		if got.Reason != "payload" {
			continue
		}
		second.Events = 5
		want := Trace{Note: second, Times: 2, First: begun, Last: begun.Add(time.Minute)}
		if got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
}

// A sender that makes names up drives out its own, not those that others are
// refused again and again.
func TestAFloodOfNamesStaysBounded(t *testing.T) {
	c := newClock()
	tr := New(Options{Bytes: 64 << 10, Now: c.now})
	for range 2 {
		for i := range 20 {
			tr.Note(refused(fmt.Sprint("honest", i), "payload"))
		}
	}
	c.pass(time.Second)
	for i := range 100_000 {
		tr.Note(refused(fmt.Sprint("random", i), "name"))
		c.pass(10 * time.Millisecond)
		if size := tr.Size(); size > 64<<10 {
			t.Fatalf("%d bytes are held after %d names", size, i)
		}
	}
	for i := range 20 {
		if exact, _ := tr.Find(fmt.Sprint("honest", i)); len(exact) != 1 || exact[0].Times != 2 {
			t.Errorf("of honest%d is known %+v", i, exact)
		}
	}
	if exact, _ := tr.Find("random99999"); len(exact) != 1 {
		t.Error("the latest name is not known")
	}
	if n := len(tr.All()); n < 50 {
		t.Errorf("only %d names are known", n)
	}
}

// A flood of names costs little: few of them are begun with.
func TestNamesAreBegunWithSlowly(t *testing.T) {
	c := newClock()
	tr := New(Options{Bytes: 64 << 20, Now: c.now})
	for second := range 3 {
		for i := range 5 * maxNew {
			tr.Note(refused(fmt.Sprint("random", second, ".", i), "name"))
		}
		if got, want := len(tr.All()), maxNew*(second+1); got != want {
			t.Errorf("%d names are known, want %d", got, want)
		}
		c.pass(time.Second)
	}
}

// What is known is forgotten in the end, too.
func TestWhatWasToldLeastRecentlyIsForgotten(t *testing.T) {
	c := newClock()
	tr := New(Options{Bytes: 64 << 10, Now: c.now})
	for i := range 10_000 {
		c.pass(10 * time.Millisecond)
		tr.Note(refused(fmt.Sprint("n", i), "name"))
		tr.Note(refused(fmt.Sprint("n", i), "name"))
	}
	if size := tr.Size(); size > 64<<10 {
		t.Errorf("%d bytes are held", size)
	}
	if exact, _ := tr.Find("n0"); len(exact) != 0 {
		t.Error("the oldest name is still known")
	}
	if exact, _ := tr.Find("n9999"); len(exact) != 1 {
		t.Error("the latest name is not known")
	}
}

func TestFind(t *testing.T) {
	tr := New(Options{})
	long := strings.Repeat("long_name.", 100)
	for _, n := range []string{"bid\xfflatency", "bid latency\n", "Bids-Won", "winning_bid_price", long, "bid_latncy"} {
		tr.Note(refused(n, "name"))
	}
	n := refused("", "malformed")
	n.Detail = `line 7 of the body: a blank line has to follow "clicks_total"`
	tr.Note(n)
	f := func(asked string, exact string, near ...string) {
		t.Helper()
		got, like := tr.Find(asked)
		if (len(got) == 1) != (exact != "") || len(got) > 0 && got[0].Name != exact {
			t.Errorf("%q: found %+v, want %q", asked, got, exact)
		}
		var names []string
		for _, l := range like {
			names = append(names, l.Name)
		}
		if fmt.Sprintf("%q", names) != fmt.Sprintf("%q", near) && len(names)+len(near) > 0 {
			t.Errorf("%q: near are %q, want %q", asked, names, near)
		}
	}
	f("bid\xfflatency", "bid\xfflatency", "bid latency\n", "bid_latncy")
	f(`bid\xfflatency`, "bid\xfflatency")
	f("bid_latency", "", "bid latency\n", "bid\xfflatency", "bid_latncy")
	f("bids_won", "", "Bids-Won")
	f("bid_price", "", "winning_bid_price")
	f(long, long[:maxName])
	f("long_name", "", long[:maxName])
	f("clicks_total", "", "")
	f("x", "")
}

func TestLike(t *testing.T) {
	f := func(asked string, nearest ...string) {
		t.Helper()
		last := Likeness(-1)
		for _, n := range nearest {
			l := Like(asked, n)
			if l <= last && n != nearest[0] || l == Unlike {
				t.Errorf("%q is as near to %q as %d, after %d", n, asked, l, last)
			}
			last = l
		}
	}
	f("bids_won", "bids_won", "Bids.Won", "bid_won", "bd_won", "bids_won_total", "all.bids_won")
	for _, n := range []string{"", "clicks", "b", "won"} {
		if l := Like("a", n); l != Unlike {
			t.Errorf(`%q is as near to "a" as %d`, n, l)
		}
	}
}

// distance is the textbook's.
func distance(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	d := distance(a[1:], b[1:])
	if a[0] != b[0] {
		d = 1 + min(d, distance(a[1:], b), distance(a, b[1:]))
	}
	return d
}

func FuzzDistance(f *testing.F) {
	f.Add("kitten", "sitting", 3)
	f.Add("", "ab", 1)
	f.Fuzz(func(t *testing.T, a, b string, most int) {
		if len(a) > 7 || len(b) > 7 || most < 0 || most > 9 {
			return
		}
		want := distance(a, b)
		if want > most {
			want = -1
		}
		if got := Distance(a, b, most); got != want {
			t.Errorf("Distance(%q, %q, %d) = %d, want %d", a, b, most, got, want)
		}
	})
}

func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"bids", "bid\xff", "a\nb", "Größe", "\x80", "\u0085", `\x41`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		p := Printable(name)
		if Printable(p) != p {
			t.Errorf("%q becomes %q, and that %q", name, p, Printable(p))
		}
		if l := Like(name, p); name == p && l != 0 {
			t.Errorf("%q is not like itself: %d", name, l)
		}
	})
}

// A nil Trail takes everything, from many at once as others do.
func TestConcurrently(t *testing.T) {
	for _, tr := range []*Trail{nil, New(Options{Bytes: 4 << 10})} {
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 500 {
					tr.Note(refused(fmt.Sprint("n", i%(7+g)), "name"))
					tr.Viewers().Stopped(Refused, "n1", 1)
					if i%50 == 0 {
						tr.Find("n1")
						tr.Size()
					}
				}
			})
		}
		wg.Wait()
	}
}

// Noting the same again, as a sender that is refused for ever makes a door do,
// allocates nothing.
func TestNotingAgainAllocatesNothing(t *testing.T) {
	tr := New(Options{})
	n := refused("bids", "payload")
	tr.Note(n)
	if allocs := testing.AllocsPerRun(100, func() { tr.Note(n) }); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestEveryReasonSaysWhatToDo(t *testing.T) {
	docs, err := os.ReadFile("../../docs/explain.md")
	if err != nil {
		t.Fatal(err)
	}
	for door, list := range map[string]map[string]Reason{DoorV1: reasons, DoorStatsd: statsd} {
		for word := range list {
			r := What(door, word)
			if r.What == "" || r.Remedy == "" {
				t.Errorf("%s: %+v", word, r)
			}
			if row := fmt.Sprintf("`%s` | %s |", word, strings.ReplaceAll(r.What, "|", `\|`)); !strings.Contains(string(docs), row) {
				t.Errorf("docs/explain.md does not have %s", row)
			}
		}
	}
	if r := What(DoorV1, "of_my_own"); !strings.Contains(r.What, "of_my_own") {
		t.Errorf("a reason that is not known is %+v", r)
	}
}
