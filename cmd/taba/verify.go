package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/verify"
)

// verifying is the flags of taba verify.
type verifying struct {
	ask
	agents  []string
	direct  bool
	keep    bool
	events  count
	writers int
	perPost int
	settle  time.Duration

	chaos    bool
	duration time.Duration
	members  int
	seed     uint64
}

func newVerify() *cobra.Command {
	v := &verifying{events: 1_000_000}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove that every acknowledged event is counted exactly once",
		Long: `Send numbered events, read them back and say of each one how often it was
counted. They go to the server, or through agents if --agent names any, under
names that only this run uses; those are deleted again if all is well and the
token allows it.

With --chaos the same is done on a private cluster of real processes, one
server and several agents, that are killed with kill -9 and stopped with
SIGSTOP all the while. It touches nothing else and needs no server to run.

The exit code is 0 if no event is missing, counted twice or wrong in an answer,
1 otherwise, and 4 if a process cannot be reached.`,
		Example: `  taba verify --events 1e7
  taba verify --server http://taba-1:8300 --agent http://127.0.0.1:8279
  taba verify --chaos --for 60s`,
		Args: cobra.NoArgs,
	}
	v.bindServer(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&v.agents, "agent", envAgents(), "`URLs` of agents to send through (TABA_AGENT)")
	f.BoolVar(&v.direct, "direct", false, "send to the server too when there are agents")
	f.Var(&v.events, "events", "how many events to send, such as 1000000 or 1e6")
	f.IntVar(&v.writers, "writers", 8, "concurrent senders to each agent or server")
	f.IntVar(&v.perPost, "per-post", 100, "events in a post, each of them in a tab of its own")
	f.DurationVar(&v.settle, "settle", time.Minute, "longest `time` for acknowledged events to be counted")
	f.BoolVar(&v.keep, "keep", false, "do not delete the tabs in the end")
	f.BoolVar(&v.chaos, "chaos", false, "run a private cluster and keep killing its processes")
	f.DurationVar(&v.duration, "for", time.Minute, "of --chaos: how `long` the cluster is mistreated")
	f.IntVar(&v.members, "agents", 3, "of --chaos: how many agents the cluster has")
	f.Uint64Var(&v.seed, "seed", 0, "of --chaos: seed of the choice of faults; 0: a new one")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := v.check(cmd); err != nil {
			return &usageError{err}
		}
		if v.chaos {
			return v.runChaos(cmd)
		}
		return v.run(cmd)
	}
	return cmd
}

func (v *verifying) check(cmd *cobra.Command) error {
	others, does := []string{"for", "agents", "seed"}, "goes"
	if v.chaos {
		others, does = []string{"server", "agent", "direct", "events", "keep", "settle", "token", "timeout"}, "does not go"
	}
	for _, name := range others {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s %s with --chaos", name, does)
		}
	}
	if v.writers < 1 || v.writers > 1000 || v.perPost < 1 || v.perPost > 1000 {
		return errors.New("--writers and --per-post must be from 1 to 1000")
	}
	if v.chaos && (v.members < 1 || v.members > 20) {
		return errors.New("--agents must be from 1 to 20")
	}
	return nil
}

// run verifies processes that run already.
func (v *verifying) run(cmd *cobra.Command) error {
	out := v.out(cmd)
	s, err := verify.New(cmd.Context(), verify.Options{
		Server: v.server, Agents: v.agents, Direct: v.direct, Token: v.ask.client().Token,
		Writers: v.writers, PerPost: v.perPost, Timeout: v.timeout, Settle: v.settle,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	_, _ = fmt.Fprintf(out.W, "%s events, %d in a post, to %s; read from %s.\n\n",
		cli.Group(v.events.String()), v.perPost, v.receivers(), v.server)

	screen := newVerifyScreen(out)
	stop := screen.events(s, uint64(v.events))
	failed := s.Send(cmd.Context(), uint64(v.events))
	stop()
	if failed != nil && s.Progress().Acknowledged == 0 {
		return failed
	}
	// An interrupt ends the sending; what was sent is still looked at.
	ctx := context.WithoutCancel(cmd.Context())
	stop = screen.waiting(s)
	report, err := s.ReadBack(ctx)
	stop()
	if err != nil {
		return errors.Join(failed, err)
	}
	if cmd.Context().Err() != nil {
		_, _ = fmt.Fprintf(out.W, "Interrupted: %s of %s events were sent.\n\n", number(report.Total().Sent), number(uint64(v.events)))
	}
	_, _ = fmt.Fprint(out.W, report.Text(out))
	if failed != nil {
		return fmt.Errorf("not all events could be sent: %w", failed)
	}
	if !report.OK() {
		return errSaid
	}
	v.forget(ctx, s, out)
	return nil
}

// forget deletes what the run left behind, or says what that is.
func (v *verifying) forget(ctx context.Context, s *verify.Session, out cli.Output) {
	if !v.keep && s.Forget(ctx) == nil {
		return
	}
	_, _ = fmt.Fprintf(out.W, "The events are kept: taba projection --re '%s'\n", s.Tabs())
}

func (v *verifying) receivers() string {
	list := v.agents
	if v.direct || len(list) == 0 {
		list = append(list[:len(list):len(list)], v.server)
	}
	return strings.Join(list, ", ")
}

// count is a number of events; 1e7 is one too.
type count uint64

func (c *count) String() string { return strconv.FormatUint(uint64(*c), 10) }
func (c *count) Type() string   { return "number" }

func (c *count) Set(text string) error {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 1 || n > 1e12 || n != math.Trunc(n) {
		return errors.New("must be a whole number from 1 to 1e12")
	}
	*c = count(n)
	return nil
}

// envAgents are the agents that TABA_AGENT names.
func envAgents() []string {
	if v := os.Getenv("TABA_AGENT"); v != "" {
		return strings.Split(v, ",")
	}
	return nil
}
