package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/wait"
	"github.com/tabaproject/taba/internal/wire"
)

// pause is how long a writer waits after a refusal.
const pause = 50 * time.Millisecond

// writer posts numbered events to one agent or server, one post at a time.
type writer struct {
	ledger
	id     int
	target *target
	names  names
	tabs   []string
	body   wire.Encoder
}

// target is an agent or server that is posted to.
type target struct {
	name   string // "agent 2", "server"
	client *cli.Client
	direct bool // it is the server that is read from
}

// run posts until more says no or ctx ends. It gives up when nothing has been
// acknowledged for as long as patience.
func (w *writer) run(ctx context.Context, patience time.Duration, more func() bool) error {
	last := time.Now()
	for ctx.Err() == nil && more() {
		o, err := w.post(ctx, w.next(), last.Add(patience))
		switch {
		case fatal(err), o != acknowledged && time.Since(last) > patience:
			return fmt.Errorf("post to %s: %w", w.target.name, err)
		case o == acknowledged:
			last = time.Now()
		default:
			_ = wait.For(ctx, pause) // the loop sees that ctx has ended
		}
	}
	return nil
}

// post sends one post and notes its outcome. While no connection can be made
// it tries again, until deadline.
func (w *writer) post(ctx context.Context, n int, deadline time.Time) (outcome, error) {
	body, err := w.encode(n)
	if err != nil {
		w.settle(n, notSent)
		return notSent, err
	}
	for {
		// A post that has begun is waited for, also when the run is to end:
		// otherwise the end itself would put one of each writer in doubt.
		header, err := w.target.client.Post(context.WithoutCancel(ctx), "/post", body)
		o := judge(err)
		if o == notSent && !fatal(err) && ctx.Err() == nil && time.Now().Before(deadline) {
			_ = wait.For(ctx, pause) // the loop sees that ctx has ended
			continue
		}
		w.settle(n, o)
		if refused := header.Get("X-Taba-Refused"); refused != "" {
			err = &refusedError{refused}
		}
		return o, err
	}
}

// encode writes the body of a post.
func (w *writer) encode(n int) ([]byte, error) {
	w.body.Reset()
	if err := w.body.Client(w.names.client(w.id, n/pageSize)); err != nil {
		return nil, err
	}
	now := float64(time.Now().UnixMilli()) / 1e3
	for _, tab := range w.tabs {
		if err := w.body.Tab(tab); err != nil {
			return nil, err
		}
		w.body.EventInt("TotalsCounter", now, weight(n%pageSize))
	}
	return w.body.Close(), nil
}

// judge says what an answer to a post, or its absence, means.
func judge(err error) outcome {
	status, dial := (*cli.StatusError)(nil), (*net.OpError)(nil)
	switch {
	case err == nil:
		return acknowledged
	case errors.As(err, &status) && status.Code < http.StatusInternalServerError:
		return notSent // refused for what it is: nothing of it was taken
	case errors.As(err, &dial) && dial.Op == "dial":
		return notSent
	}
	return inDoubt
}

// refusedError is an answer that takes a post but not all of its events.
type refusedError struct{ header string }

func (e *refusedError) Error() string { return "events were refused: " + e.header }

// fatal says that trying again cannot help.
func fatal(err error) bool {
	refused, status := (*refusedError)(nil), (*cli.StatusError)(nil)
	if errors.As(err, &refused) {
		return true
	}
	return errors.As(err, &status) && status.Code < http.StatusInternalServerError &&
		status.Code != http.StatusRequestTimeout && status.Code != http.StatusTooManyRequests
}
