package forward

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
)

// Paths of the v2 protocol.
const (
	openPath  = "/v2/source/open"
	closePath = "/v2/source/close"
	headsPath = "/v2/source/heads"
	batchPath = "/v2/batch"

	// maxConns leaves room for one more while a request that was given up still
	// has its connection.
	maxConns   = 2
	maxReply   = 32 << 20
	maxMessage = 512
)

// HTTPOptions are the settings of an HTTP transport.
type HTTPOptions struct {
	Token string      // bearer token; empty: none is sent
	TLS   *tls.Config // nil: the machine's certificates
	// Level is told, with each answer, the level of encodings that the server
	// says everybody reads. It must not block; nil: nobody is told.
	Level func(state.Level)
	// Timeout of a whole request. Default 60 s.
	Timeout time.Duration
}

// HTTP is the Transport over HTTP.
type HTTP struct {
	o      HTTPOptions
	client *http.Client
	bufs   sync.Pool // of *[]byte
}

// NewHTTP returns a Transport over HTTP. Servers are named by base URL.
func NewHTTP(o HTTPOptions) *HTTP {
	if o.Timeout == 0 {
		o.Timeout = 60 * time.Second
	}
	if o.Level == nil {
		o.Level = func(state.Level) {}
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &HTTP{o: o, client: &http.Client{
		Timeout: o.Timeout,
		// A redirected POST would lose its body, a followed one its meaning.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dialer.DialContext,
			TLSClientConfig:       o.TLS,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: o.Timeout,
			ExpectContinueTimeout: time.Second,
			MaxIdleConnsPerHost:   1, // to each server there is one request at a time
			MaxConnsPerHost:       maxConns,
			IdleConnTimeout:       90 * time.Second,
			DisableCompression:    true,
		},
	}}
}

// CloseIdle closes connections that are not in use.
func (h *HTTP) CloseIdle() { h.client.CloseIdleConnections() }

// Open implements Transport.
func (h *HTTP) Open(ctx context.Context, server string, r *wire.OpenRequest) (reply wire.OpenReply, err error) {
	err = h.post(ctx, server, openPath, wire.AppendOpenRequest(h.buffer(), r), func(m []byte) error {
		return wire.DecodeOpenReply(m, &reply)
	})
	return reply, err
}

// Close implements Transport.
func (h *HTTP) Close(ctx context.Context, server string, r *wire.CloseRequest) (reply wire.CloseReply, err error) {
	err = h.post(ctx, server, closePath, wire.AppendCloseRequest(h.buffer(), r), func(m []byte) error {
		return wire.DecodeCloseReply(m, &reply)
	})
	return reply, err
}

// Heads implements Transport.
func (h *HTTP) Heads(ctx context.Context, server string, r *wire.HeadsRequest) (reply wire.HeadsReply, err error) {
	err = h.post(ctx, server, headsPath, wire.AppendHeadsRequest(h.buffer(), r), func(m []byte) error {
		return wire.DecodeHeadsReply(m, &reply)
	})
	return reply, err
}

// Send implements Transport.
func (h *HTTP) Send(ctx context.Context, server string, b *wire.Batch) (reply wire.BatchReply, err error) {
	after, err := h.exchange(ctx, server, batchPath, wire.AppendBatch(h.buffer(), b), func(m []byte) error {
		return wire.DecodeBatchReply(m, &reply)
	})
	if after > 0 {
		for i := range reply.Results {
			if r := &reply.Results[i]; r.Err != nil {
				r.Err = &StatusError{Code: http.StatusServiceUnavailable, RetryAfter: after, Message: r.Err.Error()}
			}
		}
	}
	return reply, err
}

// post is exchange with an answer that says it all.
func (h *HTTP) post(ctx context.Context, server, path string, body []byte, decode func([]byte) error) error {
	_, err := h.exchange(ctx, server, path, body, decode)
	return err
}

// exchange sends one message and decodes the answer. 409, 410 and 503 with a
// message tell what became of each part, and how long to wait with those that
// were not taken; anything else but 200 is a refusal.
func (h *HTTP) exchange(ctx context.Context, server, path string, body []byte, decode func([]byte) error) (after time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(server, "/")+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", wire.ContentType)
	if h.o.Token != "" {
		req.Header.Set("Authorization", "Bearer "+h.o.Token)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	message, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return 0, fmt.Errorf("%s: read the answer: %w", path, err)
	}
	if !decided(resp) {
		return 0, &StatusError{Code: resp.StatusCode, RetryAfter: retryAfter(resp), Message: shorten(message)}
	}
	h.o.Level(levelOf(resp))
	if len(message) > maxReply {
		return 0, fmt.Errorf("%s: the answer is longer than %d bytes", path, maxReply)
	}
	// The client may still be reading body when it returns early, so its
	// memory is used again only after an answer.
	if cap(body) <= 1<<20 {
		body = body[:0]
		h.bufs.Put(&body)
	}
	if err := decode(message); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return retryAfter(resp), nil
}

func (h *HTTP) buffer() []byte {
	if b, ok := h.bufs.Get().(*[]byte); ok {
		return *b
	}
	return nil
}

func decided(r *http.Response) bool {
	switch r.StatusCode {
	case http.StatusOK, http.StatusConflict, http.StatusGone, http.StatusServiceUnavailable:
		t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		return t == wire.ContentType
	}
	return false
}

// levelOf is the level of encodings that an answer tells.
func levelOf(r *http.Response) state.Level {
	n, err := strconv.ParseUint(r.Header.Get(wire.LevelHeader), 10, 8)
	if err != nil || n == 0 {
		return state.Unsaid
	}
	return state.Level(n)
}

// retryAfter reads the header in either of its forms.
func retryAfter(r *http.Response) time.Duration {
	v := r.Header.Get("Retry-After")
	if s, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

func shorten(message []byte) string {
	s := strings.ToValidUTF8(strings.TrimSpace(string(message[:min(len(message), maxMessage)])), "?")
	if s == "" {
		return "no explanation"
	}
	return s
}
