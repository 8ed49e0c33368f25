package sim

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tabaproject/taba/internal/commit"
	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/forward"
	"github.com/tabaproject/taba/internal/spool"
	"github.com/tabaproject/taba/internal/store"
)

// agent is a machine with a spool, and the process that runs on it.
type agent struct {
	w      *World
	name   string
	disk   *disk
	life   int // of the process
	step   *forward.Stepper
	commit *commit.Agent
	courier
	met    bool     // it has sent something under an id, which is on its disk
	own    []uint32 // events acknowledged on this disk
	tried  []uint32 // events that may be on it
	unsure int      // of tried, those of ids whose end the store may have forgotten
	backup *backup
}

func (a *agent) title() string { return a.name }
func (a *agent) era() int      { return a.life }

func (a *agent) hear(q *forward.Request, r *forward.Reply) { a.step.Answer(q, *r) }

func (w *World) startAgent(name string, on *machine) *agent {
	a := &agent{w: w, name: name}
	a.start(on)
	w.agents = append(w.agents, a)
	return a
}

// start begins a new life of the process.
func (a *agent) start(on *machine) {
	w := a.w
	a.life++
	if a.disk != nil {
		w.tally[nDiskErrors] += a.disk.failures()
	}
	a.disk = newDisk(on, w.rng)
	a.courier = w.courier(a)
	w.bug.onDisk(a.disk, true)
	var err error
	a.step, err = forward.OpenStepper(a.disk, "spool", spool.Options{SegmentBytes: 3000, QuotaBytes: w.mix.Quota}, forward.Options{
		Servers: []string{"server 0", "server 1"}, Fold: fold.NewMerger(registry), BatchBytes: 2000,
		BackoffMin: 50 * time.Millisecond, BackoffMax: time.Second,
		Config: forward.Config{Retain: w.retain, RetainBytes: w.mix.RetainBytes},
	}, func() time.Duration { return w.now })
	if err != nil {
		w.fail(fmt.Errorf("%s cannot open its spool: %w", a.name, err))
		return
	}
	if d := a.step.Status().Spool.Damaged; len(d) > 0 {
		w.fail(fmt.Errorf("%s takes what a crash left for damage: %+v", a.name, d))
	}
	a.commit = commit.NewAgent(a.step, registry, nil)
	a.disk.fail(w.mix.AgentDisk)
}

// post takes events of an application.
func (a *agent) post() {
	acc, list := a.w.events(a.name)
	err := a.commit.Commit(context.Background(), acc, nil)
	a.tried = append(a.tried, list...)
	a.w.say("%s is posted events %v: %s", a.name, list, outcome(err))
	if err == nil {
		a.w.book.each(list, func(f *fate) { f.a1 = true })
		a.own = append(a.own, list...)
	}
}

// outcome says what became of something. Numbers of Pebble's files, and which
// of them failed first, are left out: its goroutines decide that.
func outcome(err error) string {
	if err == nil {
		return "acknowledged"
	}
	text, _, _ := strings.Cut(err.Error(), ": the disk that holds store")
	return "refused, " + text
}

// work lets the process do one thing.
func (a *agent) work() (worked bool) {
	q, worked := a.step.Step()
	if q == nil {
		return worked
	}
	a.met = a.met || q.Send != nil
	if q.Send != nil {
		a.w.sent = append(a.w.sent, q.Send.Parts...)
	}
	a.w.say("%s sends %v to %s", a.name, inWords{q}, q.Server)
	a.w.net = append(a.w.net, &parcel{from: a, life: a.life, q: q})
	return true
}

// rise starts the process again if it has stopped.
func (a *agent) rise() bool {
	on := a.disk.stopped()
	if on == nil {
		return false
	}
	a.w.say("%s %s and starts again", a.name, a.w.stopped(a.disk.power))
	a.start(on)
	return true
}

