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
)

const (
	slowBytes  = 256 << 10
	slowPieces = 32 // that an upload is sent in
	slowTries  = 20 // of one upload that is answered 503
)

// slow has many clients upload slowly at the same time.
func slow(ctx context.Context, s *setup) ([]Figure, error) {
	server, err := s.start(ctx, "server", "--data", s.dir+"/data")
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	u := &uploads{addr: server.Addr, over: max(s.For, 20*time.Second), body: slowBody()}
	s.say(fmt.Sprintf("%d uploads over %v", s.Uploads, u.over))
	before, start := server.CPU(), time.Now()
	running, stop := context.WithCancel(ctx)
	watched := make(chan float64, 1)
	go func() { watched <- peakRSS(running, server) }()
	err = u.run(ctx, s.Uploads)
	stop()
	peak := <-watched
	if err != nil {
		return nil, err
	}
	took := time.Since(start)
	remark := fmt.Sprintf("%d uploads of %d KiB of v1, each in %d pieces over %v, all at the same time; those answered 503 are sent again, %d were",
		s.Uploads, slowBytes>>10, slowPieces, u.over, u.again.Load())
	return []Figure{
		atMost("server, resident at most", []float64{peak}, "MB", 80, remark),
		atLeast("complete", []float64{float64(u.done.Load())}, "uploads", float64(s.Uploads), ""),
		plain("from the first to the last", []float64{took.Seconds()}, "s", ""),
		plain("server", []float64{float64((server.CPU() - before).Microseconds()) / float64(s.Uploads)}, "CPU us/upload", ""),
	}, nil
}

// slowBody is a request of about slowBytes.
func slowBody() []byte {
	const bytesOf = 38 // of an event
	return postRequest(v1Body(slowBytes/bytesOf, bodyTabs, "slow"))
}

// peakRSS watches a process until ctx ends.
func peakRSS(ctx context.Context, p *bench.Process) (peak float64) {
	for pause(ctx, 100*time.Millisecond) == nil {
		peak = max(peak, p.RSS())
	}
	return peak
}

type uploads struct {
	addr string
	over time.Duration
	body []byte

	done, again atomic.Int64
}

func (u *uploads) run(ctx context.Context, n int) error {
	ctx, stop := context.WithTimeout(ctx, 10*u.over)
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
		return fmt.Errorf("%d uploads failed, the first one: %w", failed, <-errs)
	}
	return nil
}

// upload sends the body until it is taken. It begins within the time that a
// piece takes, so that not all pieces of all uploads come at once.
func (u *uploads) upload(ctx context.Context) error {
	every := u.over / slowPieces
	for range slowTries {
		if err := pause(ctx, rand.N(every)); err != nil {
			return err
		}
		refused := (*bench.StatusError)(nil)
		switch err := u.try(ctx, every); {
		case err == nil:
			u.done.Add(1)
			return nil
		case !errors.As(err, &refused) || refused.Code != http.StatusServiceUnavailable:
			return err
		}
		u.again.Add(1)
	}
	return fmt.Errorf("it was answered 503 %d times", slowTries)
}

func (u *uploads) try(ctx context.Context, every time.Duration) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	for rest, size := u.body, len(u.body)/slowPieces+1; len(rest) > 0; {
		n := min(size, len(rest))
		if _, err := conn.Write(rest[:n]); err != nil {
			break // the answer says why, if there is one
		}
		if rest = rest[n:]; len(rest) > 0 {
			if err := pause(ctx, every); err != nil {
				return err
			}
		}
	}
	return bench.Answer(bufio.NewReaderSize(conn, 1<<10))
}
