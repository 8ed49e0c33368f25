package app

import "time"

// The sections of the configuration file. Each is the settings of one
// process; a file may hold both.
const (
	SectionServer = "server"
	SectionAgent  = "agent"
)

// ServerConfig is the settings of a server. Its tags are the only place where
// a setting is declared: the YAML keys, the flags, the environment variables,
// the defaults and the reference in docs/operations.md all come from them.
type ServerConfig struct {
	Listen     string        `key:"listen" kind:"host:port" default:"127.0.0.1:8300" help:"address to listen on"`
	Data       string        `key:"data" kind:"directory" help:"directory of the store; must be named if store is pebble"`
	Store      string        `key:"store" oneof:"pebble,memory" or:"redis://…" default:"pebble" help:"storage engine: pebble in data; memory, which keeps nothing across restarts; or the URL of Redis or Valkey, which many servers may share"`
	Roles      []string      `key:"roles" kind:"fe,be,ctrl" default:"fe,be,ctrl" help:"what the server does: fe takes events, be compacts and prunes, ctrl answers questions"`
	Name       string        `key:"name" kind:"name" help:"name under which the server shows itself; empty: taba_server.HOST.PORT"`
	Address    string        `key:"address" kind:"URL" help:"under which other machines reach the server, as /status shows it to them; empty: that of listen"`
	TokensFile string        `key:"tokens_file" kind:"file" help:"file of hashed bearer tokens; once named, every request needs one"`
	Insecure   bool          `key:"insecure" default:"false" help:"allow an address other than loopback without tokens"`
	TLSCert    string        `key:"tls_cert" kind:"file" help:"certificate file (PEM); serves HTTPS, with tls_key"`
	TLSKey     string        `key:"tls_key" kind:"file" help:"private key file (PEM) of tls_cert"`
	Statsd     Statsd        `key:"statsd"`
	Limits     Limits        `key:"limits"`
	ViewBudget Bytes         `key:"view_budget" min:"1MiB" default:"512MiB" help:"memory that cached States may take before the least used are dropped"`
	GCEvery    time.Duration `key:"gc_every" min:"1s" default:"1h" help:"how often States that hold nothing any more are removed"`
	Logging    `key:""`
	Drain      `key:""`
}

// AgentConfig is the settings of an agent, declared as ServerConfig is.
type AgentConfig struct {
	Listen      string        `key:"listen" kind:"host:port" default:"127.0.0.1:8279" help:"address to listen on"`
	Name        string        `key:"name" kind:"name" help:"name under which the agent shows itself; empty: HOST:PORT"`
	ListenUnix  string        `key:"listen_unix" kind:"path" help:"unix socket to listen on as well, for programs of this host; empty: none"`
	Servers     []string      `key:"servers" kind:"URL,…" help:"servers to send to, of one store, named alike by all agents; others take the place of one that fails; dns+http://host:port stands for all addresses of a name"`
	Token       string        `key:"token" kind:"token" secret:"true" help:"bearer token (scope write) for the servers; prefer the variable to the flag"`
	Spool       string        `key:"spool" kind:"directory" help:"directory of the spool; must be named"`
	SpoolQuota  Bytes         `key:"spool_quota" min:"1MiB" default:"4GiB" help:"largest size of the spool; a full spool answers 503"`
	Sync        string        `key:"sync" oneof:"always,interval,never" default:"always" help:"when spool records are synced to disk; the promise holds with always"`
	RetainFor   time.Duration `key:"retain_for" min:"0s" default:"15m" help:"how long acknowledged Batches are kept in case the store loses them"`
	RetainBytes Bytes         `key:"retain_bytes" min:"0" default:"1GiB" help:"largest size of the acknowledged Batches kept"`
	KeepStable  bool          `key:"retain_stable" default:"false" help:"keep them also if no failover can lose them: a store restored from a backup gets them again"`
	TokensFile  string        `key:"tokens_file" kind:"file" help:"file of hashed bearer tokens; once named, every request needs one"`
	Insecure    bool          `key:"insecure" default:"false" help:"allow an address other than loopback without tokens"`
	TLSCert     string        `key:"tls_cert" kind:"file" help:"certificate file (PEM); serves HTTPS, with tls_key"`
	TLSKey      string        `key:"tls_key" kind:"file" help:"private key file (PEM) of tls_cert"`
	Statsd      Statsd        `key:"statsd"`
	Limits      Limits        `key:"limits"`
	Logging     `key:""`
	Drain       `key:""`
}

