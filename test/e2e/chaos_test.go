package e2e

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/verify"
)

// windows is how many fault windows TestChaos has; TABA_CHAOS_WINDOWS says
// otherwise.
func windows(t *testing.T) int {
	text := os.Getenv("TABA_CHAOS_WINDOWS")
	if text == "" {
		return 50
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("TABA_CHAOS_WINDOWS: %v", err)
	}
	return n
}

// TestChaos verifies a server and two agents, while the network between them
// fails in every way in turn and processes are killed and stopped.
func TestChaos(t *testing.T) {
	dir := scratch(t)
	server := launchServer(t, dir)
	field := &battlefield{t: t, server: server}
	var urls []string
	for _, name := range []string{"a", "b"} {
		p := startProxy(t, strings.TrimPrefix(server.url, "http://"))
		agent := launch(t, "agent", "--spool", dir+"/"+name, "--servers", p.url())
		field.proxies, field.agents = append(field.proxies, p), append(field.agents, agent)
		urls = append(urls, agent.url)
	}
	s := newSession(t, verify.Options{Server: server.url, Agents: urls, Direct: true})
	field.session = s

	n := windows(t)
	underLoad(t, s, func() {
		for i := range n {
			field.window(i)
		}
	})
	before := mustVerify(t, s)
	for _, p := range append(field.agents, server) {
		p.restart()
	}
	if after := mustVerify(t, s); after != before {
		t.Errorf("answers changed by kill -9: %+v before, %+v after", before, after)
	}
	mustAudit(t, server)
	t.Logf("%d fault windows, %d kill -9, %d SIGSTOP: %+v", n, field.kills, field.stops, before)
}

// battlefield is what TestChaos works on.
type battlefield struct {
	t            *testing.T
	server       *process
	agents       []*process
	proxies      []*proxy
	session      *verify.Session
	kills, stops int
}

// window has one fault of the network, and every other time one of a process.
// It lasts until the fault has struck and the agents went on acknowledging; then
// the agent must find its way back to the server.
func (b *battlefield) window(i int) {
	b.t.Helper()
	f := networkFaults[i%len(networkFaults)]
	p := b.proxies[i/len(networkFaults)%len(b.proxies)]
	p.set(f)
	eventually(b.t, string(f)+" strikes", p.struck)
	switch victim := append(b.agents, b.server)[i%3]; i % 4 {
	case 0:
		b.kills++
		victim.restart()
	case 2:
		b.stops++
		victim.freeze()
		goesOn(b.t, b.session)
		victim.thaw()
	}
	goesOn(b.t, b.session)
	p.set(pass)
	eventually(b.t, "after "+string(f)+" replies come again", p.struck)
}

// newSession prepares small posts: what matters here is how many posts there
// are, not how many events.
func newSession(t *testing.T, o verify.Options) *verify.Session {
	t.Helper()
	o.Writers, o.PerPost, o.Timeout, o.Settle = 2, 10, 2*time.Second, patience
	s, err := verify.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// mustVerify requires that every acknowledged event is counted exactly once.
func mustVerify(t *testing.T, s *verify.Session) verify.Row {
	t.Helper()
	r, err := s.ReadBack(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() {
		t.Fatalf("\n%s", r.Text(cli.Output{}))
	}
	return r.Total()
}

// mustAudit requires that the server's ledger adds up.
func mustAudit(t *testing.T, server *process) {
	t.Helper()
	if _, text := server.get("/v2/check", "application/json"); !strings.Contains(text, `"ok":true`) && !strings.Contains(text, `"ok": true`) {
		t.Errorf("the ledger does not add up: %s", text)
	}
}

// freeze stops the process where it is; thaw lets it go on.
func (p *process) freeze() { p.signal(syscall.SIGSTOP) }
func (p *process) thaw()   { p.signal(syscall.SIGCONT) }

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}
