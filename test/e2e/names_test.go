package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/wire"
)

// crowd sends random names by all doors and counts what becomes of them.
type crowd struct {
	t     *testing.T
	taken atomic.Int64 // events of random names that were acknowledged
	over  atomic.Int64 // requests that were refused, 429
}

// linesAtOnce is how many names a packet has. A request has more of them the more
// there are all together.
const linesAtOnce = 50

// flood calls send with so many names that were never there, some at once.
func (c *crowd) flood(kind string, many, atOnce int, send func(names []string)) {
	names := make([]string, atOnce)
	for i := range many / atOnce {
		for k := range names {
			names[k] = fmt.Sprintf("random.%s.%d.%d", kind, i, k)
		}
		send(names)
	}
}

// settle counts what became of a request.
func (c *crowd) settle(status int, text string, events int) {
	switch status {
	case http.StatusOK:
		c.taken.Add(int64(events))
	case http.StatusTooManyRequests:
		c.over.Add(1)
	default:
		c.t.Errorf("random names: %d %s", status, text)
	}
}

// v1 posts an event of each tab.
func v1(p *process, client string, tabs ...string) (int, string) {
	var e wire.Encoder
	_ = e.Client(client)
	for _, tab := range tabs {
		_ = e.Tab(tab)
		e.EventInt("CounterGroup", float64(time.Now().Unix()), 1)
	}
	return p.do(http.MethodPost, "/post", "", nil, e.Close())
}

// v2 posts an event of each tab.
func v2(p *process, client string, tabs ...string) (int, string) {
	var e wire.BatchEncoder
	now := time.Now().Unix()
	e.Begin(now)
	for _, tab := range tabs {
		e.Values(e.Series(tab, "CounterGroup", client), now, []float64{1})
	}
	return p.do(http.MethodPost, "/v2/batch", "", http.Header{"Content-Type": {wire.ContentType}}, e.Bytes())
}

// lines are an event of each tab.
func lines(tabs ...string) string { return strings.Join(tabs, ":1|c\n") + ":1|c\n" }

// honest records one known tab until stop is closed, and returns how often it did.
func honest(t *testing.T, stop <-chan struct{}, send func() (int, string)) (n int) {
	for {
		select {
		case <-stop:
			return n
		default:
		}
		switch status, text := send(); status {
		case http.StatusOK:
			n++
		case http.StatusServiceUnavailable: // nothing of it counts
		default:
			t.Errorf("a known name: %d %s", status, text)
			return n
		}
	}
}

// dial connects to the statsd port of a process.
func dial(t *testing.T, network, host string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, host+":8125")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Random names come in by every door, and through an agent, far more of them than
// there may be. The server stays as large as it is and what others record is exact.
// TABA_NAMES says how many there are, all together; TABA_E2E_RACE=off builds
// without the race detector, whose memory is not the server's.
func TestRandomNames(t *testing.T) {
	names := 200_000
	if text := os.Getenv("TABA_NAMES"); text != "" {
		var err error
		if names, err = strconv.Atoi(text); err != nil {
			t.Fatalf("TABA_NAMES: %v", err)
		}
	}
	most := min(names/20, 1_000_000)
	dir, host := scratch(t), freeHost()
	s := launchAs(t, host, exec.Command, "server", "--data", dir+"/data", "--limits-tabs", fmt.Sprint(most), "--limits-new-tabs", "0",
		"--statsd-udp", host+":8125", "--statsd-tcp", host+":8125", "--statsd-client", "statsd", "--insecure")
	a := launch(t, "agent", "--spool", dir+"/spool", "--servers", s.url, "--limits-tabs", fmt.Sprint(most+most/10), "--limits-new-tabs", "0")

	known := map[string]func() (int, string){
		"known.v1":    func() (int, string) { return v1(s, "c", "known.v1") },
		"known.v2":    func() (int, string) { return v2(s, "c", "known.v2") },
		"known.agent": func() (int, string) { return v1(a, "c", "known.agent") },
	}
	want := map[string]int{"known.statsd": 1}
	tcp := dial(t, "tcp", host)
	_, _ = tcp.Write([]byte(lines("known.statsd")))
	for tab, send := range known {
		if status, text := send(); status != http.StatusOK {
			t.Fatalf("%s: %d %s", tab, status, text)
		}
		want[tab] = 1
	}
	for tab := range want {
		eventually(t, tab+" is visible", func() bool { return s.count(tab) == 1 })
	}

	start := time.Now()
	c := &crowd{t: t}
	half := c.run(names/2, s, a, host, tcp, known, want)
	all := c.run(names-names/2, s, a, host, tcp, known, want)
	t.Logf("%d names in %v: %d events taken, %d requests refused; server %d MB then %d MB, agent %d MB",
		names, time.Since(start).Round(time.Second), c.taken.Load(), c.over.Load(), half>>20, all>>20, a.resident()>>20)
	for tab, n := range want {
		eventually(t, fmt.Sprintf("%s counts %d, it has %d", tab, n, s.count(tab)), func() bool { return s.count(tab) == n })
	}
	if tabs := int(s.metric("taba_tabs")); tabs < most || tabs > most+most/10 {
		t.Errorf("there are %d tabs, want about %d", tabs, most)
	}
	if c.over.Load() == 0 || s.count("statsd.overflow") == 0 || s.count("taba.overflow.CounterGroup") == 0 {
		t.Errorf("%d requests refused, %d values in statsd.overflow, %d events in taba.overflow.CounterGroup",
			c.over.Load(), s.count("statsd.overflow"), s.count("taba.overflow.CounterGroup"))
	}
	if room := int64(64 << 20); all > half+half/2+room {
		t.Errorf("the server grew from %d to %d MB although it took no more names", half>>20, all>>20)
	}
	if status, text := s.get("/check", ""); status != http.StatusOK {
		t.Errorf("the ledger: %d %s", status, text)
	}
	s.appended(c.taken.Load(), want)
}

