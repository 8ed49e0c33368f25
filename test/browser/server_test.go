package browser_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/tabaproject/taba/internal/app"
	"github.com/tabaproject/taba/internal/fleet"
)

// demo is the server that most tests look at.
var demo *server

// server is a real one, and the fleet and the agent that send to it.
type server struct {
	url   string
	write string // a token that may write, if any is asked for
	stop  func()
}

// startDemo starts a server, an agent that sends to it and a fleet that posts to
// the agent.
func startDemo() (*server, error) { return start("", true) }

// startServer starts a server alone, with a file of tokens if one is given.
func startServer(tokens string) (*server, error) { return start(tokens, false) }

func start(tokens string, fleet bool) (*server, error) {
	dir, err := os.MkdirTemp("", "taba-browser-")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	options := app.Options{Version: "test", Logger: slog.New(slog.DiscardHandler)}
	cfg := app.DefaultServerConfig()
	cfg.Data, cfg.Listen, cfg.TokensFile, cfg.DrainTimeout = dir+"/server", "127.0.0.1:0", tokens, time.Second
	s := &server{}
	serverDone, url, err := started(options, func(o app.Options) error { return app.RunServer(ctx, cfg, o) })
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start the server: %w", err)
	}
	s.url = url
	ended := []<-chan struct{}{serverDone}
	if fleet {
		sent, done, err := sending(ctx, dir, url, options)
		if err != nil {
			cancel()
			return nil, err
		}
		ended = append(ended, sent, done)
	}
	s.stop = func() {
		cancel()
		for _, done := range ended {
			<-done
		}
		_ = os.RemoveAll(dir)
	}
	return s, nil
}

// sending starts an agent of the server, and a fleet that posts to the agent.
func sending(ctx context.Context, dir, url string, options app.Options) (agentDone, fleetDone <-chan struct{}, err error) {
	cfg := app.DefaultAgentConfig()
	cfg.Spool, cfg.Listen, cfg.Servers = dir+"/agent", "127.0.0.1:0", []string{url}
	agentDone, agent, err := started(options, func(o app.Options) error { return app.RunAgent(ctx, cfg, o) })
	if err != nil {
		return nil, nil, fmt.Errorf("start the agent: %w", err)
	}
	f := fleet.New(fleet.Config{Clients: 60, Requests: 600, Seed: 1, Post: poster(agent)})
	done := make(chan struct{})
	go func() { defer close(done); f.Run(ctx, time.Second) }()
	return agentDone, done, nil
}

// started runs f and returns the address that it is ready at.
func started(options app.Options, f func(app.Options) error) (done <-chan struct{}, url string, err error) {
	ready, failed, ended := make(chan string, 1), make(chan error, 1), make(chan struct{})
	options.Ready = func(addr string) { ready <- addr }
	go func() {
		defer close(ended)
		failed <- f(options)
	}()
	select {
	case addr := <-ready:
		return ended, "http://" + addr, nil
	case err := <-failed:
		return ended, "", err
	}
}

func poster(agent string) func(context.Context, []byte) error {
	return func(ctx context.Context, body []byte) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, agent+"/post", bytes.NewReader(body))
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		_ = answer.Body.Close()
		switch answer.StatusCode {
		case http.StatusOK:
			return nil
		case http.StatusServiceUnavailable:
			return fleet.ErrBusy
		}
		return errors.New(answer.Status)
	}
}
