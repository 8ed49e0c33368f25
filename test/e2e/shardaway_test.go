package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// isolation is a cluster on two Redis servers, of which one fails, and what was
// acknowledged of each tab.
type isolation struct {
	t       *testing.T
	servers []*process
	agents  []*process
	tabs    []string
	doubt   []string // tabs of which nobody knows how many events there are
	counts  map[string]int
}

func newIsolation(t *testing.T, store string) *isolation {
	dir := scratch(t)
	c := &isolation{t: t, servers: launchShared(t, store, 3), counts: map[string]int{}}
	var urls []string
	for _, s := range c.servers {
		urls = append(urls, s.url)
	}
	for i := range 2 {
		c.agents = append(c.agents, launch(t, "agent", "--spool", filepath.Join(dir, fmt.Sprint("spool", i)), "--servers", strings.Join(urls, ",")))
	}
	for i := range 32 {
		c.tabs = append(c.tabs, fmt.Sprint("isolated.", i))
		c.doubt = append(c.doubt, fmt.Sprint("doubt.", i))
	}
	return c
}

// post posts an event of each tab, which must be acknowledged.
func (c *isolation) post(to *process, tabs ...string) {
	c.t.Helper()
	if status, text := v1(to, "client", tabs...); status != http.StatusOK {
		c.t.Fatalf("an event of each of %d tabs: %d %s", len(tabs), status, text)
	}
	for _, tab := range tabs {
		c.counts[tab]++
	}
}

// refused requires that a post is not taken.
func (c *isolation) refused(to *process, tabs ...string) {
	c.t.Helper()
	if status, text := v1(to, "client", tabs...); status != http.StatusServiceUnavailable {
		c.t.Fatalf("a post to a part of the store that is away: %d %s", status, text)
	}
}

var countOfTab = regexp.MustCompile(`(?m)"count": (\d+),`)

// count is how many events of a tab there are; ok: it was answered.
func (c *isolation) count(s *process, tab string) (n int, ok bool) {
	status, text := s.get("/tabs?name="+tab, "")
	m := countOfTab.FindStringSubmatch(text)
	if status != http.StatusOK || m == nil {
		return 0, false
	}
	n, _ = strconv.Atoi(m[1])
	return n, true
}

// parted returns which tabs are answered and which are not.
func (c *isolation) parted(tabs []string) (there, away []string) {
	answered := make([]bool, len(tabs))
	var asked sync.WaitGroup // side by side, as who asks for what is away waits
	for i, tab := range tabs {
		asked.Go(func() { _, answered[i] = c.count(c.servers[0], tab) })
	}
	asked.Wait()
	for i, tab := range tabs {
		if answered[i] {
			there = append(there, tab)
		} else {
			away = append(away, tab)
		}
	}
	return there, away
}

// visible waits until everything that was acknowledged of some tabs is counted.
func (c *isolation) visible(what string, tabs []string) {
	c.t.Helper()
	for _, tab := range tabs {
		eventually(c.t, fmt.Sprintf("%s: %s has %d", what, tab, c.counts[tab]), func() bool {
			n, ok := c.count(c.servers[0], tab)
			if n > c.counts[tab] {
				c.t.Fatalf("%s: %s is counted %d times, want %d", what, tab, n, c.counts[tab])
			}
			return ok && n == c.counts[tab]
		})
	}
}

// metric is one of a process.
func metric(t *testing.T, p *process, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(p.mustGet(t, "/metrics"))
	if m == nil {
		t.Fatalf("no %s", name)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// heldAlone waits until agents hold what is for the shard that is away and nothing
// else.
func (c *isolation) heldAlone() {
	c.t.Helper()
	for _, a := range c.agents {
		eventually(c.t, "only what cannot be committed is held", func() bool {
			held := metric(c.t, a, "taba_agent_held_events")
			return held > 0 && held == metric(c.t, a, "taba_agent_backlog_events")
		})
	}
}

// crowd has many wait at a server for the shard that is away, and returns when all
// of them are answered.
func (c *isolation) crowd(tab string, beside func()) {
	c.t.Helper()
	var wait sync.WaitGroup
	for range 200 {
		wait.Go(func() { v1(c.servers[0], "client", tab) })
	}
	beside()
	wait.Wait()
}

// TestShardAwayIsAlone: while one of two Redis servers hangs, or is gone, what is on the
// other goes on, through agents and by direct posts, and what was acknowledged for the
// one that was away is counted once when it is back.
func TestShardAwayIsAlone(t *testing.T) {
	t.Parallel()
	one, two := startRedis(t), startRedis(t)
	sentinel := startSentinel(t, map[string]*redis{"one": one, "two": two})
	c := newIsolation(t, "redis+sentinel://"+sentinel.addr+"?master=one:0-7,two:8-15&timeout=1s")
	everyServer(t, c.servers, 3)
	for _, p := range append(c.agents, c.servers...) {
		c.post(p, c.tabs...)
	}
	c.post(c.servers[0], c.doubt...)
	c.visible("before", append(c.doubt, c.tabs...))
	goroutines := metric(t, c.servers[0], "go_goroutines")

	spoil := func(what string, spoil, mend func()) {
		t.Helper()
		spoil()
		var doubt []string
		eventually(t, what+": a part is away", func() bool {
			there, away := c.parted(c.doubt)
			doubt = away
			return len(there) > 0 && len(away) > 0
		})
		there, _ := c.parted(c.tabs)
		c.refused(c.servers[0], doubt[0])
		c.refused(c.servers[0], doubt[0], there[0]) // and nothing of it is counted
		for range 10 {
			for _, a := range c.agents {
				c.post(a, c.tabs...)
			}
			for _, s := range c.servers {
				c.post(s, there...)
			}
			c.visible(what, there)
		}
		c.heldAlone()
		c.crowd(doubt[0], func() { c.post(c.servers[0], there...) })
		eventually(t, what+": nothing piles up", func() bool {
			return metric(t, c.servers[0], "go_goroutines") < goroutines+100
		})
		c.visible(what, there)
		mend()
		c.visible(what+", mended", c.tabs)
	}
	spoil("hangs", func() { two.signal(t, syscall.SIGSTOP) }, func() { two.signal(t, syscall.SIGCONT) })
	spoil("is gone", two.Kill, func() { two.again(t) })
	for _, s := range c.servers {
		eventually(t, "the ledger adds up", func() bool {
			_, text := s.get("/v2/check", "application/json")
			return strings.Contains(strings.ReplaceAll(text, " ", ""), `"ok":true`)
		})
	}
}