// quarantined notes which events are in quarantine. A segment whose head was
// never synced looks like damage, and its bytes are kept there as well: what they
// hold was never promised, or stands elsewhere too, so it must not be missing.
func (a *agent) quarantined() (n int) {
	names, err := a.disk.mem.List("spool/quarantine")
	must(err)
	var all strings.Builder
	for _, name := range names {
		if tornSegment.MatchString(name) {
			continue
		}
		data, err := a.disk.mem.UnsafeGetFileDataBuffer("spool/quarantine/" + name)
		must(err)
		all.Write(data)
	}
	text := all.String()
	if text == "" {
		return 0
	}
	for id := range a.w.book.fates {
		if id > 0 && strings.Contains(text, token(uint32(id))) {
			a.w.book.fates[id].held = true
			n++
		}
	}
	return n
}

// tornSegment is how the spool names those in its quarantine.
var tornSegment = regexp.MustCompile(`^[0-9a-f]{16}\.seg$`)

// told notes what a reply acknowledges: from then on every read shows it.
func (w *World) told(q *forward.Request, r *forward.Reply) {
	if q.Close != nil && r.Err == nil {
		w.toldAtEnd(q.Close.Source, r.Close.Heads)
	}
	if q.Send == nil || r.Err != nil {
		return
	}
	for i, res := range r.Send.Results {
		if res.Err != nil || i >= len(q.Send.Parts) {
			continue
		}
		p := &q.Send.Parts[i]
		applied := (res.Verdict == store.Applied || res.Verdict == store.Duplicate) && res.Head == (store.Head{Seq: p.Seq, Chain: p.Chain})
		w.book.each(idsIn(p.Body), func(f *fate) {
			f.told = f.told || res.Head.Seq >= p.Seq
			f.a2 = f.a2 || applied && w.book.strict
		})
	}
}

// toldAtEnd notes what the end of an id tells: all that was applied under it.
func (w *World) toldAtEnd(id store.SourceID, heads []store.SourceHead) {
	for _, h := range heads {
		for i := range w.sent {
			if p := &w.sent[i]; p.Source == id && p.VB == h.VB && p.Seq <= h.Head.Seq {
				w.book.each(idsIn(p.Body), func(f *fate) { f.told = true })
			}
		}
	}
}

// excuseTold excuses what senders were told is applied, or are about to be
// told: they need not hold it any more.
func (w *World) excuseTold() {
	for _, p := range w.net {
		if p.reply == nil {
			continue
		}
		w.told(p.q, p.reply)
		if c, ok := p.from.(*client); ok && p.life == c.life {
			c.told(p.q, p.reply)
		}
	}
	for i := range w.book.fates {
		f := &w.book.fates[i]
		f.excused = f.excused || f.told
	}
}

// idsIn is the events in a body.
func idsIn(body []byte) (list []uint32) {
	r := store.NewBodyReader(body)
	for r.NextTab() {
		for r.NextPartial() {
			var s ids
			must(s.Decode(r.Partial.State))
			list = append(list, s.sorted...)
		}
	}
	slices.Sort(list)
	return list
}

// inWords says what a request is.
type inWords struct{ *forward.Request }

// String implements fmt.Stringer.
func (q inWords) String() string {
	switch {
	case q.Open != nil:
		return "a request for an id"
	case q.Close != nil:
		return fmt.Sprintf("the end of source %.12s", q.Close.Source)
	case q.Heads != nil:
		return fmt.Sprintf("a question for the heads of source %.12s", q.Heads.Source)
	}
	var s []string
	for _, p := range q.Send.Parts {
		s = append(s, fmt.Sprintf("part %d of vbucket %d with events %v", p.Seq, p.VB, idsIn(p.Body)))
	}
	return strings.Join(s, ", ")
}

// verdicts says in words what a reply is.
type verdicts struct{ *forward.Reply }

// String implements fmt.Stringer.
func (r verdicts) String() string {
	if r.Err != nil {
		return r.Err.Error()
	}
	var s []string
	for _, res := range r.Send.Results {
		if res.Err != nil {
			s = append(s, "not known")
			continue
		}
		s = append(s, fmt.Sprintf("%v at %d", res.Verdict, res.Head.Seq))
	}
	if s == nil {
		return "done"
	}
	return strings.Join(s, ", ")
}