// Statsd is where statsd and DogStatsD are listened for, and what is made of
// them.
type Statsd struct {
	UDP           []string `key:"udp" kind:"host:port,…" help:"addresses for statsd over UDP, such as 127.0.0.1:8125; empty: none"`
	TCP           []string `key:"tcp" kind:"host:port,…" help:"addresses for statsd over TCP; empty: none"`
	Unix          []string `key:"unix" kind:"path,…" help:"unix sockets for statsd: a path for datagrams, unixstream://PATH for streams"`
	Client        string   `key:"client" kind:"name" help:"client that owns what is sent; empty: the sender's address, or this host's name if it is on it"`
	GaugeSign     string   `key:"gauge_sign" oneof:"change,set" default:"change" help:"what +1 and -1 do to a gauge: change its value, or set it"`
	Names         int      `key:"names" min:"1" default:"200000" help:"tabs of clients that are told apart; what is beyond counts in the tab statsd.overflow"`
	ReceiveBuffer Bytes    `key:"receive_buffer" min:"4KiB" default:"16MiB" help:"size asked of the kernel for the receive buffer of a socket for datagrams"`
}

// Limits bound what one request, one peer and all of them together may take.
type Limits struct {
	BodyBytes         Bytes         `key:"body_bytes" min:"1" default:"64MiB" help:"largest request body as sent; beyond it 413"`
	DecompressedBytes Bytes         `key:"decompressed_bytes" min:"1" default:"256MiB" help:"largest request body once decompressed; beyond it 413"`
	Ratio             int           `key:"ratio" min:"1" default:"200" help:"largest ratio of decompressed to sent bytes, past the first 16 MiB; beyond it 413"`
	NameBytes         int           `key:"name_bytes" min:"1" default:"512" help:"longest name of a tab, client or Type; beyond it 413"`
	Tabs              int           `key:"tabs" min:"0" default:"1000000" help:"tabs that there may be; a request with a new one beyond it 429; 0: no limit"`
	States            int           `key:"states" min:"0" default:"10000000" help:"clients of tabs that there may be, all together; a request with a new one beyond it 429; 0: no limit"`
	NewTabs           int           `key:"new_tabs" min:"0" default:"2000" help:"new tabs a second, once a hundred seconds' worth, or as many as there are, came at once; beyond it 429; 0: no limit"`
	InFlightBytes     Bytes         `key:"in_flight_bytes" min:"1" default:"256MiB" help:"body bytes of all requests being read; beyond it 503"`
	GatherBytes       Bytes         `key:"gather_bytes" min:"0" default:"4GiB" help:"disk for what slow senders have sent of their requests; beyond it 503; 0: none, they are held in memory"`
	FutureTolerance   time.Duration `key:"future_tolerance" min:"0s" default:"60s" help:"events further ahead than this are moved to now"`
	HeaderTimeout     time.Duration `key:"header_timeout" min:"1ms" default:"10s" help:"longest time to receive a request's header"`
	ReadTimeout       time.Duration `key:"read_timeout" min:"1ms" default:"30s" help:"how long a sender may pause within a request's body"`
	WriteTimeout      time.Duration `key:"write_timeout" min:"1ms" default:"30s" help:"how long a receiver may pause within an answer"`
	IdleTimeout       time.Duration `key:"idle_timeout" min:"1ms" default:"2m" help:"how long an idle connection is kept"`
}

// Logging is how a process logs.
type Logging struct {
	LogLevel  string `key:"log_level" oneof:"debug,info,warn,error" default:"info" help:"least severe messages to log"`
	LogFormat string `key:"log_format" oneof:"text,json" default:"text" help:"form of log lines on standard error"`
}

// Drain is how a process stops.
type Drain struct {
	DrainTimeout time.Duration `key:"drain_timeout" min:"0s" default:"10s" help:"how long requests in progress may take to finish at a stop"`
}

// DefaultServerConfig returns the settings of a server of which nothing was
// said.
func DefaultServerConfig() ServerConfig { return defaults[ServerConfig](SectionServer) }

// DefaultAgentConfig returns the settings of an agent of which nothing was
// said.
func DefaultAgentConfig() AgentConfig { return defaults[AgentConfig](SectionAgent) }
