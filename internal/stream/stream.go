// Package stream is the sending side of a v2 stream: it opens one and moves
// frames and replies. What to send again, and when to open another stream, is
// up to the caller. docs/v2.md tells what frames and replies mean.
//
// # Concurrency and back-pressure
//
// One goroutine may send while another one receives; Close may be called by
// anybody. Send waits when the receiver does not read: that is how a receiver
// slows its senders down. Whoever sends without receiving stops both sides in
// the end.
package stream

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tabaproject/taba/internal/wire"
)

// Options are the settings of a Conn. The zero value is ready to use.
type Options struct {
	Token string      // sent as Authorization: Bearer; "" sends none
	TLS   *tls.Config // for https; nil: the default
}

// Conn is a stream to an agent or a server.
type Conn struct {
	conn     net.Conn
	in       *bufio.Reader
	maxFrame int
	sent     uint64

	heads [][binary.MaxVarintLen64]byte // scratch of Send
	out   net.Buffers                   // scratch of Send
	body  []byte                        // scratch of Receive
}

// RefusedError is the answer of a receiver that did not open a stream.
type RefusedError struct {
	Status     int
	Text       string
	RetryAfter time.Duration // 0 if it does not say
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the stream was refused with status %d: %s", e.Status, e.Text)
}

// Dial opens a stream to the agent or server at base, such as
// http://localhost:8279. ctx bounds the opening only. A refusal is a
// *RefusedError.
func Dial(ctx context.Context, base string, o Options) (*Conn, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	conn, err := dial(ctx, u, o.TLS)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // long past
	c, err := open(conn, u, o.Token)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func dial(ctx context.Context, u *url.URL, config *tls.Config) (net.Conn, error) {
	address, port := u.Host, map[string]string{"http": "80", "https": "443"}[u.Scheme]
	if port == "" {
		return nil, fmt.Errorf("open a stream to %s: the URL has to begin with http:// or https://", u)
	}
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), port)
	}
	if u.Scheme == "https" {
		return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}

// open asks to upgrade conn.
func open(conn net.Conn, u *url.URL, token string) (*Conn, error) {
	r, err := http.NewRequest(http.MethodGet, strings.TrimSuffix(u.String(), "/")+"/v2/stream", nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "taba/2")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if err := r.Write(conn); err != nil {
		return nil, fmt.Errorf("open a stream: %w", err)
	}
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, r)
	if err != nil {
		return nil, fmt.Errorf("open a stream: %w", err)
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return nil, refused(answer)
	}
	maxFrame, err := strconv.Atoi(answer.Header.Get("Taba-Max-Frame"))
	if err != nil {
		return nil, errors.New("open a stream: the answer does not say how large frames may be")
	}
	return &Conn{conn: conn, in: in, maxFrame: maxFrame}, nil
}

func refused(answer *http.Response) error {
	const most = 1 << 10
	text, _ := io.ReadAll(io.LimitReader(answer.Body, most))
	_ = answer.Body.Close()
	seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
	return &RefusedError{Status: answer.StatusCode, Text: strings.TrimSpace(string(text)), RetryAfter: time.Duration(seconds) * time.Second}
}

// MaxFrame is how many bytes a frame may have.
func (c *Conn) MaxFrame() int { return c.maxFrame }

// Send sends frames, in one write, and returns the number of the last of them.
func (c *Conn) Send(frames ...[]byte) (last uint64, err error) {
	for len(c.heads) < len(frames) {
		c.heads = append(c.heads, [binary.MaxVarintLen64]byte{})
	}
	c.out = c.out[:0]
	for i, f := range frames {
		c.out = append(c.out, binary.AppendUvarint(c.heads[i][:0], uint64(len(f))), f)
	}
	out := c.out // WriteTo consumes it
	if _, err := out.WriteTo(c.conn); err != nil {
		return c.sent, fmt.Errorf("send a frame: %w", err)
	}
	clear(c.out)
	c.sent += uint64(len(frames))
	return c.sent, nil
}

// maxReply bounds what a receiver may send at once.
const maxReply = 1 << 20

// Receive waits for the next reply. The error is io.EOF when the receiver has
// ended the stream after its last one.
func (c *Conn) Receive(r *wire.StreamReply) error {
	n, err := binary.ReadUvarint(c.in)
	if err != nil {
		return err
	}
	if n > maxReply {
		return fmt.Errorf("a reply of %d bytes, more than the limit of %d", n, maxReply)
	}
	if uint64(cap(c.body)) < n {
		c.body = make([]byte, n)
	}
	c.body = c.body[:n]
	if _, err := io.ReadFull(c.in, c.body); err != nil {
		return fmt.Errorf("receive a reply: %w", err)
	}
	return wire.DecodeStreamReply(c.body, r)
}

// CloseSend tells the receiver that no more frames come. It acknowledges those
// sent, and ends the stream.
func (c *Conn) CloseSend() error {
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.New("the connection cannot be closed on one side")
}

// Raw is the connection, for tests of what is no frame.
func (c *Conn) Raw() net.Conn { return c.conn }

// Close ends the stream at once.
func (c *Conn) Close() error { return c.conn.Close() }
