package bench

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/tabaproject/taba/internal/wait"
)

// Progress is how far a Run is.
type Progress struct {
	Elapsed time.Duration // of the time that is measured
	Events  uint64        // sent since it began
	Taken   uint64        // acknowledged since it began; 0 if the protocol does not tell
}

// Run offers the load for d, and a while before that so that everything is
// warm, and reports what it cost. look, if it is not nil, is called now and
// then.
func Run(ctx context.Context, o Options, d time.Duration, look func(Progress)) (*Report, error) {
	to, err := newTarget(ctx, o)
	if err != nil {
		return nil, err
	}
	defer to.close()
	return measure(ctx, o, to, d, look)
}

// measure is Run with processes that are there.
func measure(ctx context.Context, o Options, to *target, d time.Duration, look func(Progress)) (*Report, error) {
	g, err := newGenerator(o.Load, to)
	if err != nil {
		return nil, err
	}
	r := &run{to: to, tally: newTally(), look: look}
	if r.before, err = Calibrate(ctx, to.dir); err != nil {
		return nil, err
	}
	if r.base, err = to.counters(ctx); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	r.ended = make(chan error, 1)
	go func() { r.ended <- r.offer(running, g, o.Beside) }()
	err = r.window(ctx, d)
	stop()
	if err = errors.Join(err, <-r.ended); err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	if err := r.settle(ctx, o.Protocol); err != nil {
		return nil, err
	}
	if r.after, err = Calibrate(ctx, to.dir); err != nil {
		return nil, err
	}
	return r.report(o), nil
}

// offer runs the generator, and what is to run beside it.
func (r *run) offer(ctx context.Context, g generator, beside func(context.Context, *Process) error) error {
	if beside == nil {
		return g.run(ctx, r.tally)
	}
	return each(ctx, 2, func(ctx context.Context, i int) error {
		if i == 0 {
			return g.run(ctx, r.tally)
		}
		return beside(ctx, r.to.server)
	})
}

// run is one measurement.
type run struct {
	to            *target
	tally         *tally
	look          func(Progress)
	ended         chan error // of the generator
	before, after Calibration

	base, begin, end, last map[string]Counters // at first, of the window, when all has settled
	took                   time.Duration
	sent, acked, bytes     uint64 // in the window
}

// window lets the load run until everything is warm, and then for d.
func (r *run) window(ctx context.Context, d time.Duration) error {
	const longest = 2 * time.Second
	if err := r.wait(ctx, min(d/4, longest), nil); err != nil {
		return err
	}
	r.tally.ack.reset()
	var err error
	if r.begin, err = r.to.counters(ctx); err != nil {
		return err
	}
	r.sent, r.acked, r.bytes = r.tally.sent.Load(), r.tally.acked.Load(), r.tally.bytes.Load()
	start := time.Now()
	if err := r.wait(ctx, d, r.look); err != nil {
		return err
	}
	r.end, err = r.to.counters(ctx)
	r.took = time.Since(start)
	r.sent, r.acked, r.bytes = r.tally.sent.Load()-r.sent, r.tally.acked.Load()-r.acked, r.tally.bytes.Load()-r.bytes
	return err
}

// wait waits for d, unless the load ends.
func (r *run) wait(ctx context.Context, d time.Duration, look func(Progress)) error {
	start, sent, acked := time.Now(), r.tally.sent.Load(), r.tally.acked.Load()
	end := time.After(d)
	const refresh = 100 * time.Millisecond
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case err := <-r.ended:
			r.ended <- nil
			return errors.Join(err, errors.New("the load ended early"))
		case <-tick.C:
			if look != nil {
				look(Progress{time.Since(start), r.tally.sent.Load() - sent, r.tally.acked.Load() - acked})
			}
		}
	}
}

