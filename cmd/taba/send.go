package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tabaproject/taba/internal/wire"
)

// sending is the flags of taba send.
type sending struct {
	ask
	agent   string
	typ     string
	client  string
	expires time.Duration
}

func newSend() *cobra.Command {
	s := &sending{}
	cmd := &cobra.Command{
		Use:   "send NAME VALUE",
		Short: "Record one event",
		Long: `Record one event and wait until it is acknowledged. VALUE is JSON; what is not
is taken as text. It goes to the server, or to an agent if --agent names one.`,
		Example: `  taba send bids_won 1
  taba send winning_bid_price 1.31 --type PercentileGroup --client web-1
  taba send build_version 4.18.0 --type Gauge
  taba send recent_errors 'no such creative' --type Buffer --expires 1h
  taba send balance -- -5`,
		Args: cobra.ExactArgs(2),
	}
	s.bindServer(cmd)
	f := cmd.Flags()
	f.StringVar(&s.agent, "agent", os.Getenv("TABA_AGENT"), "`URL` of an agent to send to instead (TABA_AGENT)")
	f.StringVar(&s.typ, "type", "CounterGroup", "`Type` of the tab")
	f.StringVar(&s.client, "client", hostname(), "`name` of the client that records")
	f.DurationVar(&s.expires, "expires", 0, "of an ExpiryGauge or Buffer: makes VALUE [VALUE, now + `duration`]")
	cmd.MarkFlagsMutuallyExclusive("server", "agent")
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(originalTypes, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return s.send(cmd, args[0], args[1]) }
	return cmd
}

// originalTypes are completed; a server may know more.
var originalTypes = []string{"CounterGroup", "PercentileGroup", "PercentileCounter", "TotalsCounter", "Gauge", "ExpiryGauge", "Buffer"}

func (s *sending) send(cmd *cobra.Command, name, value string) error {
	if name == "" || s.client == "" {
		return &usageError{errors.New("the names of the tab and the client must not be empty")}
	}
	if s.agent != "" {
		s.server = s.agent
	}
	now := time.Now()
	var e wire.Encoder
	if err := errors.Join(e.Client(s.client), e.Tab(name)); err != nil {
		return &usageError{err}
	}
	e.Event(s.typ, float64(now.UnixNano())/1e9, s.payload(value, now))
	header, err := s.ask.client().Post(cmd.Context(), "/post", e.Close())
	if err != nil {
		return err
	}
	if refused := header.Get("X-Taba-Refused"); refused != "" {
		return fmt.Errorf("%s refused the event: %s", s.server, refused)
	}
	return nil
}

// payload makes JSON of what was given.
func (s *sending) payload(value string, now time.Time) []byte {
	payload := []byte(value)
	if !json.Valid(payload) {
		payload, _ = json.Marshal(value) // a string has no error
	}
	if s.expires > 0 {
		expiry := float64(now.Add(s.expires).UnixMilli()) / 1000
		payload = fmt.Appendf(nil, "[%s, %s]", payload, strconv.FormatFloat(expiry, 'f', 3, 64))
	}
	return payload
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
