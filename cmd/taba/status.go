package main

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
)

func newStatus() *cobra.Command {
	a := &ask{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how a server or agent is",
		Long: `Show how a server or agent is: its health, what comes in and what is refused,
the agents that report to it, and what an event costs. Exits with 0 if it is ok,
and with 3 if it is partial (something is missing from answers, or is not taken)
or draining (it is stopping). With --alive it says only whether the process answers,
for whoever would start it anew if it did not.`,
		Example: `  taba status
  taba status --server http://127.0.0.1:8279
  taba status -o json`,
		Args: cobra.NoArgs,
	}
	a.bindServer(cmd)
	a.bindOutput(cmd)
	alive := cmd.Flags().Bool("alive", false, "say only whether it answers")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *alive {
			return a.alive(cmd)
		}
		return a.told(cmd, func(s *cli.Status, body []byte) error {
			switch out := a.out(cmd); a.output.value {
			case cli.JSON:
				return out.JSON(body)
			case cli.CSV:
				return out.StatusCSV(a.server, s)
			default:
				return out.Status(a.server, s)
			}
		})
	}
	return cmd
}

// alive asks whether a process answers, which needs no token.
func (a *ask) alive(cmd *cobra.Command) error {
	body, err := a.client().Get(cmd.Context(), "/healthz", cli.Query{}, "text/plain")
	if err != nil {
		return err
	}
	_, err = a.out(cmd).W.Write(body)
	return err
}

func newLatency() *cobra.Command {
	a := &ask{}
	cmd := &cobra.Command{
		Use:   "latency",
		Short: "Show how long requests, commits and queries took of late",
		Long: `Show how long the stages of work of a server or agent took of late: ingest is a
request with events, from its header to its answer; commit is until they are
durable and visible; query is a question.`,
		Example: `  taba latency
  taba latency --server http://127.0.0.1:8279 -o csv`,
		Args: cobra.NoArgs,
	}
	a.bindServer(cmd)
	a.bindOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.told(cmd, func(s *cli.Status, _ []byte) error {
			switch out := a.out(cmd); a.output.value {
			case cli.JSON:
				return latencyJSON(out, s)
			case cli.CSV:
				return out.LatenciesCSV(s)
			default:
				return out.Latencies(s)
			}
		})
	}
	return cmd
}

func latencyJSON(out cli.Output, s *cli.Status) error {
	list := map[string]map[string]float64{}
	for _, l := range s.Latency {
		list[l.Stage] = map[string]float64{"count": float64(l.Count), "p50_ms": l.P50, "p90_ms": l.P90, "p99_ms": l.P99, "max_ms": l.Max}
	}
	body, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return out.JSON(body)
}

// told asks how a process is and shows it. That it is not ok is an error.
func (a *ask) told(cmd *cobra.Command, show func(*cli.Status, []byte) error) error {
	s, body, err := a.client().Status(cmd.Context())
	if err != nil {
		return err
	}
	if err := show(s, body); err != nil {
		return err
	}
	return s.Lacks()
}
