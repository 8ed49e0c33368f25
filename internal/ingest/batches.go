package ingest

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
)

// PartCommitter appends parts that agents sealed. It returns a result for
// each, in order, when their outcome is durable.
type PartCommitter interface {
	Append(ctx context.Context, parts []store.Part) ([]store.PartResult, error)
}

// Sources is what Batches needs of a store.
type Sources interface {
	Meta() store.Meta
	Open(ctx context.Context, class store.Class, nonce store.Nonce, now time.Time) (store.SourceID, error)
	Close(ctx context.Context, id store.SourceID, token store.Token) (store.Closed, error)
	Heads(ctx context.Context, id store.SourceID) ([]store.SourceHead, error)
}

// Batches serves agents: /v2/batch, /v2/source/open, /v2/source/close and
// /v2/source/heads. Requests and replies are messages of package wire; a
// refusal is a sentence of text. 409 and 410 with a message mean that some
// parts have such a verdict.
type Batches struct {
	o        Options
	store    Sources
	parts    PartCommitter
	inflater *inflater
	checkers *pool[*checker]
	routes   map[string]func(ctx context.Context, body []byte) (reply, error)
}

// reply is a message with its status.
type reply struct {
	status  int
	message []byte
}

// NewBatches returns the Handler of the v2 routes.
func NewBatches(st Sources, parts PartCommitter, reg *state.Registry, o Options) *Batches {
	b := &Batches{o: o.withDefaults(), store: st, parts: parts, inflater: newInflater()}
	b.o.door = b.o.Metrics.parts
	b.checkers = &pool[*checker]{
		fresh: func() *checker { return newChecker(reg, b.o.Metrics.Trail) },
		size:  (*checker).size,
	}
	b.routes = map[string]func(context.Context, []byte) (reply, error){
		"/v2/batch":        b.batch,
		"/v2/source/open":  b.open,
		"/v2/source/close": b.close,
		"/v2/source/heads": b.heads,
	}
	return b
}

// ServeHTTP implements http.Handler.
func (b *Batches) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	route := b.routes[r.URL.Path]
	if route == nil {
		b.o.Metrics.refusedRequest(reasonRoute)
		NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		b.o.Metrics.refusedRequest(reasonMethod)
		methodNotAllowed(w, r, http.MethodPost)
		return
	}
	answer, err := b.serve(r, route)
	if err != nil {
		e := asRefusal(err)
		b.o.Metrics.refusedRequest(e.reason)
		b.o.noteRequest(e, r.RemoteAddr)
		e.answer(w, r, e.text)
		return
	}
	b.tellLevel(w)
	answer.write(w)
}

// tellLevel tells an agent in which encodings to send what it seals next.
func (b *Batches) tellLevel(w http.ResponseWriter) {
	w.Header().Set(wire.LevelHeader, strconv.Itoa(int(b.o.Level())))
}

// write sends the reply. A small one leaves in one segment with its header.
func (a *reply) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", wire.ContentType)
	h.Set("Content-Length", strconv.Itoa(len(a.message)))
	if a.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.message)
}

// serve reads the whole body, which is charged to the budget until the answer
// is known.
func (b *Batches) serve(r *http.Request, route func(context.Context, []byte) (reply, error)) (reply, error) {
	lease := lease{of: b.o.Budget}
	defer lease.free()
	body, err := readAll(r, &b.o, b.inflater, &lease)
	if err != nil {
		return reply{}, err
	}
	return route(r.Context(), body)
}

// readAll reads and decompresses the body of r, which l holds.
func readAll(r *http.Request, o *Options, f *inflater, l *lease) (body []byte, err error) {
	encoding, err := codecName(r.Header.Get("Content-Encoding"))
	if err != nil {
		return nil, err
	}
	var src source
	defer src.close()
	if err := src.open(r, o, l); err != nil {
		return nil, err
	}
	if err := src.collect(r.Context()); err != nil {
		return nil, err
	}
	if src.eof && encoding == "" {
		body = append([]byte(nil), src.first...)
	} else {
		var in inflated
		defer f.close(&in)
		if err := f.open(&in, &src, encoding, &o.Limits); err != nil {
			return nil, err
		}
		if body, err = in.all(); err != nil {
			return nil, err
		}
	}
	if wire.HasParts(body) {
		src.door = o.Metrics.parts
	}
	return body, nil
}

func (b *Batches) open(ctx context.Context, body []byte) (reply, error) {
	var q wire.OpenRequest
	if err := wire.DecodeOpenRequest(body, &q); err != nil {
		return reply{}, err
	}
	id, err := b.store.Open(ctx, q.Class, q.Nonce, b.o.Now())
	if err != nil {
		return reply{}, unavailable("open a source", err)
	}
	meta := b.store.Meta()
	a := wire.OpenReply{Source: id, StoreID: meta.ID, Partition: meta.Partition, Epoch: meta.ID}
	// An id is good while a shard is away too: what goes to the others needs one.
	if heads, err := b.store.Heads(ctx, id); err == nil && len(heads) > 0 {
		a.Epoch = heads[0].Epoch
	}
	return reply{http.StatusOK, wire.AppendOpenReply(nil, &a)}, nil
}