// settle waits until what was sent is counted as far as it ever will be.
func (r *run) settle(ctx context.Context, protocol string) (err error) {
	const patience = 2 * time.Minute
	const every = 200 * time.Millisecond
	count := metricEvents
	if protocol == Statsd {
		count = metricLines
	}
	still, last := 0, -1.0
	for end := time.Now().Add(patience); still < 5 && time.Now().Before(end); still++ {
		if r.last, err = r.to.counters(ctx); err != nil {
			return err
		}
		n := r.counted(count, r.last)
		if want := r.tally.acked.Load(); want > 0 && n >= float64(want) {
			return nil
		}
		if n != last {
			still, last = 0, n
		}
		if err := wait.For(ctx, every); err != nil {
			return err
		}
	}
	return nil
}

// counted is how much more the last process has counted than at first.
func (r *run) counted(name string, now map[string]Counters) float64 {
	n := 0.0
	for side, c := range now {
		if side != "sender" {
			n = max(n, c[name]-r.base[side][name])
		}
	}
	return n
}

// counters asks every side.
func (t *target) counters(ctx context.Context) (map[string]Counters, error) {
	all := map[string]Counters{}
	for name, p := range t.sides() {
		c, err := p.Counters(ctx)
		if err != nil {
			return nil, err
		}
		all[name] = c
	}
	all["sender"] = own()
	return all, nil
}

func (r *run) report(o Options) *Report {
	rep := &Report{
		Load: o.Load, Seconds: Number(r.took.Seconds()), Sent: r.sent, Refused: r.tally.refused.Load(),
		Ack: r.tally.ack.read(), Calibration: [2]Calibration{r.before, r.after}, private: o.Server == "" && o.Agent == "",
	}
	rep.Taken = r.acked
	if o.Protocol == Statsd {
		rep.Taken = uint64(r.delta(r.doorName(), metricLines))
		rep.Missing = float64(r.tally.sent.Load()) - r.counted(metricLines, r.last)
	} else if r.to.server != nil {
		rep.Missing = float64(r.tally.acked.Load()) - r.counted(metricEvents, r.last)
	}
	rep.PerSecond = Number(float64(rep.Taken) / r.took.Seconds())
	rep.BytesPerEvent = ratio(float64(r.bytes), float64(r.sent))
	for _, name := range []string{"sender", "agent", "server"} {
		if r.end[name] != nil {
			rep.Sides = append(rep.Sides, r.side(name, rep))
		}
	}
	return rep
}

func (r *run) doorName() string {
	if r.to.agent != nil {
		return "agent"
	}
	return "server"
}

func (r *run) delta(side, metric string) float64 { return r.end[side][metric] - r.begin[side][metric] }

// side is what a process paid. What a server pays is for the events that it
// has appended; they may be of others too.
func (r *run) side(name string, rep *Report) Side {
	d := r.end[name].since(r.begin[name])
	events := float64(rep.Taken)
	if name == "server" && rep.Load.Protocol != Statsd {
		events = d[metricEvents]
	}
	seconds := r.took.Seconds()
	s := Side{
		Name: name, Events: Number(events),
		CPU: ratio(d[metricCPU]*1e9, events), Cores: Number(d[metricCPU] / seconds),
		Allocs: d.per(metricAllocs, events), Mutex: d.per(metricMutex, events) * 1e9,
		Switches: d.per(metricSwitches, events) * 1000,
		Syscalls: (d.per(metricReads, events) + d.per(metricWrites, events)) * 1000,
		Copies:   Number(math.NaN()),
		Memory:   Number(r.end[name][metricRSS] / 1e6), Peak: Number(r.end[name][metricPeak] / 1e6),
	}
	if all := r.last[name].since(r.base[name]); all[metricCopied] > 0 {
		s.Copies = ratio(all[metricCopied], all[metricReceived]) // of the whole run: they are counted at different times
	}
	if name == "server" {
		rep.Commits = d.per(metricCommits, seconds)
		rep.LogMB, rep.RecordMB = Number(r.end[name][metricLog]/1e6), Number(r.end[name][metricRecords]/1e6)
	}
	return s
}

// per divides what was counted; NaN stands for what is not told.
func (c Counters) per(name string, n float64) Number {
	v, told := c[name]
	if !told {
		return Number(math.NaN())
	}
	return ratio(v, n)
}

func ratio(a, b float64) Number {
	if b == 0 {
		return Number(math.NaN())
	}
	return Number(a / b)
}
