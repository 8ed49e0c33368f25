package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/cli"
)

func newStatus() *cobra.Command {
	a := &ask{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how a server or agent is",
		Long: `Show how a server or agent is. Exits with 0 only if it is ready: it takes
events in and answers.`,
		Example: `  taba status
  taba status --server http://127.0.0.1:8279`,
		Args: cobra.NoArgs,
	}
	a.bindServer(cmd)
	a.bindOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := a.status(cmd)
		if err != nil {
			return err
		}
		if err := a.showStatus(cmd, s); err != nil {
			return err
		}
		if !s.Ready {
			return fmt.Errorf("%s is not ready: %s", a.server, s.Reason)
		}
		return nil
	}
	return cmd
}

// status is what a process says of itself.
type status struct {
	URL     string   `json:"url"`
	Kind    string   `json:"kind"` // server or agent
	Version string   `json:"version"`
	Ready   bool     `json:"ready"`
	Reason  string   `json:"reason,omitempty"` // why it is not ready
	Name    string   `json:"name,omitempty"`
	Roles   []string `json:"roles,omitempty"`
	Tabs    int      `json:"tabs"`
	Clients int      `json:"clients"`
	// Latency is the median seconds from receipt to visibility.
	Latency float64 `json:"latency_seconds"`
	Text    string  `json:"text,omitempty"` // an agent's own words
}

func (a *ask) status(cmd *cobra.Command) (*status, error) {
	c, ctx := a.client(), cmd.Context()
	s := &status{URL: a.server, Kind: "server", Ready: true}
	if _, err := c.Get(ctx, "/readyz", cli.Query{}, "text/plain"); err != nil {
		refused := (*cli.StatusError)(nil)
		if !errors.As(err, &refused) || refused.Code != http.StatusServiceUnavailable {
			return nil, err
		}
		s.Ready, s.Reason = false, refused.Text
	}
	version, err := c.Get(ctx, "/version", cli.Query{}, "text/plain")
	if err != nil {
		return nil, err
	}
	s.Version = strings.TrimSpace(string(version))
	var servers map[string][]string
	switch err := c.JSON(ctx, "/servers", cli.Query{}, &servers); {
	case isNotFound(err):
		return s, s.askAgent(cmd, c)
	case err != nil:
		return nil, err
	}
	s.Name = strings.Join(slices.Sorted(maps.Keys(servers)), ", ")
	s.Roles = servers[s.Name]
	return s, s.askServer(cmd, c)
}

func isNotFound(err error) bool {
	refused := (*cli.StatusError)(nil)
	return errors.As(err, &refused) && refused.Code == http.StatusNotFound
}

func (s *status) askAgent(cmd *cobra.Command, c *cli.Client) error {
	text, err := c.Get(cmd.Context(), "/status", cli.Query{}, "text/plain")
	s.Kind, s.Text = "agent", strings.TrimSpace(string(text))
	return err
}

func (s *status) askServer(cmd *cobra.Command, c *cli.Client) error {
	latency := map[string]float64{}
	if err := c.JSON(cmd.Context(), "/latency", cli.Query{}, &latency); err != nil {
		return err
	}
	s.Latency = latency["cluster_aggregate"]
	for path, n := range map[string]*int{"/names": &s.Tabs, "/clients": &s.Clients} {
		body, err := c.Get(cmd.Context(), path, cli.Query{}, "application/json")
		if err != nil {
			return err
		}
		words, err := cli.Words(body)
		if err != nil {
			return fmt.Errorf("%s%s: %w", c.URL, path, err)
		}
		*n = len(words)
	}
	return nil
}

func (a *ask) showStatus(cmd *cobra.Command, s *status) error {
	out := a.out(cmd)
	if a.output.value == cli.JSON {
		body, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("write the status: %w", err)
		}
		return out.JSON(body)
	}
	rows := [][]string{
		{"url", s.URL}, {"kind", s.Kind}, {"version", s.Version}, {"ready", strconv.FormatBool(s.Ready)},
	}
	if s.Kind == "server" {
		rows = append(rows,
			[]string{"name", s.Name}, []string{"roles", strings.Join(s.Roles, ",")},
			[]string{"tabs", strconv.Itoa(s.Tabs)}, []string{"clients", strconv.Itoa(s.Clients)},
			[]string{"latency", fmt.Sprintf("%.1f ms", s.Latency*1000)})
	}
	if a.output.value == cli.CSV {
		return out.CSV([]string{"key", "value"}, rows)
	}
	if err := out.Rows([]string{"KEY", "VALUE"}, rows); err != nil {
		return err
	}
	if s.Text == "" {
		return nil
	}
	_, err := fmt.Fprintln(out.W, "\n"+s.Text)
	return err
}
