package figures

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tabaproject/taba/internal/bench"
	"github.com/tabaproject/taba/internal/wait"
	"github.com/tabaproject/taba/internal/wire"
)

const (
	slowBytes  = 256 << 10
	slowPieces = 32 // that an upload is sent in
)

// slow has many clients upload slowly at the same time.
func slow(ctx context.Context, s *setup) (figures []Figure, err error) {
	for _, way := range []struct{ name, path, body string }{
		{"v1", "/post", string(v1Body(slowBytes/38, bodyTabs, "slow"))}, // of 38 bytes an event
		{"v2", "/v2/batch", string(v2Body(slowBytes/8, bodyTabs, "slow"))},
	} {
		s.say(way.name)
		f, err := s.slow(ctx, way.name, request(way.path, []byte(way.body)))
		if err != nil {
			return nil, err
		}
		figures = append(figures, f...)
	}
	return figures, nil
}

func (s *setup) slow(ctx context.Context, name string, request []byte) ([]Figure, error) {
	server, err := s.start(ctx, "server", "--data", s.dir+"/data-"+name)
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	u := &uploads{addr: server.Addr, over: max(s.For, 20*time.Second), body: request}
	idle, before, start := server.RSS(), server.CPU(), time.Now()
	running, stop := context.WithCancel(ctx)
	early, late := make(chan float64, 1), make(chan float64, 1)
	sending, sent := context.WithCancel(running)
	u.first = sync.OnceFunc(sent)
	go func() { early <- peakRSS(sending, server) }()
	go func() { late <- peakRSS(running, server) }()
	why := u.run(ctx, s.Uploads)
	took := time.Since(start)
	stop()
	peak, whileSending := <-late, <-early
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	remark := fmt.Sprintf("%s: %d uploads of %d KiB, each in %d pieces over %v, all at the same time; resident before %.0f MB; those answered 503 are sent again, %d were",
		name, s.Uploads, len(request)>>10, slowPieces, u.over, idle, u.again.Load())
	if why != nil {
		remark += "; " + why.Error()
	}
	return []Figure{
		atMost(name+", server, resident at most", []float64{peak}, "MB", 80, remark),
		plain(name+", resident until the first was complete", []float64{whileSending}, "MB", ""),
		atLeast(name+", complete", []float64{float64(u.done.Load())}, "uploads", float64(s.Uploads), ""),
		plain(name+", from the first to the last", []float64{took.Seconds()}, "s", ""),
		plain(name+", server", []float64{float64((server.CPU() - before).Microseconds()) / float64(s.Uploads)}, "CPU us/upload", ""),
	}, nil
}

// v2Body is a Batch of events of one client.
func v2Body(events, tabs int, client string) []byte {
	var e wire.BatchEncoder
	now := time.Now().Unix()
	e.Begin(now)
	values := make([]float64, events/tabs)
	for i := range values {
		values[i] = float64(i*7919%1000) / 10
	}
	for t := range tabs {
		e.Values(e.Series(mixedTab(t*10), "CounterGroup", client), now, values)
	}
	return e.Bytes()
}

// peakRSS watches a process until ctx ends.
func peakRSS(ctx context.Context, p *bench.Process) (peak float64) {
	for wait.For(ctx, 100*time.Millisecond) == nil {
		peak = max(peak, p.RSS())
	}
	return peak
}

type uploads struct {
	addr string
	over time.Duration
	body []byte

	first       func() // called when an upload is complete
	done, again atomic.Int64
}

// run returns why uploads were given up, if any were.
func (u *uploads) run(ctx context.Context, n int) error {
	const patience = 6
	ctx, stop := context.WithTimeout(ctx, patience*u.over)
	defer stop()
	errs := make(chan error, n)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if err := u.upload(ctx); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	if failed := len(errs); failed > 0 {
		return fmt.Errorf("%d were given up, the first one: %w", failed, <-errs)
	}
	return nil
}

// upload sends the body until it is taken. It begins within the time that a
// piece takes, so that not all pieces of all uploads come at once.
func (u *uploads) upload(ctx context.Context) error {
	every := u.over / slowPieces
	for {
		if err := wait.For(ctx, rand.N(every)); err != nil {
			return err
		}
		refused := (*bench.StatusError)(nil)
		switch err := u.try(ctx, every); {
		case err == nil:
			u.first()
			u.done.Add(1)
			return nil
		case !errors.As(err, &refused) || refused.Code != http.StatusServiceUnavailable:
			return err
		}
		u.again.Add(1)
		if err := wait.For(ctx, refused.RetryAfter); err != nil {
			return err
		}
	}
}

func (u *uploads) try(ctx context.Context, every time.Duration) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // an answer may take long
	defer stop()
	for rest, size := u.body, len(u.body)/slowPieces+1; len(rest) > 0; {
		n := min(size, len(rest))
		if _, err := conn.Write(rest[:n]); err != nil {
			break // the answer says why, if there is one
		}
		if rest = rest[n:]; len(rest) > 0 {
			if err := wait.For(ctx, every); err != nil {
				return err
			}
		}
	}
	return bench.Answer(bufio.NewReaderSize(conn, 1<<10))
}
