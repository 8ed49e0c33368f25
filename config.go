package taba

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Config says where events go. Its zero value is ready to use: events go to
// the agent on this host.
type Config struct {
	// URL of an agent or a server, or unix:// and the path of an agent's socket
	// (listen_unix), such as unix:///run/taba/agent.sock. Empty:
	// http://127.0.0.1:8279, the agent.
	URL string
	// Client is the durable name of this process or service instance; tabs
	// can be looked at by client. Empty: the host's name, a slash and the
	// program's.
	Client string
	// Token is sent as a bearer token. Empty: none.
	Token string
	// FlushEvery is how long an event waits at most before it is sent. Zero:
	// as soon as what was sent before is answered and four times as long as that
	// took has passed: every 50 ms if the agent is at leisure, every second if it
	// has much to do.
	FlushEvery time.Duration
	// BufferBytes bounds the memory for events that were not acknowledged
	// yet. Zero: 16 MiB, which is about 750,000 numbers that differ; equal
	// ones of a tab that are recorded together take no more than one. At least
	// 64 KiB.
	BufferBytes int
	// Timeout bounds one request. Zero: 10 s.
	Timeout time.Duration
	// HTTPClient sends the requests, unless URL is a socket. Nil: one of its own.
	HTTPClient *http.Client
	// OnDrop is told how many events were dropped and why. It is called by
	// the client's own goroutine, never where events are recorded, and must
	// neither block nor call Flush or Close. Nil: nobody is told; Stats has
	// the numbers.
	OnDrop func(n uint64, why DropReason)
	// OnError is told, by the client's own goroutine, what went wrong: a bad
	// name (once per name), a request that failed, events that were refused.
	// It must neither block nor call Flush or Close. Nil: nobody is told;
	// Stats has the last error.
	OnError func(error)
	// Namespace is reserved and must be empty.
	Namespace string

	socket string // of the agent, if URL names one
}

// DropReason says why events were dropped.
type DropReason string

// Reasons for which events are dropped.
const (
	DropFull     DropReason = "full"     // the buffer was full
	DropInvalid  DropReason = "invalid"  // a bad name or value
	DropRejected DropReason = "rejected" // the agent or server will not take them
	DropClosed   DropReason = "closed"   // recorded after Close, or not sent in its time
)

const (
	defaultURL         = "http://127.0.0.1:8279"
	defaultBufferBytes = 16 << 20
	minBufferBytes     = 64 << 10
	defaultTimeout     = 10 * time.Second
)

// withDefaults fills what is not set and mends what is not right; err tells
// what.
func (cfg Config) withDefaults() (_ Config, err error) {
	if cfg.URL == "" {
		cfg.URL = defaultURL
	}
	if path, ok := strings.CutPrefix(cfg.URL, unixScheme); ok {
		cfg.socket, cfg.URL = path, "http://agent"
	}
	cfg.URL = strings.TrimRight(cfg.URL, "/")
	if cfg.Client == "" {
		cfg.Client = sanitise(defaultClient())
	}
	if bad := checkName(cfg.Client); bad != nil {
		mended := sanitise(cfg.Client)
		err = fmt.Errorf("taba: client name %w; using %q", bad, mended)
		cfg.Client = mended
	}
	cfg.FlushEvery = max(cfg.FlushEvery, 0)
	if cfg.BufferBytes <= 0 {
		cfg.BufferBytes = defaultBufferBytes
	}
	cfg.BufferBytes = max(cfg.BufferBytes, minBufferBytes)
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Namespace != "" {
		err = errors.Join(err, fmt.Errorf("taba: Config.Namespace is reserved; %q is ignored", cfg.Namespace))
	}
	return cfg, err
}

func defaultClient() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	return host + "/" + strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
}
