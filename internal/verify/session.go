package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tabaproject/taba/internal/cli"
)

// Options are the settings of a Session. Zero fields take their defaults, but
// Server has none.
type Options struct {
	Server  string        // URL: read from, and posted to if Direct or without Agents
	Agents  []string      // URLs: posted to
	Direct  bool          // post to Server too
	Token   string        // bearer token of all of them
	Writers int           // for each agent or server posted to; 8
	PerPost int           // events in a post, which is as many tabs; 100
	Timeout time.Duration // of one request; 10 s
	Settle  time.Duration // how long acknowledged events may take to be counted, and how long nothing may be acknowledged; 1 min
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&o.Timeout, 10*time.Second)
	set(&o.Settle, time.Minute)
	if o.Writers <= 0 {
		o.Writers = 8
	}
	if o.PerPost <= 0 {
		o.PerPost = 100
	}
	return o
}

// Session is one run: its events share nothing with those of any other.
type Session struct {
	opts    Options
	names   names
	tabs    []string
	server  *cli.Client
	targets []*target
	writers []*writer
	reader  *reader
	back    atomic.Int64 // tabs read back so far
}

// New prepares a Session and asks each process that it needs whether it is
// there.
func New(ctx context.Context, o Options) (*Session, error) {
	o = o.withDefaults()
	s := &Session{opts: o, names: names{run: strconv.FormatInt(time.Now().UnixNano(), 36)}}
	for slot := range o.PerPost {
		s.tabs = append(s.tabs, s.names.tab(slot))
	}
	s.server = s.client(o.Server)
	for i, url := range o.Agents {
		s.targets = append(s.targets, &target{name: fmt.Sprintf("agent %d", i+1), client: s.client(url)})
	}
	if o.Direct || len(o.Agents) == 0 {
		s.targets = append(s.targets, &target{name: "server", client: s.server, direct: true})
	}
	for _, t := range s.targets {
		for range o.Writers {
			s.writers = append(s.writers, &writer{id: len(s.writers), target: t, names: s.names, tabs: s.tabs})
		}
	}
	s.reader = &reader{session: s, seen: map[string][pageSize]uint8{}}
	if err := s.reach(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Session) client(url string) *cli.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.MaxIdleConnsPerHost = 1000
	return &cli.Client{URL: url, Token: s.opts.Token, HTTP: &http.Client{Transport: t, Timeout: s.opts.Timeout}}
}

// reach fails if a process does not answer.
func (s *Session) reach(ctx context.Context) error {
	if _, err := s.server.Get(ctx, "/tabs", cli.Query{Names: s.tabs[:1]}, "application/json"); err != nil {
		return err
	}
	for _, t := range s.targets {
		if _, err := t.client.Get(ctx, "/version", cli.Query{}, "text/plain"); err != nil {
			return err
		}
	}
	return nil
}

// Send posts events until there are as many as wanted, rounded up to whole
// posts (0: no limit), or ctx ends, and reads all the while. The error says
// that no more could be sent; what was sent can be read back all the same.
func (s *Session) Send(ctx context.Context, events uint64) error {
	per := uint64(s.opts.PerPost)
	limit := (events + per - 1) / per
	var begun atomic.Uint64
	more := func() bool { return events == 0 || begun.Add(1) <= limit }

	reading, stop := context.WithCancel(ctx)
	var readers, writers sync.WaitGroup
	readers.Go(func() { s.reader.run(reading) })
	errs := make([]error, len(s.writers))
	for i, w := range s.writers {
		writers.Go(func() { errs[i] = w.run(ctx, s.opts.Settle, more) })
	}
	writers.Wait()
	stop()
	readers.Wait()
	return errors.Join(errs...)
}

// Progress is how far a Session is, in events; of its tabs Back were read back.
type Progress struct {
	Sent, Acknowledged, InDoubt uint64
	Reads                       uint64
	Back, Tabs                  int
}

// Progress returns how far the Session is.
func (s *Session) Progress() Progress {
	p := Progress{Back: int(s.back.Load()), Tabs: len(s.tabs)}
	for _, w := range s.writers {
		c := w.counts()
		p.add(c, uint64(s.opts.PerPost))
	}
	p.Reads, _ = s.reader.result()
	return p
}

func (p *Progress) add(c [inDoubt + 1]uint64, per uint64) {
	p.Sent += per * (c[underWay] + c[acknowledged] + c[inDoubt])
	p.Acknowledged += per * c[acknowledged]
	p.InDoubt += per * c[inDoubt]
}

// Forget deletes the Session's tabs from the server, which takes the scope
// admin.
func (s *Session) Forget(ctx context.Context) error {
	_, err := s.server.Get(ctx, "/delete", cli.Query{Names: s.tabs}, "text/plain")
	return err
}

// Tabs describes the Session's tabs as a regular expression.
func (s *Session) Tabs() string { return "taba_verify." + s.names.run + ".*" }

// Close lets go of the connections.
func (s *Session) Close() {
	s.server.HTTP.CloseIdleConnections()
	for _, t := range s.targets {
		t.client.HTTP.CloseIdleConnections()
	}
}

// drained reports whether no agent has anything left to forward. An agent
// that does not tell, for want of the scope read, is taken to have nothing.
func (s *Session) drained(ctx context.Context) bool {
	for _, t := range s.targets {
		if t.direct {
			continue
		}
		body, err := t.client.Get(ctx, "/metrics", cli.Query{}, "text/plain")
		if err != nil {
			if fatal(err) {
				continue
			}
			return false
		}
		for line := range strings.Lines(string(body)) {
			if n, ok := strings.CutPrefix(line, "taba_agent_backlog_events "); ok && strings.TrimSpace(n) != "0" {
				return false
			}
		}
	}
	return true
}
