package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// olderBinary is a taba command of this source that reads and writes no newer
// encodings than those of level 1.
var olderBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "taba-level1")
	build := exec.Command("go", "build", raceFlag(), "-tags", "taba_level1", "-o", path, "../../cmd/taba")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// release is one of the two that are mixed: a command that runs it.
type release func(path string, args ...string) *exec.Cmd

func newerRelease(path string, args ...string) *exec.Cmd { return exec.Command(path, args...) }

func olderRelease(t *testing.T) release {
	t.Helper()
	older, err := olderBinary()
	if err != nil {
		t.Fatal(err)
	}
	return func(_ string, args ...string) *exec.Cmd { return exec.Command(older, args...) }
}

// replace has a process drain and starts another release in its place.
func (p *process) replace(r release) {
	p.t.Helper()
	p.terminate()
	p.command = r
	p.start()
}

// mix is three servers on one Redis and two agents, under two loads: numbered
// events, of which each is looked for, and prices, whose States are written
// differently by the two releases.
type mix struct {
	cluster
	servers []*process
	prices  prices
}

func launchMix(t *testing.T, r release) *mix {
	t.Helper()
	dir := scratch(t)
	store := "redis://" + startRedis(t).addr
	m := &mix{}
	var urls []string
	for i := range 3 {
		s := launchAs(t, freeHost(), r, "server", "--store", store, "--name", fmt.Sprint("server", i))
		m.servers, urls = append(m.servers, s), append(urls, s.url)
	}
	m.cluster = cluster{t: t, server: m.servers[2]}
	for i := range 2 {
		m.agents = append(m.agents, launchAs(t, freeHost(), r, "agent", "--spool", filepath.Join(dir, fmt.Sprint("spool", i)), "--servers", strings.Join(urls, ",")))
	}
	everyServer(t, m.servers, 3)
	m.open()
	return m
}

// under does f while both loads go on, and then requires that everything is
// counted once, by every one of the servers given.
func (m *mix) under(f func(), asked ...*process) {
	m.t.Helper()
	ctx, stop := context.WithCancel(m.t.Context())
	defer stop()
	var sending sync.WaitGroup
	sending.Go(func() { m.prices.send(ctx, append(m.agents[:len(m.agents):len(m.agents)], m.servers...)) })
	underLoad(m.t, m.session, f)
	stop()
	sending.Wait()
	mustVerify(m.t, m.session)
	m.same(asked...)
}

// goOn waits until both loads went on for a while.
func (m *mix) goOn() {
	m.t.Helper()
	goesOn(m.t, m.session)
	reached := m.prices.acknowledged.Load() + 20*pricesOfPost
	eventually(m.t, "more prices are acknowledged", func() bool { return m.prices.acknowledged.Load() >= reached })
}

var priceCount = regexp.MustCompile(`"count": (\d+)`)

// same requires that servers answer alike, and count all prices.
func (m *mix) same(servers ...*process) {
	m.t.Helper()
	least := m.prices.acknowledged.Load()
	most := least + m.prices.doubt.Load()
	for i, s := range servers {
		var text string
		eventually(m.t, "all prices are counted by "+s.url, func() bool {
			text = s.mustGet(m.t, "/tabs?name=prices")
			count := priceCount.FindStringSubmatch(text)
			if count == nil {
				return false
			}
			n, _ := strconv.ParseUint(count[1], 10, 64)
			if n > most {
				m.t.Fatalf("%d prices are counted, %d to %d were sent", n, least, most)
			}
			return n >= least
		})
		if first := servers[0].mustGet(m.t, "/tabs?name=prices"); text != first {
			m.t.Errorf("server %d answers\n%s\nwhere another one answers\n%s", i, text, first)
		}
		mustAudit(m.t, s)
	}
}

// level waits until the servers and agents given write a level of encodings.
func (m *mix) level(want int, of ...*process) {
	m.t.Helper()
	began := time.Now()
	for _, p := range of {
		eventually(m.t, fmt.Sprintf("level %d is written by %s", want, p.url), func() bool {
			return strings.Contains(p.mustGet(m.t, "/metrics"), fmt.Sprintf("\ntaba_encodings_level %d\n", want))
		})
	}
	m.t.Logf("%d processes write level %d after %.1f s", len(of), want, time.Since(began).Seconds())
}