func (b *Batches) close(ctx context.Context, body []byte) (reply, error) {
	var q wire.CloseRequest
	if err := wire.DecodeCloseRequest(body, &q); err != nil {
		return reply{}, err
	}
	closed, err := b.store.Close(ctx, q.Source, q.Token)
	if err != nil {
		return reply{}, unavailable("close a source", err)
	}
	return reply{http.StatusOK, wire.AppendCloseReply(nil, &wire.CloseReply{Closed: closed})}, nil
}

func (b *Batches) heads(ctx context.Context, body []byte) (reply, error) {
	var q wire.HeadsRequest
	if err := wire.DecodeHeadsRequest(body, &q); err != nil {
		return reply{}, err
	}
	heads, err := b.store.Heads(ctx, q.Source)
	if err != nil {
		return reply{}, unavailable("read the heads of a source", err)
	}
	return reply{http.StatusOK, wire.AppendHeadsReply(nil, &wire.HeadsReply{Heads: heads})}, nil
}

func (b *Batches) batch(ctx context.Context, body []byte) (reply, error) {
	var q wire.Batch
	if err := wire.DecodeBatch(body, &q); err != nil {
		return reply{}, err
	}
	if err := b.addressed(&q); err != nil {
		return reply{}, err
	}
	claim := claim{q: b.o.Quota}
	defer claim.settle()
	over, err := b.check(&q, &claim)
	if err != nil {
		return reply{}, err
	}
	results, err := b.parts.Append(ctx, q.Parts)
	if err != nil {
		return reply{}, unavailable("append the parts", err)
	}
	if len(results) != len(q.Parts) {
		return reply{}, unavailable("append the parts", fmt.Errorf("%d results for %d parts", len(results), len(q.Parts)))
	}
	b.o.Metrics.Parts.Add(len(results))
	for i, r := range results {
		if r.Verdict == store.Applied {
			b.o.Metrics.parts.Events.Add(int(q.Parts[i].Events))
			b.o.Metrics.overflowed(over[i])
		}
	}
	return reply{statusOf(results), wire.AppendBatchReply(nil, &wire.BatchReply{Results: results})}, nil
}

// addressed refuses a Batch that was cut for another store: its parts cannot
// be compared with the watermarks kept here.
func (b *Batches) addressed(q *wire.Batch) error {
	meta := b.store.Meta()
	if q.StoreID != meta.ID {
		return refuse(http.StatusConflict, reasonOtherHome, "The Batch is for store %x; this is store %x.", q.StoreID, meta.ID)
	}
	if q.Partition != meta.Partition {
		return refuse(http.StatusConflict, reasonOtherHome,
			"The Batch is cut for partition version %d with %d vbuckets and key %x; this store has version %d, %d vbuckets and key %x.",
			q.Partition.Version, q.Partition.VBuckets, q.Partition.Key, meta.Partition.Version, meta.Partition.VBuckets, meta.Partition.Key)
	}
	if q.Namespace != "" {
		return refuse(http.StatusBadRequest, reasonMalformed, "The Batch is of namespace %q; namespaces are reserved and must be empty.", q.Namespace)
	}
	return nil
}

// check looks at every Partial before the store sees it, clamps what lies too far
// in the future, as clamping does not commute with merging, writes anew what not
// everybody can read who reads the store, and moves what is over a limit. A part's Digest stays that of the bytes that were sealed.
func (b *Batches) check(q *wire.Batch, claim *claim) ([]overflow, error) {
	now := b.o.Now()
	limit := unix(now.Add(b.o.FutureTolerance))
	c := b.checkers.get()
	c.now, c.level = unix(now), b.o.Level()
	defer b.checkers.put(c)
	over := make([]overflow, len(q.Parts))
	for i := range q.Parts {
		p := &q.Parts[i]
		if p.VB >= max(1, q.Partition.VBuckets) {
			return nil, refuse(http.StatusBadRequest, reasonMalformed, "Part %d is for vbucket %d of %d.", i, p.VB, q.Partition.VBuckets)
		}
		got, err := c.part(p, q.Partition, limit)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, reasonMalformed, "Part %d: %v", i, err)
		}
		p.Body, over[i] = claim.sift(p, &got, c.reg, c.level, q.Partition, b.o.Metrics.Trail)
		b.o.Metrics.Clamped.Add(int(got.clamped))
		b.o.Metrics.Undecodable.Add(int(got.undecodable))
	}
	return over, nil
}

// statusOf is the status of a Batch: the worst of its parts'.
func statusOf(results []store.PartResult) int {
	status := http.StatusOK
	for _, r := range results {
		switch {
		case r.Err != nil || r.Verdict == store.Unknown:
			if status == http.StatusOK {
				status = http.StatusServiceUnavailable
			}
		case r.Verdict == store.SourceGone:
			return http.StatusGone
		case r.Verdict != store.Applied && r.Verdict != store.Duplicate:
			status = http.StatusConflict
		}
	}
	return status
}

func unavailable(what string, err error) error {
	return refuse(http.StatusServiceUnavailable, reasonCommit, "The store could not %s: %v. Retry later.", what, err)
}
