package statsd

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/trail"
	"github.com/tabaproject/taba/state"
)

// Committer makes Partials durable, as ingest.Committer does.
type Committer interface {
	Commit(ctx context.Context, acc *fold.Accumulator, taken func()) error
}

// TypeTable knows the Types of tabs.
type TypeTable interface {
	TypeOf(namespace, tab string) (typ string, ok bool)
}

// Quota bounds the names that there may be in a process, as ingest.Claims does.
type Quota interface {
	// Admit asks for a State of a tab; fresh says that the tab is not known. It
	// returns the limit that is reached, "" if none is.
	Admit(tab store.Tab, client string, fresh bool) (limit string)
	// Begin begins to commit what was admitted so far, done ends it.
	Begin() (done func())
}

type noQuota struct{}

func (noQuota) Admit(store.Tab, string, bool) string { return "" }
func (noQuota) Begin() func()                        { return func() {} }

// Budget bounds the bytes that a process holds for what is in flight.
type Budget interface {
	Charge(bytes int64) // negative: gives back
	Full() bool
}

// Options are the settings of a Door. Zero fields mean their defaults, but for
// the first four, which must be set.
type Options struct {
	Registry  *state.Registry
	Committer Committer
	Types     TypeTable
	Budget    Budget
	// Ready says why nothing can be committed now; nil: it never knows.
	Ready func() error
	// Trail keeps what became of names that did not simply count. Nil: nobody does.
	Trail *trail.Trail
	// Quota bounds the names. Nil: only Names does.
	Quota Quota

	// Client owns all events. Empty: the sender does, by its address, or by
	// Host if it is on this one.
	Client string
	// Host is this host's name. Empty: what the system says.
	Host string
	// SetGauges says that the sign of a gauge's value is the sign of a
	// number. Otherwise +1 and -1 change the value, as the first statsd did.
	SetGauges bool
	// Names is how many tabs of clients are told apart: 200,000.
	Names int
	// NameBytes is the longest name of a tab, with its tags: 512.
	NameBytes int
	// ReceiveBuffer is the size asked for of the kernel's buffer of a socket
	// for datagrams, in bytes: 16 MiB.
	ReceiveBuffer int
	// GatherBytes is how much is gathered between two commits before the next
	// one is due, in bytes: 64 MiB.
	GatherBytes int64
	// FutureTolerance is how far ahead of the clock the time of a line may be
	// before it is taken for now: 60 s.
	FutureTolerance time.Duration

	Logger *slog.Logger     // nil: slog.Default
	Now    func() time.Time // nil: time.Now
}

func (o Options) withDefaults() Options {
	or(&o.Names, 200_000)
	or(&o.NameBytes, 512)
	or(&o.ReceiveBuffer, 16<<20)
	or(&o.GatherBytes, 64<<20)
	or(&o.FutureTolerance, time.Minute)
	if o.Host == "" {
		if o.Host, _ = os.Hostname(); o.Host == "" {
			o.Host = "localhost"
		}
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Quota == nil {
		o.Quota = noQuota{}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
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
