package forward

import (
	"time"

	"github.com/tabaproject/taba/internal/spool"
)

// Status describes a Forwarder, for people and metrics.
type Status struct {
	Source        string // id in force; empty: none
	Sources       int    // not yet closed
	Server        string // that the next request goes to
	Servers       []ServerStatus
	Backlog       int // records not acknowledged by a server
	BacklogBytes  int64
	BacklogEvents uint64
	Oldest        time.Duration // age of the oldest unsealed record, from this process's start at most
	InFlight      int           // Batches sealed and not acknowledged
	InFlightBytes int64
	Held          int    // vbuckets that the store cannot commit to at the moment
	HeldEvents    uint64 // of BacklogEvents, those sealed for them
	Retained      int    // Batches acknowledged and kept
	RetainedBytes int64
	Counts        Counts
	Losses        Losses
	LostNow       uint64    // events of Losses, since the process began
	DoubtNow      uint64    // likewise
	LossAt        time.Time // one of them last grew; zero: not since the process began
	ResentAt      time.Time // a part was last sent again; zero: never

	// Errors are those of the last request of each kind, by kind; a kind whose
	// last request succeeded is absent.
	Errors      map[string]string
	LastError   string
	LastErrorAt time.Time

	Spool spool.Stats
}

// ServerStatus is how a server is sent to.
type ServerStatus struct {
	URL      string
	VBuckets int           // whose parts go to it
	Share    float64       // of what it would get if it were as good as others
	Away     time.Duration // for which it is left alone; 0: it is not
	Took     time.Duration // to answer a Batch, of late
}

// Status returns the present state.
func (f *Forwarder) Status() Status {
	st := Status{Spool: f.log.Stats(), Errors: make(map[string]string)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.m.describe(&st, f.now())
	st.Server = f.picker.servers[f.picker.current].url
	st.Servers = f.picker.describe(f.now())
	st.LossAt = f.lossAt
	if f.m.counts.Resent > 0 || f.m.counts.Restored > 0 {
		st.ResentAt = f.started.Add(f.m.resentAt)
	}
	for k, text := range f.trouble.now {
		st.Errors[k.String()] = text
	}
	st.LastError, st.LastErrorAt = f.trouble.last, f.trouble.at
	return st
}

// describe fills in what the machine knows.
func (m *Machine) describe(st *Status, now time.Duration) {
	st.Counts, st.Losses = m.counts, m.losses.clone()
	st.LostNow, st.DoubtNow = m.lostNow, m.doubtNow
	if m.inForce != nil {
		st.Source = m.inForce.ID.String()
	}
	for _, s := range m.sources {
		if !s.closed {
			st.Sources++
		}
		if !s.pending.empty() {
			st.Backlog += int(s.pending.count.Records)
			st.BacklogBytes += int64(s.pending.count.Bytes)
			st.BacklogEvents += s.pending.count.Events
			st.Oldest = max(st.Oldest, now-s.pending.since)
		}
		for _, b := range s.batches {
			if b.acked {
				st.Retained++
				st.RetainedBytes += b.bytes
				continue
			}
			st.Backlog += b.records
			st.InFlight++
			st.InFlightBytes += b.bytes
			for i := range b.parts {
				p := &b.parts[i]
				if p.acked {
					continue
				}
				st.BacklogEvents += p.events
				if m.holds[p.vb] != nil {
					st.HeldEvents += p.events
				}
			}
		}
	}
	st.BacklogBytes += st.InFlightBytes
	for _, h := range m.holds {
		if h.failures > 0 {
			st.Held++
		}
	}
}

// Idle reports whether everything held was acknowledged.
func (m *Machine) Idle() bool {
	for _, s := range m.sources {
		if s.dropped || s.exclusive || s.unacked() || !s.pending.empty() {
			return false
		}
	}
	return len(m.writes) == 0
}

// trouble is what went wrong.
type trouble struct {
	now  map[Kind]string // by kind of request, until one succeeds
	last string
	at   time.Time
}

// note remembers an error; repeated: it was the last one too.
func (t *trouble) note(text string, at time.Time) (repeated bool) {
	repeated = text == t.last
	t.last, t.at = text, at
	return repeated
}

// hit remembers the error of a request and reports whether it is news.
func (t *trouble) hit(k Kind, text string, at time.Time) (news bool) {
	if t.now == nil {
		t.now = make(map[Kind]string)
	}
	news = t.now[k] != text
	t.now[k], t.last, t.at = text, text, at
	return news
}

func (t *trouble) over(k Kind) { delete(t.now, k) }
