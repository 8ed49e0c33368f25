package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/verify"
)

// cluster is a server and its agents, each behind a proxy or on a disk of its
// own if a test wants it so, and what is sent to them.
type cluster struct {
	t       *testing.T
	server  *process
	agents  []*process
	proxies []*proxy
	session *verify.Session
	total   verify.Row // of the sessions before this one
	begun   int        // cycles
}

// launchCluster starts a server and two agents. With proxies an agent reaches
// the server through one of its own.
func launchCluster(t *testing.T, proxies bool) *cluster {
	t.Helper()
	dir := scratch(t)
	c := &cluster{t: t, server: launchServer(t, dir)}
	for i := range 2 {
		url := c.server.url
		if proxies {
			p := startProxy(t, strings.TrimPrefix(url, "http://"))
			c.proxies, url = append(c.proxies, p), p.url()
		}
		c.agents = append(c.agents, launch(t, "agent", "--spool", filepath.Join(dir, fmt.Sprint("spool", i)), "--servers", url))
	}
	return c
}

func (c *cluster) all() []*process { return append([]*process{c.server}, c.agents...) }

// perRound is after how many cycles of a cluster everything is compared.
const perRound = 50

// rounds does cycle again and again under load until there are enough. Now and
// then, and in the end, everything acknowledged must be counted once, also after
// all processes were killed at once.
func (c *cluster) rounds(done *tally, cycle func(i int)) {
	c.t.Helper()
	for done.more() {
		c.open()
		underLoad(c.t, c.session, func() {
			for range perRound {
				if !done.more() {
					break
				}
				cycle(c.begun)
				c.begun++
				done.add(1)
			}
		})
		c.close()
	}
	c.t.Logf("%d events acknowledged, each counted once; of %d in doubt %d are counted", c.total.Acknowledged, c.total.InDoubt, c.total.DoubtCounted)
}

// open begins to number events anew.
func (c *cluster) open() {
	c.t.Helper()
	var urls []string
	for _, a := range c.agents {
		urls = append(urls, a.url)
	}
	c.session = newSession(c.t, verify.Options{Server: c.server.url, Agents: urls, Direct: true})
}

// close compares what was sent with what is counted, twice.
func (c *cluster) close() {
	c.t.Helper()
	before := mustVerify(c.t, c.session)
	c.restart(c.all()...)
	after := mustVerify(c.t, c.session)
	if !after.Keeps(before) {
		c.t.Fatalf("answers changed by kill -9: %+v before, %+v after", before, after)
	}
	mustAudit(c.t, c.server)
	if err := c.session.Forget(context.Background()); err != nil {
		c.t.Fatal(err)
	}
	c.session.Close()
	c.total.Acknowledged += after.Acknowledged
	c.total.InDoubt += after.InDoubt
	c.total.DoubtCounted += after.DoubtCounted
}

// restart kills processes at once and starts them again.
func (c *cluster) restart(victims ...*process) {
	c.t.Helper()
	for _, p := range victims {
		p.kill()
	}
	for _, p := range victims {
		p.spawn()
	}
	for _, p := range victims {
		p.ready()
	}
}

// newSession prepares small posts: what matters here is how many posts there
// are, not how many events.
func newSession(t *testing.T, o verify.Options) *verify.Session {
	t.Helper()
	o.Writers, o.PerPost, o.Timeout, o.Settle = 2, 10, patience/4, 2*patience
	var s *verify.Session
	eventually(t, "all processes answer", func() (ok bool) {
		var err error
		s, err = verify.New(context.Background(), o)
		return err == nil
	})
	t.Cleanup(s.Close)
	return s
}

// underLoad does f while the session sends.
func underLoad(t *testing.T, s *verify.Session, f func()) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	sent := make(chan error, 1)
	go func() { sent <- s.Send(ctx, 0) }()
	goesOn(t, s)
	f()
	stop()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// goesOn waits until some more events are acknowledged.
func goesOn(t *testing.T, s *verify.Session) {
	t.Helper()
	reached := s.Progress().Acknowledged + 200
	eventually(t, "more is acknowledged", func() bool { return s.Progress().Acknowledged >= reached })
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
