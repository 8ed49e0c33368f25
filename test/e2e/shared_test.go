package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const sharedVBuckets = 16

// TestWorkIsDivided: of three servers on one store each compacts its share, and
// when one is killed the others take over what was its own.
func TestWorkIsDivided(t *testing.T) {
	t.Parallel()
	store := "redis://" + startRedis(t).addr
	servers := launchShared(t, store, 3)
	everyServer(t, servers, 3)
	lookedAfter(t, servers)
	fill(t, servers)
	servers[0].mustGet(t, "/recompute")
	compacted(t, servers)

	fill(t, servers)
	killed := time.Now()
	servers[1].kill()
	left := []*process{servers[0], servers[2]}
	everyServer(t, left, 2)
	lookedAfter(t, left)
	t.Logf("taken over %.1f s after the kill", time.Since(killed).Seconds())
	servers[2].mustGet(t, "/recompute")
	compacted(t, left)
	for _, s := range left {
		for i := range sharedTabs {
			if text := s.mustGet(t, fmt.Sprint("/tabs?name=divided.", i)); !strings.Contains(text, `"count": 6,`) {
				t.Errorf("got %s, want a count of 6", text)
			}
		}
		mustAudit(t, s)
	}
	servers[1].start()
	everyServer(t, servers, 3)
	lookedAfter(t, servers)
}

// sharedTabs are enough for each vbucket to have some.
const sharedTabs = 200

// fill posts an event of every tab to each server.
func fill(t *testing.T, servers []*process) {
	t.Helper()
	var body strings.Builder
	body.WriteString("1\n\nclient\n\n")
	for i := range sharedTabs {
		fmt.Fprintf(&body, "divided.%d\n[\"TotalsCounter\", %d, \"1\"]\n\n", i, time.Now().Unix())
	}
	body.WriteString("\n")
	for _, s := range servers {
		s.mustPost("/post", http.Header{}, []byte(body.String()))
	}
}

func (p *process) mustGet(t *testing.T, path string) string {
	t.Helper()
	status, text := p.get(path, "text/plain")
	if status != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, status, text)
	}
	return text
}

var (
	lookedAfterLine = regexp.MustCompile(`(?m)^taba_vbuckets_looked_after (\d+)$`)
	logLine         = regexp.MustCompile(`(?m)^taba_log_bytes\{vbucket="(\d+)"\} (\d+)$`)
)

// lookedAfter waits until every vbucket is some server's.
func lookedAfter(t *testing.T, servers []*process) {
	t.Helper()
	eventually(t, "every vbucket is looked after by one", func() bool {
		sum := 0
		for _, s := range servers {
			m := lookedAfterLine.FindStringSubmatch(s.mustGet(t, "/metrics"))
			if m == nil {
				return false
			}
			n, _ := strconv.Atoi(m[1])
			sum += n
		}
		return sum == sharedVBuckets
	})
}

// compacted waits until no vbucket has a log.
func compacted(t *testing.T, servers []*process) {
	t.Helper()
	eventually(t, "all is compacted", func() bool {
		empty := map[string]bool{}
		for _, s := range servers {
			for _, m := range logLine.FindAllStringSubmatch(s.mustGet(t, "/metrics"), -1) {
				if m[2] == "0" {
					empty[m[1]] = true
				}
			}
		}
		return len(empty) == sharedVBuckets
	})
}

// TestRollingRestart: servers are restarted one after the other under load, and
// killed, and everything acknowledged is counted once. One of them takes no
// events, so that agents that are told of it turn to the others.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	dir := scratch(t)
	store := "redis://" + startRedis(t).addr
	servers := append(launchShared(t, store, 2), launch(t, "server", "--store", store, "--name", "server 2", "--roles", "be,ctrl"))
	urls := []string{servers[2].url, servers[0].url, servers[1].url}
	c := &cluster{t: t, server: servers[0]}
	for i := range 2 {
		c.agents = append(c.agents, launch(t, "agent", "--spool", filepath.Join(dir, fmt.Sprint("spool", i)), "--servers", strings.Join(urls, ",")))
	}
	everyServer(t, servers, 3)
	c.open()
	underLoad(t, c.session, func() {
		for _, s := range servers {
			s.terminate()
			goesOn(t, c.session)
			s.start()
			goesOn(t, c.session)
		}
		servers[1].mustGet(t, "/upgrade")
		for _, s := range servers {
			s.restart()
			goesOn(t, c.session)
		}
	})
	before := mustVerify(t, c.session)
	c.restart(append(servers, c.agents...)...)
	if after := mustVerify(t, c.session); !after.Keeps(before) {
		t.Errorf("answers changed by kill -9: %+v before, %+v after", before, after)
	}
	for _, s := range servers {
		mustAudit(t, s)
	}
	t.Logf("%d events acknowledged, each counted once; of %d in doubt %d are counted", before.Acknowledged, before.InDoubt, before.DoubtCounted)
}

// TestShardAway: while one of two Redis servers hangs, or is gone, answers say
// what they lack, and what is on the other goes on as ever.
func TestShardAway(t *testing.T) {
	t.Parallel()
	one, two := startRedis(t), startRedis(t)
	sentinel := startSentinel(t, map[string]*redis{"one": one, "two": two})
	s := launch(t, "server", "--name", "server", "--store", "redis+sentinel://"+sentinel.addr+"?master=one:0-7,two:8-15&timeout=1s")
	fill(t, []*process{s})
	ask := func(path string) (complete bool, text string) {
		t.Helper()
		status, text := s.get(path, "")
		if status != http.StatusOK && status != http.StatusServiceUnavailable {
			t.Fatalf("GET %s: %d %s", path, status, text)
		}
		return status == http.StatusOK, text
	}
	query := func() (code int) {
		t.Helper()
		out, err := exec.Command(binary, "query", "count(divided.*)", "--server", s.url).CombinedOutput()
		exit := (*exec.ExitError)(nil)
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if exit != nil {
			code = exit.ExitCode()
		}
		if code == 3 && !strings.Contains(string(out), "vbuckets 8-15 cannot be read") {
			t.Errorf("a partial answer says %s", out)
		}
		return code
	}
	whole := func() bool {
		ok, _ := ask("/tabs")
		return ok && query() == 0
	}
	eventually(t, "answers are complete", whole)
	_, all := ask("/names")
	names := strings.Fields(all)
	spoil := func(what string, spoil, mend func()) {
		t.Helper()
		spoil()
		eventually(t, what+": what is lacking is said", func() bool {
			ok, text := ask("/tabs")
			return !ok && strings.Contains(text, "Vbuckets 8-15 cannot be read")
		})
		if code := query(); code != 3 {
			t.Errorf("%s: taba query ends with %d, want 3", what, code)
		}
		if ok, text := ask("/names?partial=1"); !ok || len(strings.Fields(text)) == 0 || len(strings.Fields(text)) >= len(names) {
			t.Errorf("%s: %d of %d names are told: %v", what, len(strings.Fields(text)), len(names), ok)
		}
		there := 0
		for _, name := range names[:20] {
			if ok, text := ask("/tabs?name=" + name); ok && strings.Contains(text, `"count": 1,`) {
				there++
			}
		}
		if there == 0 || there == 20 {
			t.Errorf("%s: %d of 20 tabs are answered", what, there)
		}
		mend()
		eventually(t, what+": answers are complete again", whole)
	}
	spoil("hangs", func() { two.signal(t, syscall.SIGSTOP) }, func() { two.signal(t, syscall.SIGCONT) })
	spoil("is gone", two.Kill, func() { two.again(t) })
}
