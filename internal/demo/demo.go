package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/tabaproject/taba/internal/app"
	"github.com/tabaproject/taba/internal/cli"
)

// Options are the settings of a demonstration. Zero fields take their
// defaults.
type Options struct {
	For      time.Duration // how long it runs; 0: until ctx ends
	Clients  int           // processes of the fleet
	Requests float64       // bid requests a second, all together
	Out      cli.Output
	Logger   *slog.Logger // of server and agent; nil: nobody
	Version  string
	Binary   string // taba itself, for the processes of a cluster
}

// Run runs the demonstration until ctx ends or its time is up. The error says,
// among others, that what was counted is not what was recorded.
func Run(ctx context.Context, o Options) error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := os.MkdirTemp("", "taba-demo-")
	if err != nil {
		return fmt.Errorf("make a temporary directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	server, err := startServer(o, filepath.Join(dir, "server"))
	if err != nil {
		return err
	}
	agent, err := startAgent(o, filepath.Join(dir, "agent"), server.url)
	if err != nil {
		return errors.Join(err, server.stop())
	}
	err = o.show(ctx, o.scene(server.url, agent.url))
	return errors.Join(err, agent.stop(), server.stop())
}

// scene is one server and one agent.
func (o Options) scene(serverURL, agentURL string) *scene {
	transport := newTransport()
	return &scene{
		head:   header{server: serverURL, agent: agentURL, until: o.For},
		server: &cli.Client{URL: serverURL, HTTP: httpClient(transport)},
		post:   poster(transport, agentURL),
		settle: 15 * time.Second,
		close:  transport.CloseIdleConnections,
	}
}

// process is a server or an agent that runs in this process.
type process struct {
	url    string
	cancel context.CancelFunc
	done   chan error
}

// start runs f until stop is called. It returns when f is ready.
func start(what string, f func(ctx context.Context, ready func(addr string)) error) (*process, error) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{cancel: cancel, done: make(chan error, 1)}
	addr := make(chan string, 1)
	go func() { p.done <- f(ctx, func(a string) { addr <- a }) }()
	select {
	case a := <-addr:
		p.url = "http://" + a
		return p, nil
	case err := <-p.done:
		cancel()
		return nil, fmt.Errorf("start the %s: %w", what, err)
	}
}

// stop drains the process and waits for its end.
func (p *process) stop() error {
	p.cancel()
	return <-p.done
}

func startServer(o Options, dir string) (*process, error) {
	cfg := app.DefaultServerConfig()
	cfg.Data, cfg.Listen = dir, freeAddress(cfg.Listen)
	return start("server", func(ctx context.Context, ready func(string)) error {
		return app.RunServer(ctx, cfg, app.Options{Version: o.Version, Logger: o.Logger, Ready: ready})
	})
}

func startAgent(o Options, dir, server string) (*process, error) {
	cfg := app.DefaultAgentConfig()
	cfg.Spool, cfg.Servers, cfg.Listen = dir, []string{server}, freeAddress(cfg.Listen)
	return start("agent", func(ctx context.Context, ready func(string)) error {
		return app.RunAgent(ctx, cfg, app.Options{Version: o.Version, Logger: o.Logger, Ready: ready})
	})
}

// freeAddress returns addr, or any free port of loopback if it is taken: a
// demonstration must work beside the real thing.
func freeAddress(addr string) string {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = l.Close()
	return addr
}
