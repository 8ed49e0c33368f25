package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/verify"
	"github.com/tabaproject/taba/internal/verify/chaos"
)

// runChaos verifies a cluster of its own.
func (v *verifying) runChaos(cmd *cobra.Command) error {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program to start: %w", err)
	}
	if v.seed == 0 {
		v.seed = rand.Uint64N(1_000_000) + 1
	}
	out := v.out(cmd)
	_, _ = fmt.Fprintf(out.W, `A private cluster: 1 server and %d agents, real processes of this program.
%d writers post to each of them, %d events a post; processes are killed and
stopped in turn for %s. The choice of faults has the seed %d.

`, v.members, v.writers, v.perPost, v.duration, v.seed)

	screen := newVerifyScreen(out)
	stop := func() {}
	result, err := chaos.Run(cmd.Context(), chaos.Options{
		Binary: binary, Agents: v.members, For: v.duration,
		Writers: v.writers, PerPost: v.perPost, Seed: v.seed, Say: screen.say,
		Sending: func(s *verify.Session, begun time.Time) { stop = screen.duration(s, begun, v.duration) },
		Sent:    func() { stop() },
	})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out.W, "\n%s", result.Text(out))
	_, _ = fmt.Fprintf(out.W, "      under %d kill -9 and %d SIGSTOP, and a last kill -9 of everything before the events were read.\n",
		result.Faults.Kills, result.Faults.Stops)
	if !result.OK() {
		_, _ = fmt.Fprintf(out.W, "      The same faults again: taba verify --chaos --for %s --agents %s --seed %d\n", v.duration, strconv.Itoa(v.members), v.seed)
		return errSaid
	}
	return nil
}
