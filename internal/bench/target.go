package bench

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/tabaproject/taba/internal/child"
)

// Options say what is measured and where.
type Options struct {
	Load
	// Binary is the program to start where no Server or Agent is named.
	Binary string
	// Server and Agent are URLs of processes that run already. With an Agent
	// it is what load is offered to. ThroughAgent starts one.
	Server, Agent string
	Agents        []string // more than one: connections are spread over them
	ThroughAgent  bool
	Statsd        string // address of statsd, of processes that run already
	Token         string
	// Args are more arguments of a server that is started.
	Args []string
	// Dir is where private processes keep their data; empty: a temporary
	// directory.
	Dir string
	// Beside, if it is not nil, is run while load is offered, until its context
	// ends.
	Beside func(ctx context.Context, server *Process) error
}

// target is the processes that a load meets.
type target struct {
	door          *Process   // what is sent to
	doors         []*Process // what is sent to, if it is several
	server, agent *Process   // nil: none, or not known
	statsd        string
	token         string
	dir           string
	close         func()
}

// newTarget starts or finds the processes.
func newTarget(ctx context.Context, o Options) (*target, error) {
	dir, err := os.MkdirTemp(o.Dir, "taba-bench-")
	if err != nil {
		return nil, err
	}
	t := &target{token: o.Token, dir: dir, statsd: o.Statsd}
	t.close = func() {
		t.agent.Stop()
		t.server.Stop()
		_ = os.RemoveAll(dir)
	}
	if o.Server != "" || o.Agent != "" {
		err = t.attach(ctx, o)
	} else {
		err = t.start(ctx, o)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// attach uses processes that run already.
func (t *target) attach(ctx context.Context, o Options) error {
	for _, p := range []struct {
		url string
		to  **Process
	}{{o.Server, &t.server}, {o.Agent, &t.agent}} {
		if p.url == "" {
			continue
		}
		u, err := url.Parse(p.url)
		if err != nil || u.Scheme != "http" || u.Port() == "" {
			return fmt.Errorf("%q is not a URL such as http://127.0.0.1:8300", p.url)
		}
		*p.to = Attach(p.url, o.Token)
		if _, err := (*p.to).Counters(ctx); err != nil {
			return err
		}
		t.door = *p.to
	}
	for _, url := range o.Agents {
		t.doors = append(t.doors, Attach(url, o.Token))
	}
	return nil
}

// doorOf is what connection i sends to.
func (t *target) doorOf(i int) *Process {
	if len(t.doors) == 0 {
		return t.door
	}
	return t.doors[i%len(t.doors)]
}

// start starts private processes.
func (t *target) start(ctx context.Context, o Options) (err error) {
	statsd, err := t.listenStatsd(o)
	if err != nil {
		return err
	}
	args := append([]string{"server", "--data", filepath.Join(t.dir, "data")}, o.Args...)
	if !o.ThroughAgent {
		t.server, err = Start(ctx, o.Binary, t.dir, append(args, statsd...)...)
		t.door = t.server
		return err
	}
	if t.server, err = Start(ctx, o.Binary, t.dir, args...); err != nil {
		return err
	}
	args = []string{"agent", "--spool", filepath.Join(t.dir, "spool"), "--servers", t.server.URL}
	t.agent, err = Start(ctx, o.Binary, t.dir, append(args, statsd...)...)
	t.door = t.agent
	return err
}

// listenStatsd returns the flags for a process that takes statsd.
func (t *target) listenStatsd(o Options) ([]string, error) {
	if o.Protocol != Statsd {
		return nil, nil
	}
	names := []string{"--statsd-names", fmt.Sprint(o.Tabs + 1)}
	if o.Transport == "unix" {
		t.statsd = filepath.Join(t.dir, "statsd.sock")
		return append(names, "--statsd-unix", "unixstream://"+t.statsd), nil
	}
	addr, err := child.FreeAddress()
	t.statsd = addr
	return append(names, "--statsd-"+o.Transport, addr), err
}

// sides are the processes that can be asked, by what they are.
func (t *target) sides() map[string]*Process {
	all := map[string]*Process{}
	if t.server != nil {
		all["server"] = t.server
	}
	if t.agent != nil {
		all["agent"] = t.agent
	}
	return all
}
