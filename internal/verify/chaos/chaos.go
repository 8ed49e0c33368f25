package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tabaproject/taba/internal/verify"
)

// Options are the settings of Run.
type Options struct {
	Binary  string                                   // of taba
	Agents  int                                      // how many
	For     time.Duration                            // how long the cluster is mistreated
	Writers int                                      // to each process
	PerPost int                                      // events in a post
	Seed    uint64                                   // of the choice of faults and their lengths
	Say     func(string)                             // is told what happens, a line at a time, by one goroutine at a time
	Sending func(s *verify.Session, begun time.Time) // is told when events begin to be sent
	Sent    func()                                   // and when no more are
}

// Result is what came of a run.
type Result struct {
	*verify.Report
	Faults Faults
}

// The limits of a Session on a cluster that is mistreated. A request must
// outlast a process that is stopped, now and then, and give up on another.
const (
	requestTimeout = 1500 * time.Millisecond
	settle         = 45 * time.Second
)

// Run starts a cluster and mistreats it while a verify.Session sends to every
// agent and to the server. At the end everything is killed at once and started
// again, and what the server then answers is compared. If anything is wrong
// the logs and data are kept, and Say is told where.
func Run(ctx context.Context, o Options) (result *Result, err error) {
	c, err := startCluster(ctx, o.Binary, o.Agents)
	if err != nil {
		return nil, err
	}
	defer func() {
		good := err == nil && result.OK()
		if !good {
			o.Say("logs and data are kept in " + c.dir)
		}
		err = errors.Join(err, c.close(good))
	}()
	var urls []string
	for _, a := range c.agents {
		urls = append(urls, a.url)
	}
	s, err := verify.New(ctx, verify.Options{
		Server: c.server.url, Agents: urls, Direct: true,
		Writers: o.Writers, PerPost: o.PerPost, Timeout: requestTimeout, Settle: settle,
	})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	faults, err := o.mistreat(ctx, c, s)
	if err != nil {
		return nil, err
	}
	// From here on an interrupt has been heeded: no more faults, but the result.
	r, err := o.conclude(context.WithoutCancel(ctx), c, s)
	if err != nil {
		return nil, err
	}
	return &Result{r, faults}, nil
}

// mistreat sends under faults until the time is up or ctx ends.
func (o Options) mistreat(ctx context.Context, c *cluster, s *verify.Session) (Faults, error) {
	ctx, cancel := context.WithTimeout(ctx, o.For)
	defer cancel()
	sent := make(chan error, 1)
	begun := time.Now()
	go func() {
		err := s.Send(ctx, 0)
		cancel()
		sent <- err
	}()
	o.Sending(s, begun)
	defer o.Sent()
	t := &tormentor{cluster: c, random: rand.New(rand.NewPCG(o.Seed, 0)), say: o.Say, begun: begun}
	faults, err := t.run(ctx)
	cancel()
	return faults, errors.Join(err, <-sent)
}

// conclude reads back, kills everything, and reads back again.
func (o Options) conclude(ctx context.Context, c *cluster, s *verify.Session) (*verify.Report, error) {
	o.Say("         waiting until everything acknowledged is counted")
	before, err := s.ReadBack(ctx)
	if err != nil {
		return nil, err
	}
	o.Say("         kill -9 of all processes at once, and reading everything again")
	if err := c.restart(ctx); err != nil {
		return nil, err
	}
	after, err := s.ReadBack(ctx)
	if err != nil {
		return nil, err
	}
	if b, a := before.Total(), after.Total(); !a.Keeps(b) {
		return nil, fmt.Errorf("answers changed by kill -9: %d events were counted before and %d after it", b.Counted, a.Counted)
	}
	return after, c.audit(ctx)
}
