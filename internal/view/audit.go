package view

import (
	"context"
	"fmt"

	"github.com/tabaproject/taba/internal/store"
)

// Report is what an audit of the ledger found.
type Report struct {
	VBuckets []VBucketReport
}

// VBucketReport is the ledger of one vbucket, checked.
type VBucketReport struct {
	VBucket int
	Stats   store.Stats
	// Difference is Appended less everything that must add up to it: more
	// than zero, events are missing; less than zero, some count twice.
	Difference int64
	// Headers is the sum of the records' own counts, Clients that of their
	// clients'. Both must be Stats.Recorded.
	Headers, Clients uint64
	Problems         []string // empty if all is well
}

// Problems of all vbuckets, each with the vbucket's number.
func (r *Report) Problems() []string {
	var all []string
	for i := range r.VBuckets {
		for _, p := range r.VBuckets[i].Problems {
			all = append(all, fmt.Sprintf("vbucket %d: %s", r.VBuckets[i].VBucket, p))
		}
	}
	return all
}

// OK reports whether every event is accounted for.
func (r *Report) OK() bool { return len(r.Problems()) == 0 }

// Audit checks the conservation ledger: per vbucket, every event that was
// ever appended is in a record, in the tail of the log, or was pruned,
// deleted or set aside. It changes nothing.
func (c *Compactor) Audit(ctx context.Context) (Report, error) {
	var r Report
	for vb := range c.vbuckets() {
		one, err := c.audit(ctx, vb)
		if err != nil {
			return r, fmt.Errorf("audit vbucket %d: %w", vb, err)
		}
		r.VBuckets = append(r.VBuckets, one)
		for _, p := range one.Problems {
			c.o.Log.Error("the ledger does not add up", "vbucket", vb, "problem", p)
		}
	}
	return r, nil
}

// auditTries is how often an audit looks for an instant at which nobody
// compacts; after that it leaves the sums of the records unchecked.
const auditTries = 16

func (c *Compactor) audit(ctx context.Context, vb int) (r VBucketReport, err error) {
	r.VBucket = vb
	still := false
	for range auditTries {
		if r.Stats, err = c.st.Audit(ctx, vb); err != nil {
			return r, err
		}
		l, err := c.st.Load(ctx, vb, store.LoadRequest{Records: store.DirectoryOnly, MaxBytes: 1})
		if err != nil {
			return r, err
		}
		after, err := c.st.Stats(ctx, vb)
		if err != nil {
			return r, err
		}
		r.sum(l.Records)
		// A compaction in between shows in what is recorded or moved.
		a, b := r.Stats, after
		if still = a.Recorded == b.Recorded && a.Pruned == b.Pruned && a.Deleted == b.Deleted; still {
			break
		}
	}
	r.check(still)
	return r, nil
}

// sum adds up what the records say, and what their clients say.
func (r *VBucketReport) sum(records []store.Record) {
	r.Headers, r.Clients, r.Problems = 0, 0, nil
	for i := range records {
		rec := &records[i]
		var events uint64
		for j := range rec.Clients {
			events += rec.Clients[j].Events
		}
		r.Headers += rec.Events
		r.Clients += events
		if events != rec.Events {
			r.Problems = append(r.Problems, fmt.Sprintf("tab %q of Type %s has %d events, its clients have %d",
				rec.Tab.Name, rec.Tab.Type, rec.Events, events))
		}
	}
}

func (r *VBucketReport) check(still bool) {
	s := &r.Stats
	r.Difference = int64(s.Appended - (s.Recorded + s.Tail + s.Pruned + s.Deleted + s.SetAside))
	if r.Difference != 0 {
		r.Problems = append(r.Problems, fmt.Sprintf(
			"%d appended, but %d recorded + %d in the tail + %d pruned + %d deleted + %d set aside: a difference of %d",
			s.Appended, s.Recorded, s.Tail, s.Pruned, s.Deleted, s.SetAside, r.Difference))
	}
	if still && r.Headers != s.Recorded {
		r.Problems = append(r.Problems, fmt.Sprintf("the ledger has %d recorded, the records have %d", s.Recorded, r.Headers))
	}
}
