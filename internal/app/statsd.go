package app

import (
	"fmt"

	"github.com/tabaproject/taba/internal/statsd"
	"github.com/tabaproject/taba/state"
)

// options are what the settings say to package statsd.
func (s Statsd) options(l Limits, opts Options) statsd.Options {
	return statsd.Options{
		Client: s.Client, SetGauges: s.GaugeSign == "set", Names: s.Names, NameBytes: l.NameBytes,
		ReceiveBuffer: int(s.ReceiveBuffer), FutureTolerance: l.FutureTolerance,
		GatherBytes: int64(l.InFlightBytes) / 2, // others need room too
		Logger:      opts.Logger, Now: opts.Now,
	}
}

// open returns a Door that listens, nil if there is nothing to listen on.
func (s Statsd) open(o statsd.Options) (*statsd.Door, error) {
	if len(s.UDP)+len(s.TCP)+len(s.Unix) == 0 {
		return nil, nil
	}
	d := statsd.New(o)
	if err := s.listen(d, o); err != nil {
		d.Stop()
		return nil, fmt.Errorf("statsd: %w", err)
	}
	return d, nil
}

func (s Statsd) listen(d *statsd.Door, o statsd.Options) error {
	for _, addr := range s.UDP {
		bound, err := d.OpenUDP(addr)
		if err != nil {
			return err
		}
		o.Logger.Info("listening for statsd", "udp", bound)
	}
	for _, addr := range s.TCP {
		bound, err := d.OpenTCP(addr)
		if err != nil {
			return err
		}
		o.Logger.Info("listening for statsd", "tcp", bound)
	}
	for _, addr := range s.Unix {
		if err := d.OpenUnix(addr); err != nil {
			return err
		}
		o.Logger.Info("listening for statsd", "unix", addr)
	}
	return nil
}

func (s *server) listenStatsd(reg *state.Registry) (err error) {
	o := s.cfg.Statsd.options(s.cfg.Limits, s.opts)
	o.Registry, o.Committer, o.Types, o.Budget, o.Ready = reg, timed{s}, s.view, s.budget, s.healthy
	o.Quota, o.Trail = s.quota.Claims(), s.teller.trail
	if s.statsd, err = s.cfg.Statsd.open(o); s.statsd != nil {
		s.teller.statsd.Store(s.statsd)
		s.front.metrics = append(s.front.metrics, s.statsd.WritePrometheus)
	}
	return err
}

func (a *agent) listenStatsd(reg *state.Registry) (err error) {
	o := a.cfg.Statsd.options(a.cfg.Limits, a.opts)
	o.Registry, o.Committer, o.Types, o.Budget, o.Ready = reg, learning{a}, a.types, a.budget, a.healthy
	o.Quota, o.Trail = a.quota.Claims(), a.teller.trail
	if a.statsd, err = a.cfg.Statsd.open(o); a.statsd != nil {
		a.teller.statsd.Store(a.statsd)
		a.front.metrics = append(a.front.metrics, a.statsd.WritePrometheus)
	}
	return err
}
