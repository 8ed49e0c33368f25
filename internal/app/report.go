package app

import (
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"time"

	"github.com/tabaproject/taba/internal/forward"
	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/query"
	"github.com/tabaproject/taba/internal/trail"
	"github.com/tabaproject/taba/internal/wire"
)

// A reporter tells an agent's servers of the agent, each of them: people may ask
// any.
type reporter struct {
	agent *agent
	http  *forward.HTTP
	deaf  map[string]time.Time // servers that do not know reports, until when they are left alone

	last  wire.AgentReport // that was told
	notes uint64           // in it
	at    time.Time
	took  time.Duration
}

// A report is due when something was refused, unless telling takes much of the
// time; now and then if anything else is new; and rarely if nothing is.
const (
	reportChanged = 10 * time.Second
	reportAlive   = time.Minute
	reportShare   = 50               // at most this part of the time is spent on reports
	reportTimeout = 5 * time.Second  // of one
	deafFor       = 10 * time.Minute // before a server is asked again whether it knows reports
)

func newReporter(a *agent) *reporter {
	return &reporter{
		agent: a, deaf: map[string]time.Time{},
		http: forward.NewHTTP(forward.HTTPOptions{Token: a.cfg.Token, Timeout: reportTimeout}),
	}
}

// run reports until ctx ends.
func (r *reporter) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if rep, notes, due := r.due(); due {
			r.tell(ctx, &rep)
			r.last, r.notes = rep, notes
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// due returns what there is to report, if something is.
func (r *reporter) due() (rep wire.AgentReport, notes uint64, due bool) {
	notes = r.agent.teller.trail.Notes()
	since := time.Since(r.at)
	switch {
	case r.at.IsZero(), since >= reportAlive:
	case since < reportShare*r.took:
		return rep, 0, false
	case notes != r.notes:
	case since < reportChanged:
		return rep, 0, false
	default:
		rep = r.agent.report()
		return rep, notes, !r.same(&rep)
	}
	return r.agent.report(), notes, true
}

// same reports whether nothing is new but how long something waits.
func (r *reporter) same(rep *wire.AgentReport) bool {
	a, b := *rep, r.last
	a.OldestMS, b.OldestMS, a.Traces, b.Traces = 0, 0, nil, nil
	return string(wire.AppendAgentReport(nil, &a)) == string(wire.AppendAgentReport(nil, &b))
}

// tell tells all servers. What one of them does not hear it is told the next time.
func (r *reporter) tell(ctx context.Context, rep *wire.AgentReport) {
	begun := time.Now()
	servers := r.agent.cfg.Servers
	if named(servers) {
		servers, _ = resolved(ctx, servers, net.DefaultResolver.LookupHost)
	}
	for _, server := range servers {
		if begun.Before(r.deaf[server]) {
			continue
		}
		err := r.http.Report(ctx, server, rep)
		var status *forward.StatusError
		if errors.As(err, &status) && status.Code == http.StatusNotFound {
			r.deaf[server] = begun.Add(deafFor)
		} else if err != nil {
			r.agent.opts.Logger.Debug("a server was not told of the agent", "server", server, "error", err)
		}
	}
	r.http.CloseIdle() // it would be kept for nothing
	r.at, r.took = time.Now(), time.Since(begun)
}

// report is what the agent tells of itself.
func (a *agent) report() wire.AgentReport {
	st := a.self()
	r := wire.AgentReport{
		Name: st.Name, Address: st.Address, Version: st.Version, Source: st.ID,
		SpoolBytes: uint64(st.SpoolBytes), SpoolQuota: uint64(st.SpoolQuota), OldestMS: uint64(st.Oldest * 1e3),
		BacklogBytes: uint64(st.BacklogBytes), BacklogEvents: st.BacklogEvents, Refused: st.Refused,
		Resent: st.Resent, ResentMS: uint64(st.ResentAt * 1e3), Restored: st.Restored,
		Lost: st.Lost, LostWhere: cutText(st.LostWhere), InDoubt: st.InDoubt, LossMS: uint64(st.LossAt * 1e3),
		DamagedRecords: st.Damaged, Quarantine: uint64(st.Quarantine),
		LastError: cutText(st.LastError),
	}
	for _, t := range a.teller.trail.All() {
		if len(r.Traces) == wire.MaxTraces {
			break
		}
		r.Traces = append(r.Traces, wire.AgentTrace{
			Kind: string(t.Kind), Door: t.Door, Reason: t.Reason, Name: t.Name, Length: uint64(t.Length), Type: t.Type, Client: t.Client,
			Sender: t.Sender, Detail: t.Detail, Events: t.Events, Times: t.Times, First: unixSeconds(t.First), Last: unixSeconds(t.Last),
		})
	}
	return r
}

// cutText is as much of a text as a report may have.
func cutText(s string) string {
	const most = 300
	return s[:min(len(s), most)]
}

// agentStates are the agents that have told of themselves.
func agentStates(seen []*ingest.AgentSeen) []query.AgentState {
	list := []query.AgentState{}
	for _, s := range seen {
		list = append(list, query.AgentState{
			ID: s.Source, Name: trail.Printable(s.Name), Address: trail.Printable(s.Address), Version: trail.Printable(s.Version), Seen: unixSeconds(s.At),
			SpoolBytes: int64(s.SpoolBytes), SpoolQuota: int64(s.SpoolQuota), Oldest: float64(s.OldestMS) / 1e3,
			BacklogBytes: int64(s.BacklogBytes), BacklogEvents: s.BacklogEvents, Refused: s.Refused,
			Resent: s.Resent, ResentAt: float64(s.ResentMS) / 1e3, Restored: s.Restored,
			Lost: s.Lost, LostWhere: trail.Printable(s.LostWhere), InDoubt: s.InDoubt, LossAt: float64(s.LossMS) / 1e3,
			Damaged: s.DamagedRecords, Quarantine: int64(min(s.Quarantine, math.MaxInt64)),
			LastError: trail.Printable(s.LastError),
		})
	}
	return list
}

// agentsOf returns what agents have told of names.
func agentsOf(a *ingest.Agents) func() []query.AgentTraces {
	return func() []query.AgentTraces {
		seen := a.Seen()
		states := agentStates(seen)
		list := make([]query.AgentTraces, len(seen))
		for i, s := range seen {
			list[i] = query.AgentTraces{AgentState: states[i], Traces: s.Traces()}
		}
		return list
	}
}