var setAside = regexp.MustCompile(`(?m)^taba_set_aside_events_total (\d+)$`)

// aside is how many events a server has set aside since it was started.
func (m *mix) aside(s *process) string {
	m.t.Helper()
	return setAside.FindStringSubmatch(s.mustGet(m.t, "/metrics"))[1]
}

func (m *mix) nothingAside() {
	m.t.Helper()
	for _, s := range m.servers {
		if n := m.aside(s); n != "0" {
			m.t.Errorf("%s has set aside %s events", s.url, n)
		}
	}
}

// prices are events of a Type with a distribution.
type prices struct{ acknowledged, doubt atomic.Uint64 }

// pricesOfPost are so many that what a commit makes of them is not tiny.
const pricesOfPost = 50

// send posts prices to one after the other until ctx ends. What a process that
// stops does not answer is in doubt, as nobody sends it again.
func (p *prices) send(ctx context.Context, to []*process) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := 0; ctx.Err() == nil; i++ {
		var body strings.Builder
		body.WriteString("1\n\nclient\n\nprices\n")
		for range pricesOfPost {
			fmt.Fprintf(&body, "[\"PercentileCounter\", %d, \"%d.%02d\"]\n", time.Now().Unix(), rng.IntN(1000), rng.IntN(100))
		}
		body.WriteString("\n\n")
		switch status, _ := to[i%len(to)].do(http.MethodPost, "/post", "", nil, []byte(body.String())); status {
		case http.StatusOK:
			p.acknowledged.Add(pricesOfPost)
		default:
			p.doubt.Add(pricesOfPost)
		}
	}
}

// TestReleasesAreMixed: servers and agents of one release are replaced by those
// of another that writes newer encodings, one after the other under load, and
// back. All servers answer alike all the way to the newer release, as nobody
// writes what not everybody reads; so they do on the way back once what is stored
// was written anew.
func TestReleasesAreMixed(t *testing.T) {
	t.Parallel()
	older := olderRelease(t)
	m := launchMix(t, older)
	m.under(m.goOn, m.servers...)
	for _, s := range m.servers[:2] {
		m.under(func() {
			s.replace(newerRelease)
			everyServer(t, m.servers, 3)
			m.goOn()
		}, m.servers...)
		m.level(1, s)
		m.nothingAside()
	}
	m.under(func() {
		m.agents[0].replace(newerRelease) // before the servers, which should not matter
		m.goOn()
	}, m.servers...)
	m.level(1, m.agents[0])
	m.nothingAside()
	m.under(func() {
		m.servers[2].replace(newerRelease)
		m.level(2, m.servers...)
		m.agents[1].replace(newerRelease)
		m.goOn()
		m.level(2, m.agents...)
		m.goOn()
	}, m.servers...)
	m.nothingAside()

	// While nothing is posted nothing is written anew.
	m.servers[0].replace(older)
	m.servers[0].mustGet(t, "/tabs?name=prices")
	if n := m.aside(m.servers[0]); n == "0" {
		t.Error("an older server reads what was written before it came: nothing newer was written")
	}
	m.under(func() {
		everyServer(t, m.servers, 3)
		m.goOn()
		m.servers[1].replace(older)
		everyServer(t, m.servers, 3)
		m.goOn()
		m.level(1, m.servers[2], m.agents[0], m.agents[1])
		for _, a := range m.agents {
			a.replace(older)
			m.goOn()
		}
	}, m.servers[2])
	fill(t, m.servers[2:])
	m.servers[2].mustGet(t, "/upgrade")
	compacted(t, m.servers[2:])
	for _, s := range m.servers[:2] {
		s.restart()
	}
	everyServer(t, m.servers, 3)
	m.same(m.servers...)
	m.nothingAside()
	m.under(func() {
		m.servers[2].replace(older)
		everyServer(t, m.servers, 3)
		m.goOn()
	}, m.servers...)
	m.nothingAside()
	t.Logf("%d prices acknowledged, %d in doubt", m.prices.acknowledged.Load(), m.prices.doubt.Load())
}
