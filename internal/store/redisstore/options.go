package redisstore

import (
	"crypto/tls"
	"log/slog"
	"time"
)

// Options are the settings of a Store. Parse makes them from a URL; the zero
// value of each field means its default.
type Options struct {
	// Kind is how the servers are found.
	Kind Kind
	// Addrs are the addresses of the server, of all Sentinels, or of some
	// nodes of the Cluster.
	Addrs []string
	// Masters are what Sentinel calls the masters, with the vbuckets of each.
	Masters []Master
	// TLS is how servers and Sentinels are spoken to; nil: in the clear.
	TLS *tls.Config
	// User and Password are of the servers; User is empty for "default".
	User, Password string
	// SentinelUser and SentinelPassword are of the Sentinels.
	SentinelUser, SentinelPassword string
	// DB is the number of the database; a Cluster has only 0.
	DB int
	// Prefix begins every key. Empty: "taba".
	Prefix string
	// VBuckets is into how many a new store is cut. 0: 16 for a new store,
	// whatever it has for another.
	VBuckets int
	// Wait is how many replicas must have a commit before it is acknowledged.
	Wait Wait
	// Timeout is how long servers and replicas have to answer. 0: 5 s.
	Timeout time.Duration
	// Persistence is what servers must do to keep what they were told.
	Persistence Persistence
	// Expect is the identity of the store, in hexadecimal. Empty: any, and a
	// new store is made where there is none.
	Expect string

	certificate, key string // files, as a URL names them
	transaction      shares // how many bytes of bodies share one

	// Logger gets what an operator should know. nil: nobody does.
	Logger *slog.Logger
	// Now is the clock of a new store's creation; nil: time.Now.
	Now func() time.Time
}

// Kind of a deployment.
type Kind int

// Kinds of deployments.
const (
	Standalone Kind = iota
	Sentinel
	Cluster
)

// Master is a master that Sentinels watch over, and its vbuckets.
type Master struct {
	Name        string
	First, Last int
}

// Wait is a number of replicas.
type Wait int

// Not numbers of replicas: every replica that could take over, and none.
const (
	WaitAll  Wait = 0
	WaitNone Wait = -1
)

// Persistence is what is asked of servers.
type Persistence int

// What is asked of servers: an append-only file, or nothing.
const (
	AppendOnly Persistence = iota
	AnyPersistence
)

const (
	defaultVBuckets = 16
	defaultTimeout  = 5 * time.Second
	defaultPrefix   = "taba"
)

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.transaction == (shares{}) {
		o.transaction = shares{readTogether, maxTransaction}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}
