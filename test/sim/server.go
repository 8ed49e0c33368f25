package sim

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/tabaproject/taba/internal/commit"
	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/forward"
	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/internal/wire"
)

// server is one life of a server process.
type server struct {
	w         *World
	name      string
	link      *link
	commit    *commit.Server
	batches   *ingest.Batches
	view      *view.View
	compactor *view.Compactor
	collected time.Duration // when it last collected garbage
	split     bool          // it does not know who the primary is
}

func (w *World) startServer(name string) *server {
	s := &server{w: w, name: name, collected: w.now}
	s.link = &link{w.store, w}
	s.commit = commit.NewServer(commit.ServerOptions{Store: s.link, Registry: registry, Now: w.storeClock})
	s.batches = ingest.NewBatches(s.link, oneByOne{s}, registry, ingest.Options{Now: w.storeClock, Budget: w.budget, Metrics: w.metrics})
	s.view = view.New(s.link, registry, view.Options{})
	s.compactor = view.NewCompactor(s.link, registry, view.CompactorOptions{})
	return s
}

// oneByOne commits the parts of one vbucket after the other. A commit.Server
// does it side by side, which would leave their order to the scheduler.
type oneByOne struct{ s *server }

// Append implements ingest.PartCommitter.
func (o oneByOne) Append(ctx context.Context, parts []store.Part) ([]store.PartResult, error) {
	results := make([]store.PartResult, len(parts))
	for vb := range o.s.w.mix.VBuckets {
		var some []store.Part
		var at []int
		for i := range parts {
			if parts[i].VB == vb {
				some, at = append(some, parts[i]), append(at, i)
			}
		}
		if len(some) == 0 {
			continue
		}
		o.s.w.weather()
		rs, err := o.s.commit.Append(ctx, some)
		if err != nil {
			return nil, err
		}
		for i := range rs {
			results[at[i]] = rs[i]
		}
	}
	return results, nil
}

// post commits events that an application sends to the server itself.
func (s *server) post(acc *fold.Accumulator) error {
	s.w.weather()
	return s.commit.Commit(context.Background(), acc, nil)
}

// serve answers a request, in the bytes that travel.
func (s *server) serve(q *forward.Request) (r forward.Reply) {
	s.w.weather()
	path, body, decode := message(q, &r)
	rec := httptest.NewRecorder()
	s.batches.ServeHTTP(rec, &http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: path}, Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	})
	if rec.Header().Get("Content-Type") != wire.ContentType {
		return forward.Reply{Err: &forward.StatusError{Code: rec.Code, Message: rec.Body.String()}}
	}
	must(decode(rec.Body.Bytes()))
	return r
}

// message encodes a request and tells how its answer is decoded into r.
func message(q *forward.Request, r *forward.Reply) (path string, body []byte, decode func([]byte) error) {
	switch {
	case q.Open != nil:
		return "/v2/source/open", wire.AppendOpenRequest(nil, q.Open), func(m []byte) error { return wire.DecodeOpenReply(m, &r.Open) }
	case q.Close != nil:
		return "/v2/source/close", wire.AppendCloseRequest(nil, q.Close), func(m []byte) error { return wire.DecodeCloseReply(m, &r.Close) }
	case q.Heads != nil:
		return "/v2/source/heads", wire.AppendHeadsRequest(nil, q.Heads), func(m []byte) error { return wire.DecodeHeadsReply(m, &r.Heads) }
	}
	return "/v2/batch", wire.AppendBatch(nil, q.Send), func(m []byte) error { return wire.DecodeBatchReply(m, &r.Send) }
}

// read asks a View for all tabs.
func (w *World) read(v *view.View) (answer, error) {
	a := answer{}
	err := v.Tabs(context.Background(), view.Request{Now: w.unix(), At: w.unix()}, func(r view.Row) error {
		a[r.Name] = string(r.Render)
		return nil
	})
	return a, err
}

// projection asks a View for all clients of all tabs.
func (w *World) projection(v *view.View) (answer, error) {
	a := answer{}
	err := v.Projection(context.Background(), view.Request{Now: w.unix(), At: w.unix()}, func(r view.Row) error {
		a[fmt.Sprintf("%s of %s", r.Name, r.Client)] = string(r.Render)
		return nil
	})
	return a, err
}
