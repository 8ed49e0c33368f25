package query

import (
	"context"
	"net/http"
	"time"

	"github.com/tabaproject/taba/internal/query/lang"
)

// Committed tells subscribers of live queries that there is something new. It
// may be called by whoever commits: it does not wait.
func (h *Handler) Committed() { h.live.committed() }

// EndLive ends the streams of live queries, so that a server that drains need
// not wait for them.
func (h *Handler) EndLive() {
	h.live.end()
	h.self.End()
}

// maxEvery bounds how rarely a subscriber may ask to be told.
const maxEvery = 86400

// subscribe streams answers to a query as Server-Sent Events. A subscriber that
// is slow misses those in between, and delays nobody.
func (h *Handler) subscribe(w http.ResponseWriter, r *http.Request) {
	a, err := h.args(w, r, []string{"q", "every"})
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	h.counts.live.Inc()
	q, _, err := asked(a)
	var every int64
	if text := a.get("every"); err == nil && text != "" {
		if every, err = lang.ParseDuration("every", text); err != nil || every > maxEvery {
			err = badParameter("every must be a duration from 1s to 1d, such as 5s")
		}
	}
	var f *feed
	if err == nil {
		f, err = h.live.join(q, time.Duration(every)*time.Second)
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	defer h.live.leave(f)
	u, err := h.live.after(r.Context(), f, nil)
	if err == nil && u.err != nil {
		err = u.err // of the first answer: it can be told as that of any request
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	h.stream(w, r, f, u)
}

// after returns the latest update when it is another one than the last.
func (l *live) after(ctx context.Context, f *feed, last *update) (*update, error) {
	for {
		u, changed := f.next()
		if u != nil && (last == nil || u.id != last.id) {
			return u, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.ended:
			return nil, errEnded
		case <-changed:
		}
	}
}

// stream sends u and what comes after it.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request, f *feed, u *update) {
	streaming(w)
	if r.Method == http.MethodHead {
		return
	}
	control := http.NewResponseController(w)
	for {
		if _, err := w.Write(u.text); err != nil || control.Flush() != nil {
			return // it has hung up, or takes nothing
		}
		next, err := h.live.after(r.Context(), f, u)
		if err != nil {
			if err == errEnded {
				_, _ = w.Write(event(u.id+1, "end", []byte(`{"reason":"the server is shutting down"}`)))
			}
			return
		}
		u = next
	}
}
