package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/rueidis"
)

// login is who we are to a server.
type login struct {
	user, password string
	db             int
}

// client is a client of one process at one address. Cut closes its connections
// under whoever is waiting for an answer.
type client struct {
	rueidis.Client
	mu    sync.Mutex
	conns []net.Conn
}

// dial connects to an address.
func (s *Store) dial(ctx context.Context, addr string, l login) (*client, error) {
	c := &client{}
	dialer := net.Dialer{Timeout: s.opts.Timeout}
	o := rueidis.ClientOption{
		InitAddress: []string{addr}, ForceSingleClient: true,
		Username: l.user, Password: l.password, SelectDB: l.db,
		DisableCache: true, DisableRetry: true, ConnWriteTimeout: s.opts.Timeout,
		Dialer: dialer, ClientName: "taba", BlockingPoolSize: poolSize,
		DialCtxFn: func(ctx context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			conn, err := s.connTo(ctx, &dialer, addr)
			if err == nil {
				c.mu.Lock()
				c.conns = append(c.conns, conn)
				c.mu.Unlock()
			}
			return conn, err
		},
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rc, err := rueidis.NewClient(o)
	if err != nil {
		c.cut()
		return nil, explain(addr, s.hungUp(err))
	}
	c.Client = rc
	return c, nil
}

// hungUp adds what may be the matter if a server takes a connection and then
// ends it: it cannot say so itself.
func (s *Store) hungUp(err error) error {
	op, failed := errors.AsType[*net.OpError](err)
	if _, answered := rueidis.IsRedisErr(err); answered || failed && op.Op == "dial" || !failed && !errors.Is(err, io.EOF) {
		return err
	}
	switch {
	case s.opts.TLS == nil:
		return fmt.Errorf("%w: if it wants TLS, write rediss", err)
	case len(s.opts.TLS.Certificates) == 0:
		return fmt.Errorf("%w: if it wants a certificate, set tls_cert and tls_key", err)
	}
	return err
}

// poolSize bounds the connections to one server: for commits, for compactions,
// and for what checks the server's health.
const poolSize = 4

func (s *Store) connTo(ctx context.Context, d *net.Dialer, addr string) (net.Conn, error) {
	if s.opts.TLS == nil {
		return d.DialContext(ctx, "tcp", addr)
	}
	return (&tls.Dialer{NetDialer: d, Config: s.opts.TLS}).DialContext(ctx, "tcp", addr)
}

// cut closes the connections: whoever waits for an answer gets an error.
func (c *client) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close() // it is not used any more
	}
	c.conns = nil
}

// close releases everything.
func (c *client) close() {
	c.cut()
	c.Client.Close()
}

// cmd makes a command. Everything in it is binary.
func (c *client) cmd(words ...string) rueidis.Completed {
	return c.B().Arbitrary(words...).Build()
}

// info reads sections of INFO.
func (c *client) info(ctx context.Context, sections ...string) (map[string]string, error) {
	all := map[string]string{}
	for _, section := range sections {
		text, err := c.Do(ctx, c.cmd("INFO", section)).ToString()
		if err != nil {
			return nil, err
		}
		parseInfo(all, text)
	}
	return all, nil
}

// parseInfo reads the lines of INFO.
func parseInfo(into map[string]string, text string) {
	for line := range strings.SplitSeq(text, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			into[name] = value
		}
	}
}

// replication is what INFO tells of it.
type replication struct {
	master bool
	id     string
	online []string // replicas that follow, each once
}

func parseReplication(text string) replication {
	all := map[string]string{}
	parseInfo(all, text)
	return replicationOf(all)
}

func replicationOf(info map[string]string) (r replication) {
	r.master = info["role"] == "master"
	r.id = info["master_replid"]
	n, _ := strconv.Atoi(info["connected_slaves"]) // 0 if malformed
	for i := range min(n, len(info)) {
		if addr, follows := parseFollower(info["slave"+strconv.Itoa(i)]); follows && !slices.Contains(r.online, addr) {
			r.online = append(r.online, addr)
		}
	}
	return r
}

// parseFollower reads ip=…,port=…,state=….
func parseFollower(text string) (addr string, follows bool) {
	var ip, port string
	for field := range strings.SplitSeq(text, ",") {
		switch name, value, _ := strings.Cut(field, "="); name {
		case "ip":
			ip = value
		case "port":
			port = value
		case "state":
			follows = value == "online"
		}
	}
	return net.JoinHostPort(ip, port), follows
}

// errMoved: the vbucket is elsewhere, or on its way; nothing was done.
var errMoved = errors.New("the vbucket is on another server")

// explain says what an error of Redis means to whoever runs it.
func explain(where string, err error) error {
	hint := ""
	if e, ok := rueidis.IsRedisErr(err); ok {
		if e.IsClusterDown() || e.IsTryAgain() {
			return fmt.Errorf("%w: redis at %s: %w", errMoved, where, err)
		}
		if _, moved := e.IsRedirect(); moved {
			return fmt.Errorf("%w: redis at %s: %w", errMoved, where, err)
		}
		word, _, _ := strings.Cut(e.Error(), " ")
		hint = hints[word]
	}
	return fmt.Errorf("redis at %s: %w%s", where, err, hint)
}

// hints say what to do about an error that begins with a word.
var hints = map[string]string{
	"OOM":       ": give it more maxmemory, or compact sooner; nothing is acknowledged until there is room",
	"READONLY":  ": it is a replica; nothing is acknowledged until the master is known",
	"WRONGPASS": ": the store's user or password is wrong",
	"NOAUTH":    ": it wants a password: name it in the store's URL, redis://USER:PASSWORD@HOST",
	"NOPERM":    ": the store's user may not do that; docs/operations.md says what it needs",
	"WRONGTYPE": ": a key below the store's prefix is somebody else's; it was left alone",
	"LOADING":   ": it is reading its data from disk",
	"MISCONF":   ": it cannot write to its disk",
}
