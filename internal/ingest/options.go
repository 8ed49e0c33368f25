package ingest

import (
	"time"

	"github.com/tabaproject/taba/internal/gather"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
)

// Options are the settings of the Handlers. The zero value is ready to use.
type Options struct {
	// Agent answers documents that hold nothing, and malformed ones, in the
	// words of the original's agent. A server takes an empty body.
	Agent bool
	// Limits of one request.
	Limits Limits
	// Budget bounds the bytes of all requests in flight. Share one between
	// the Handlers of a process. Nil: one of 256 MiB of its own.
	Budget *Budget
	// FutureTolerance is how far ahead of the clock an event may lie before
	// its time is clamped. Zero: 60 s.
	FutureTolerance time.Duration
	// StrictNames refuses names outside the alphabet of the original's
	// clients, [A-Za-z0-9._~:/?@!$()*+;=-]. The original's agent and server
	// took any name; without StrictNames only control characters are refused.
	StrictNames bool
	// Timeouts are those of streams: for the next bytes of a frame to arrive,
	// for replies to be taken, and between frames. Zero fields: as of a Server.
	Timeouts ServerOptions
	// Quota bounds the names that there may be. Share one between the Handlers
	// of a process. Nil: nothing does.
	Quota *Quota
	// Gather keeps the bodies of slow senders until they are complete. Share one
	// between the Handlers of a process. Nil: they are decoded as they arrive.
	Gather *gather.File
	// Pace is how long a commit takes at present: who sends the head of a body
	// faster is not slow. Nil: everybody is slow.
	Pace func() time.Duration
	// Level is that of everybody who reads what agents send; nil: state.Newest.
	Level func() state.Level
	// Metrics counts what happens. Share one between the Handlers of a
	// process. Nil: one of its own.
	Metrics *Metrics
	// Now is the clock. Nil: time.Now.
	Now func() time.Time

	door *Door // of the Handler, in Metrics
}

// Limits bound one request. A zero field means its default.
type Limits struct {
	// Body is the bytes of a body as sent: 64 MiB.
	Body int64
	// Decompressed is the bytes of a body after decompression: 256 MiB.
	Decompressed int64
	// Ratio is how many times larger than what was sent a body may become by
	// decompression: 200. The first RatioFree bytes, 16 MiB, are free: honest
	// bodies of equal events compress better than that, and a few MiB of them
	// cost little.
	Ratio, RatioFree int64
	// Text are the limits of the v1 text: name length, line length.
	Text wire.Limits
}

const (
	defaultBody         = 64 << 20
	defaultDecompressed = 256 << 20
	defaultRatio        = 200
	defaultRatioFree    = 16 << 20
	defaultBudget       = 256 << 20
	defaultFuture       = 60 * time.Second
)

// withDefaults fills the zero fields.
func (o Options) withDefaults() Options {
	or(&o.Limits.Body, defaultBody)
	or(&o.Limits.Decompressed, defaultDecompressed)
	or(&o.Limits.Ratio, defaultRatio)
	or(&o.Limits.RatioFree, defaultRatioFree)
	or(&o.FutureTolerance, defaultFuture)
	o.Timeouts = o.Timeouts.withDefaults()
	if o.Budget == nil {
		o.Budget = NewBudget(defaultBudget)
	}
	if o.Pace == nil {
		o.Pace = func() time.Duration { return 0 }
	}
	if o.Level == nil {
		o.Level = func() state.Level { return state.Newest }
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func or[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
