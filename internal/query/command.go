package query

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tabaproject/taba/internal/view"
)

// recompute made States over all clients anew in v1. Here compaction does, on
// every server for its own part.
func (h *Handler) recompute(o *out, _ *params) error {
	h.o.Compact(false)
	return o.started()
}

// upgrade is recompute, and writes what earlier releases wrote in the encodings
// of this one.
func (h *Handler) upgrade(o *out, _ *params) error {
	h.o.Compact(true)
	return o.started()
}

// gc prunes what has nothing left as of now.
func (h *Handler) gc(o *out, _ *params) error {
	if err := h.o.Compactor.Prune(o.r.Context(), h.pruneTime()); err != nil {
		return err
	}
	return o.started()
}

func (h *Handler) pruneTime() float64 {
	enqueue, processed := h.o.Latency()
	return seconds(h.o.Now()) - enqueue - processed
}

// PruneEvery prunes once per interval until ctx ends.
func (h *Handler) PruneEvery(ctx context.Context, interval time.Duration) {
	h.o.Compactor.PruneEvery(ctx, interval, h.pruneTime)
}

// flushAll discarded queued tasks in v1. There are none: nothing that was
// acknowledged is thrown away.
func (h *Handler) flushAll(*out, *params) error { return nil }

func (h *Handler) delete(o *out, p *params) error {
	raw, err := p.raw("name")
	if err != nil {
		return err
	}
	if raw == "" {
		return badRequest("Nothing is deleted: say which tabs with name=NAME[,NAME...]")
	}
	ctx := o.r.Context()
	found, err := h.o.View.Find(ctx, view.Request{Names: parseList(raw)})
	if err != nil {
		return err
	}
	return h.o.Compactor.Delete(ctx, found)
}

// Audit is what an audit of the ledger found, and when.
type Audit struct {
	At     time.Time
	Report view.Report
	Err    error // the audit could not be finished
}

// LastAudit returns the last audit that was finished, nil if there is none.
func (h *Handler) LastAudit() *Audit {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// check starts an audit, as v1 started its own. It changes nothing, whatever
// "dry" says: there is nothing it would mend by deleting. One audit runs at a
// time.
func (h *Handler) check(o *out, p *params) error {
	if _, err := p.raw("dry"); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.auditing && !h.closed {
		h.auditing = true
		h.jobs.Go(func() {
			h.audit(h.ctx)
			h.mu.Lock()
			defer h.mu.Unlock()
			h.auditing = false
		})
	}
	return o.started()
}

// audit runs an audit and keeps its result.
func (h *Handler) audit(ctx context.Context) *Audit {
	a := &Audit{At: h.o.Now()}
	a.Report, a.Err = h.o.Compactor.Audit(ctx)
	switch {
	case a.Err != nil:
		h.o.Log.Error("the audit could not be finished", "err", a.Err)
	case a.Report.OK():
		h.o.Log.Info("audit: every event is accounted for")
	default:
		h.o.Log.Error("audit: the ledger does not add up", "problems", a.Report.Problems())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = a
	return a
}

// checkNow audits and answers with what was found.
func (h *Handler) checkNow(o *out, _ *params) error {
	a := h.audit(o.r.Context())
	if a.Err != nil {
		return a.Err
	}
	o.json = true
	var err error
	o.buf, err = json.Marshal(newAuditAnswer(a))
	return err
}

type auditAnswer struct {
	OK       bool            `json:"ok"`
	At       float64         `json:"at"`
	Problems []string        `json:"problems"`
	VBuckets []vbucketAnswer `json:"vbuckets"`
}

type vbucketAnswer struct {
	VBucket    int    `json:"vbucket"`
	Appended   uint64 `json:"appended"`
	Recorded   uint64 `json:"recorded"`
	Tail       uint64 `json:"tail"`
	Pruned     uint64 `json:"pruned"`
	Deleted    uint64 `json:"deleted"`
	SetAside   uint64 `json:"set_aside"`
	Difference int64  `json:"difference"`
}

func newAuditAnswer(a *Audit) auditAnswer {
	answer := auditAnswer{OK: a.Report.OK(), At: seconds(a.At), Problems: a.Report.Problems(), VBuckets: []vbucketAnswer{}}
	if answer.Problems == nil {
		answer.Problems = []string{}
	}
	for i := range a.Report.VBuckets {
		r := &a.Report.VBuckets[i]
		answer.VBuckets = append(answer.VBuckets, vbucketAnswer{
			VBucket: r.VBucket, Appended: r.Stats.Appended, Recorded: r.Stats.Recorded, Tail: r.Stats.Tail,
			Pruned: r.Stats.Pruned, Deleted: r.Stats.Deleted, SetAside: r.Stats.SetAside, Difference: r.Difference,
		})
	}
	return answer
}
