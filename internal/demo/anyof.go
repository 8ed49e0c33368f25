package demo

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/tabaproject/taba/internal/fleet"
)

// anyOf asks the server that answered last, and others if it does not: any of
// them answers everything. It is safe for concurrent use.
type anyOf struct {
	through http.RoundTripper
	hosts   []string
	last    atomic.Int64
}

func newAnyOf(through http.RoundTripper, urls []string) *anyOf {
	a := &anyOf{through: through}
	for _, u := range urls {
		parsed, err := url.Parse(u)
		if err == nil {
			a.hosts = append(a.hosts, parsed.Host)
		}
	}
	return a
}

// RoundTrip implements http.RoundTripper for requests without a body.
func (a *anyOf) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	first := a.last.Load()
	for k := range a.hosts {
		i := (first + int64(k)) % int64(len(a.hosts))
		r := req.Clone(req.Context())
		r.URL.Host, r.Host = a.hosts[i], ""
		if resp, err = a.through.RoundTrip(r); err == nil && (resp.StatusCode != http.StatusServiceUnavailable || k == len(a.hosts)-1) {
			a.last.Store(i)
			return resp, nil
		}
		if err == nil {
			_ = resp.Body.Close()
		}
		if req.Context().Err() != nil {
			return nil, req.Context().Err()
		}
	}
	return nil, err
}

// inTurn returns a function that posts to agents in turn. To one that cannot be
// connected to nothing was sent: it may be sent to another.
func inTurn(t *http.Transport, agents []*member) func(context.Context, []byte) error {
	var next atomic.Uint64
	var posts []func(context.Context, []byte) error
	for _, a := range agents {
		posts = append(posts, poster(t, a.url))
	}
	return func(ctx context.Context, body []byte) error {
		err := posts[next.Add(1)%uint64(len(posts))](ctx, body)
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return fleet.ErrBusy
		}
		return err
	}
}
