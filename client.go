package taba

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Client records events and sends them. Make one with New; a nil *Client and
// a zero Client do nothing.
type Client struct {
	numbers numbers
	// clock is the time of numbers, in milliseconds since 1970, or clockIdle
	// while nothing waits to be sent, or clockClosed.
	clock atomic.Int64
	_     [64]byte // keeps what changes often off the recorders' cache lines

	cfg  Config
	http *http.Client
	own  bool // http is the client's own

	table    table
	values   values
	used     atomic.Int64 // bytes of the buffer in use
	bound    int64        // of used
	inFlight atomic.Int64 // bytes of the body being sent
	counters counters

	wake    chan struct{} // something is recorded while the clock is idle
	half    chan struct{} // half of the buffer is used
	flushes chan *waiter
	closing chan struct{} // closed by Close
	done    chan struct{} // closed when the flusher has ended

	closeOnce sync.Once
	closeCtx  context.Context // of the first Close
	closeErr  error           // set before done is closed
}

// waiter is a call of Flush.
type waiter struct {
	done chan struct{}
	err  error // set before done is closed
}

// errClosed is the answer of Flush after Close.
var errClosed = errors.New("taba: the client is closed")

// closeTime is how long Close tries if its context has no deadline.
const closeTime = 10 * time.Second

// New returns a Client, which sends in the background until Close. It never
// fails: what is wrong with cfg is mended and reported to Config.OnError.
func New(cfg Config) *Client {
	cfg, err := cfg.withDefaults()
	c := &Client{
		cfg: cfg, http: cfg.HTTPClient,
		wake: make(chan struct{}, 1), half: make(chan struct{}, 1),
		flushes: make(chan *waiter), closing: make(chan struct{}), done: make(chan struct{}),
	}
	c.table.byName = make(map[seriesName]*series)
	c.values.round = 1
	if c.http == nil || c.cfg.socket != "" {
		c.http, c.own = ownHTTP(c.cfg.socket), true
	}
	f := newFlusher(c)
	c.bound = int64(cfg.BufferBytes - 2*f.bodyBytes) // a body, and the records it is made of
	c.numbers.init(c.bound)
	if err != nil {
		c.report(err)
	}
	go f.run()
	return c
}

// alive reports whether c was made by New.
func (c *Client) alive() bool { return c != nil && c.done != nil }

// Flush sends what was recorded so far and returns when it is acknowledged,
// or when ctx ends. An error tells what was not.
func (c *Client) Flush(ctx context.Context) error {
	if !c.alive() {
		return nil
	}
	w := &waiter{done: make(chan struct{})}
	select {
	case c.flushes <- w:
	case <-c.done:
		return errClosed
	case <-ctx.Done():
		return c.cut("flush", ctx)
	}
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		return c.cut("flush", ctx)
	}
}

// Close sends what was recorded so far and ends the client. It returns when
// everything is acknowledged, or when ctx ends; if ctx has no deadline, after
// ten seconds. An error tells how many events were not sent. What is recorded
// afterwards is dropped and counted.
func (c *Client) Close(ctx context.Context) error {
	if !c.alive() {
		return nil
	}
	first := false
	c.closeOnce.Do(func() {
		first, c.closeCtx = true, ctx
		close(c.closing)
	})
	if first { // the flusher heeds ctx
		<-c.done
		return c.closeErr
	}
	select {
	case <-c.done:
		return c.closeErr
	case <-ctx.Done():
		return c.cut("close", ctx)
	}
}

// cut is the error of a call whose context ended.
func (c *Client) cut(what string, ctx context.Context) error {
	err := fmt.Errorf("taba: %s: %w", what, context.Cause(ctx))
	if last := c.Stats().LastError; last != nil {
		err = fmt.Errorf("%w; last error: %w", err, last)
	}
	return err
}

const unixScheme = "unix://"

// ownHTTP returns an HTTP client for the client alone; with the path of a
// socket, one that connects to nothing else.
func ownHTTP(socket string) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if socket != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}
	}
	return &http.Client{Transport: t}
}
