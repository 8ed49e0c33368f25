package app

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/tabaproject/taba/internal/forward"
	"github.com/tabaproject/taba/internal/query"
	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/view"
)

// losses says what an agent cannot vouch for, since it began: for people, who
// restart it when they have seen to it.
func losses(st *forward.Status) (list []query.Reason) {
	say := func(code, format string, args ...any) {
		list = append(list, query.Reason{Code: code, What: fmt.Sprintf(format, args...)})
	}
	if n := st.LostNow; n > 0 {
		say("lost", "%s lost for certain, of %s: a server had acknowledged them, the store lost them, and the agent no longer held them; raise retain_for and retain_bytes, or have the store wait for its replicas",
			events(n, "is", "are"), where(&st.Losses))
	}
	if n := st.DoubtNow; n > 0 {
		say("in_doubt", "%s in doubt: they may be counted or not, and are not sent; the process's log says why", events(n, "is", "are"))
	} else if st.Counts.Quarantined > 0 {
		say("quarantine", "%d sources were given up that held nothing; the process's log says why", st.Counts.Quarantined)
	}
	if n := damaged(&st.Spool); n > 0 {
		say("damage", "%d records of the spool are damaged, in %d places: how many events they held cannot be read; see the process's log", n, len(st.Spool.Damaged))
	}
	return list
}

func events(n uint64, one, more string) string {
	if n == 1 {
		return "1 event " + one
	}
	return fmt.Sprint(n) + " events " + more
}

// where names the vbuckets that lost something, nothing if none did.
func where(l *forward.Losses) string {
	if vbs := l.VBuckets(); len(vbs) > 0 {
		return (&view.UnreadError{VBuckets: vbs}).Which()
	}
	return ""
}

// damaged is how many records of the spool were acknowledged, or are the
// forwarder's own, and cannot be read.
func damaged(st *spool.Stats) (n uint64) {
	for _, d := range st.Damaged {
		if d.Last >= d.First {
			n += d.Last - d.First + 1
		}
	}
	return n
}

// sinceUnix is a time in UTC seconds, 0 if it never was.
func sinceUnix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return unixSeconds(t)
}

// delivered tells what agents had to send again, and what they or servers lost.
func (s *server) delivered(st *query.Status) {
	d := &st.Delivery
	d.Sum(st.Agents)
	if s.shared() {
		for _, o := range s.servers() {
			d.PostedLost += o.Sent.Lost
		}
	} else {
		d.PostedLost = s.committer.Tally().LostEvents
	}
	notice := func(code, format string, args ...any) {
		st.Health.Notices = append(st.Health.Notices, query.Reason{Code: code, What: fmt.Sprintf(format, args...)})
	}
	if d.PostedLost > 0 {
		notice("posted_lost", "%s lost that were posted to servers and that nobody holds any more", events(d.PostedLost, "is", "are"))
	}
	var list []string
	for i := range st.Agents {
		if a := &st.Agents[i]; a.LossAt > 0 {
			list = append(list, fmt.Sprintf("%s at %s (%d lost%s, %d in doubt)", a.Name, a.Address, a.Lost, in(a.LostWhere), a.InDoubt))
		}
	}
	if list != nil {
		notice("agents_lost", "answers lack what agents lost or have in doubt: %s; taba status --server http://ADDRESS says why", strings.Join(list, "; "))
	}
}

func in(where string) string {
	if where == "" {
		return ""
	}
	return " in " + where
}

// writeLosses writes metrics of what the agent cannot vouch for.
func writeLosses(w io.Writer, st *forward.Status) {
	counter := func(name string, v uint64) { metrics.WriteCounterUint64(w, name, v) }
	counter("taba_agent_restored_events_total", st.Counts.Restored)
	counter("taba_agent_lost_events_total", st.Losses.Total())
	for _, vb := range st.Losses.VBuckets() {
		counter(fmt.Sprintf("taba_agent_lost_vbucket_events_total{vbucket=\"%d\"}", vb), st.Losses.Lost[vb])
	}
	counter("taba_agent_in_doubt_events_total", st.Losses.InDoubt)
	metrics.WriteGaugeUint64(w, "taba_spool_damaged_records", damaged(&st.Spool))
}
