package figures

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tabaproject/taba/internal/bench"
	"github.com/tabaproject/taba/internal/wait"
)

// sender offers posts to a process over kept connections. It writes requests
// that are made beforehand and looks at little of the answers, so that what it
// costs stays small beside what it measures.
type sender struct {
	addr        string
	connections int
	rate        float64 // posts a second over all connections; 0: as many as are answered
	tolerant    bool    // a post that is refused is no error
	// request returns the n-th request of a connection.
	request func(connection, n int) []byte

	posted   atomic.Int64 // answered with 200
	refused  atomic.Int64 // answered otherwise, if that is tolerated
	tried    atomic.Int64
	mu       sync.Mutex
	slowest  time.Duration
	latency  time.Duration // sum over those answered
	answered int
}

// run offers posts until ctx ends. A connection that breaks after that is no
// error.
func (s *sender) run(ctx context.Context) error {
	errs := make([]error, s.connections)
	var wg sync.WaitGroup
	for c := range s.connections {
		wg.Go(func() { errs[c] = s.connection(ctx, c) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (s *sender) connection(ctx context.Context, c int) error {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	in := bufio.NewReaderSize(conn, 4<<10)
	var every time.Duration
	if s.rate > 0 {
		every = time.Duration(float64(s.connections) / s.rate * float64(time.Second))
	}
	due := time.Now().Add(every * time.Duration(c) / time.Duration(s.connections))
	for n := 0; ctx.Err() == nil; n++ {
		if every > 0 {
			if wait.For(ctx, time.Until(due)) != nil {
				return nil
			}
			due = due.Add(every)
		}
		start := time.Now()
		s.tried.Add(1)
		if err := bench.Exchange(conn, in, s.request(c, n)); err != nil {
			if ctx.Err() != nil {
				return nil // the process was killed on purpose
			}
			if !s.tolerant {
				return err
			}
			s.refused.Add(1)
			next, err := s.again(ctx, conn, in, err)
			if err != nil {
				return err
			}
			conn = next
			continue
		}
		s.posted.Add(1)
		s.note(time.Since(start))
	}
	return nil
}

// again returns the connection to go on with after a post that was refused, a
// new one if the old one is of no use any more.
func (s *sender) again(ctx context.Context, conn net.Conn, in *bufio.Reader, why error) (net.Conn, error) {
	if refused := (*bench.StatusError)(nil); errors.As(why, &refused) {
		return conn, nil
	}
	next, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return conn, err
	}
	_ = conn.Close()
	in.Reset(next)
	return next, nil
}

func (s *sender) note(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency += d
	s.answered++
	s.slowest = max(s.slowest, d)
}

// postRequest is the whole text of a v1 post.
func postRequest(body []byte) []byte { return request("/post", body) }

func request(path string, body []byte) []byte {
	r, err := http.NewRequest(http.MethodPost, "http://taba"+path, io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		panic(err) // the URL is fixed
	}
	r.ContentLength = int64(len(body))
	var b bytes.Buffer
	_ = r.Write(&b) // to memory
	return b.Bytes()
}