// run floods with so many names while others record what is known, and returns the
// memory of the server in the end.
func (c *crowd) run(names int, s, a *process, host string, tcp net.Conn, known map[string]func() (int, string), want map[string]int) int64 {
	each := names / 5 // doors
	var floods, others sync.WaitGroup
	round := fmt.Sprint(names, ".", c.taken.Load())
	floods.Go(func() {
		c.flood("v1."+round, each, max(each/200, 20), func(names []string) {
			status, text := v1(s, "bad", names...)
			c.settle(status, text, len(names))
		})
	})
	floods.Go(func() {
		c.flood("v2."+round, each, max(each/200, 20), func(names []string) {
			status, text := v2(s, "bad", names...)
			c.settle(status, text, len(names))
		})
	})
	floods.Go(func() {
		c.flood("agent."+round, each, max(each/200, 20), func(names []string) {
			status, text := v1(a, "bad", names...)
			c.settle(status, text, len(names))
		})
	})
	for _, network := range []string{"udp", "tcp"} {
		conn := dial(c.t, network, host)
		floods.Go(func() {
			c.flood(network+"."+round, each, linesAtOnce, func(names []string) {
				if _, err := conn.Write([]byte(lines(names...))); err != nil {
					c.t.Errorf("%s: %v", network, err)
				}
			})
		})
	}
	stop := make(chan struct{})
	var mu sync.Mutex
	record := func(tab string, send func() (int, string)) {
		n := honest(c.t, stop, send)
		mu.Lock()
		defer mu.Unlock()
		want[tab] += n
	}
	for tab, send := range known {
		others.Go(func() { record(tab, send) })
	}
	others.Go(func() {
		record("known.statsd", func() (int, string) {
			if _, err := tcp.Write([]byte(lines("known.statsd"))); err != nil {
				return 0, err.Error()
			}
			return http.StatusOK, ""
		})
	})
	floods.Wait()
	close(stop)
	others.Wait()
	return s.resident()
}

// appended checks that the store has every event that it acknowledged, and each
// line that statsd took, once.
func (p *process) appended(random int64, want map[string]int) {
	p.t.Helper()
	expect := float64(random)
	for tab, n := range want {
		if tab != "known.statsd" {
			expect += float64(n)
		}
	}
	what := "all events are in the store"
	eventually(p.t, what, func() bool {
		return p.metric(`taba_events_appended_total{vbucket="0"}`) == expect+p.metric("taba_statsd_lines_total")
	})
}

var ofADay = regexp.MustCompile(`"1d": \{"count": (\d+),`)

// count is how many events a tab has had.
func (p *process) count(tab string) int {
	_, text := p.get("/tabs?name="+tab, "")
	m := ofADay.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// metric is the value of a metric.
func (p *process) metric(name string) float64 {
	_, text := p.get("/metrics", "")
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return v
		}
	}
	return 0
}

// resident is the memory that the process has, in bytes.
func (p *process) resident() (bytes int64) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if _, err := fmt.Sscanf(s.Text(), "VmRSS: %d kB", &bytes); err == nil {
			return bytes << 10
		}
	}
	return 0
}
