package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// sender offers posts to a process over kept connections. It writes requests
// that are made beforehand and looks at little of the answers, so that what it
// costs stays small beside what it measures.
type sender struct {
	addr        string
	connections int
	rate        float64 // posts a second over all connections; 0: as many as are answered
	// request returns the n-th request of a connection.
	request func(connection, n int) []byte

	posted   atomic.Int64 // answered with 200
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
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 4<<10)
	var every time.Duration
	if s.rate > 0 {
		every = time.Duration(float64(s.connections) / s.rate * float64(time.Second))
	}
	due := time.Now().Add(every * time.Duration(c) / time.Duration(s.connections))
	for n := 0; ctx.Err() == nil; n++ {
		if every > 0 {
			time.Sleep(time.Until(due))
			due = due.Add(every)
		}
		start := time.Now()
		s.tried.Add(1)
		if err := exchange(conn, in, s.request(c, n)); err != nil {
			if ctx.Err() != nil {
				return nil // the process was killed on purpose
			}
			return err
		}
		s.posted.Add(1)
		s.note(time.Since(start))
	}
	return nil
}

func (s *sender) note(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency += d
	s.answered++
	s.slowest = max(s.slowest, d)
}

// exchange sends a request and reads an answer of 200.
func exchange(conn net.Conn, in *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	status, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("a post was answered %q", bytes.TrimSpace(status))
	}
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return err
			}
		}
	}
	_, err = in.Discard(length)
	return err
}

// postRequest is the whole text of a v1 post.
func postRequest(body []byte) []byte {
	r, err := http.NewRequest(http.MethodPost, "http://taba/post", io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		panic(err) // the URL is fixed
	}
	r.ContentLength = int64(len(body))
	var b bytes.Buffer
	_ = r.Write(&b) // to memory
	return b.Bytes()
}

// ownCPU is the user and system time of this process: of the sender.
func ownCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
