package redisstore

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// IsURL reports whether text is meant to be the URL of a store of this engine.
func IsURL(text string) bool {
	scheme, _, ok := strings.Cut(text, "://")
	return ok && strings.HasPrefix(scheme, "redis")
}

// Parse reads a URL:
//
//	redis://[USER:PASSWORD@]HOST[:PORT][/DB][?SETTINGS]
//	redis+sentinel://…@HOST[:PORT],HOST…?master=NAME:FIRST-LAST,NAME…
//	redis+cluster://…@HOST[:PORT],HOST…
//
// rediss:// is the same over TLS. The settings are those of parameters.
func Parse(text string) (Options, error) {
	o, err := parse(text)
	if err != nil {
		return Options{}, fmt.Errorf("store %s: %w", redacted(text), err)
	}
	return o, nil
}

// redacted is a URL without what is secret in it.
func redacted(text string) string {
	scheme, rest, _ := strings.Cut(text, "://")
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = "…" + rest[at:]
	}
	rest, _, _ = strings.Cut(rest, "?")
	return scheme + "://" + rest
}

func parse(text string) (o Options, err error) {
	scheme, rest, _ := strings.Cut(text, "://")
	rest, query, _ := strings.Cut(rest, "?")
	secure, port := strings.HasPrefix(scheme, "rediss"), "6379"
	switch strings.Replace(scheme, "rediss", "redis", 1) {
	case "redis":
		o.Kind = Standalone
	case "redis+sentinel":
		o.Kind, port = Sentinel, "26379"
	case "redis+cluster":
		o.Kind = Cluster
	default:
		return o, fmt.Errorf("the scheme is %q; write redis, redis+sentinel or redis+cluster, or rediss for TLS", scheme)
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		if err := o.credentials(rest[:at]); err != nil {
			return o, err
		}
		rest = rest[at+1:]
	}
	hosts, db, _ := strings.Cut(rest, "/")
	if err := errors.Join(o.addresses(hosts, port), o.database(db), o.query(query)); err != nil {
		return o, err
	}
	if err := o.secure(secure); err != nil {
		return o, err
	}
	return o, o.check()
}

func (o *Options) credentials(text string) (err error) {
	user, password, _ := strings.Cut(text, ":")
	if o.User, err = url.PathUnescape(user); err == nil {
		o.Password, err = url.PathUnescape(password)
	}
	if err != nil {
		return errors.New("user or password: a % is followed by two hexadecimal digits; write % itself as %25")
	}
	return nil
}

func (o *Options) addresses(hosts, port string) error {
	for host := range strings.SplitSeq(hosts, ",") {
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		if name, _, err := net.SplitHostPort(host); err != nil || name == "" {
			return fmt.Errorf("%q is not an address; write host:port", host)
		}
		o.Addrs = append(o.Addrs, host)
	}
	if o.Kind == Standalone && len(o.Addrs) > 1 {
		return errors.New("several addresses; write redis+sentinel:// or redis+cluster:// if that is what they are")
	}
	return nil
}

func (o *Options) database(text string) (err error) {
	if text == "" {
		return nil
	}
	if o.DB, err = strconv.Atoi(text); err != nil || o.DB < 0 {
		return fmt.Errorf("%q is not the number of a database", text)
	}
	if o.Kind == Cluster && o.DB != 0 {
		return fmt.Errorf("database %d: a Cluster has only database 0", o.DB)
	}
	return nil
}

// parameters are the settings of a URL.
var parameters = map[string]func(o *Options, text string) error{
	"master":   func(o *Options, text string) error { return o.masters(text) },
	"wait":     func(o *Options, text string) error { return o.wait(text) },
	"vbuckets": func(o *Options, text string) error { return number(&o.VBuckets, text, 1, maxVBuckets) },
	"prefix": func(o *Options, text string) error {
		if o.Prefix = text; text == "" || strings.ContainsAny(text, `{}: *?[]\^`) {
			return fmt.Errorf(`%q is empty or has a blank or one of { } : * ? [ ] \ ^`, text)
		}
		return nil
	},
	"timeout": func(o *Options, text string) (err error) {
		if o.Timeout, err = time.ParseDuration(text); err != nil || o.Timeout < time.Millisecond {
			return fmt.Errorf("%q is not a duration of at least 1ms, such as 5s", text)
		}
		return nil
	},
	"persistence": func(o *Options, text string) error {
		switch text {
		case "aof":
			o.Persistence = AppendOnly
		case "any":
			o.Persistence = AnyPersistence
		default:
			return fmt.Errorf("%q is not one of aof, any", text)
		}
		return nil
	},
	"expect": func(o *Options, text string) error {
		if b, err := hex.DecodeString(text); err != nil || len(b) != 16 {
			return fmt.Errorf("%q is not the identity of a store, 32 hexadecimal digits", text)
		}
		o.Expect = strings.ToLower(text)
		return nil
	},
	"tls_ca": func(o *Options, file string) error {
		pem, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		o.tls().RootCAs = x509.NewCertPool()
		if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s holds no certificate (PEM)", file)
		}
		return nil
	},
	"tls_cert":          func(o *Options, file string) error { o.tls(); o.certificate = file; return nil },
	"tls_key":           func(o *Options, file string) error { o.tls(); o.key = file; return nil },
	"sentinel_user":     func(o *Options, text string) error { o.SentinelUser = text; return nil },
	"sentinel_password": func(o *Options, text string) error { o.SentinelPassword = text; return nil },
}

func (o *Options) query(text string) error {
	q, err := url.ParseQuery(text)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		set, ok := parameters[name]
		if !ok {
			return fmt.Errorf("there is no setting %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(parameters)), ", "))
		}
		for _, value := range q[name] {
			if err := set(o, value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// tls returns the settings for TLS, which are there from now on.
func (o *Options) tls() *tls.Config {
	if o.TLS == nil {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return o.TLS
}

// secure takes together what is set for TLS.
func (o *Options) secure(secure bool) error {
	switch {
	case !secure && o.TLS != nil:
		return errors.New("tls_ca, tls_cert or tls_key is set, but the scheme is not rediss")
	case !secure:
		return nil
	case (o.certificate == "") != (o.key == ""):
		return errors.New("tls_cert and tls_key go together: one of them is not set")
	case o.certificate == "":
		o.tls()
		return nil
	}
	pair, err := tls.LoadX509KeyPair(o.certificate, o.key)
	if err != nil {
		return fmt.Errorf("tls_cert and tls_key: %w", err)
	}
	o.tls().Certificates = []tls.Certificate{pair}
	return nil
}

func number(to *int, text string, least, most int) (err error) {
	if *to, err = strconv.Atoi(text); err != nil || *to < least || *to > most {
		return fmt.Errorf("%q is not a number from %d to %d", text, least, most)
	}
	return nil
}

func (o *Options) wait(text string) error {
	if text == "all" {
		o.Wait = WaitAll
		return nil
	}
	var n int
	if err := number(&n, text, 0, 1000); err != nil {
		return fmt.Errorf("%w, nor all", err)
	}
	if o.Wait = Wait(n); n == 0 {
		o.Wait = WaitNone
	}
	return nil
}

// masters reads NAME:FIRST-LAST,…; one master may be named without a range.
func (o *Options) masters(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		name, span, ranged := strings.Cut(part, ":")
		m := Master{Name: name, Last: -1}
		if ranged {
			first, last, ok := strings.Cut(span, "-")
			if !ok {
				last = first
			}
			if err := errors.Join(number(&m.First, first, 0, maxVBuckets-1), number(&m.Last, last, m.First, maxVBuckets-1)); err != nil {
				return fmt.Errorf("%q: %w; write NAME:FIRST-LAST, such as shard1:0-7", part, err)
			}
		}
		if name == "" {
			return fmt.Errorf("%q names no master; write NAME:FIRST-LAST, such as shard1:0-7", part)
		}
		o.Masters = append(o.Masters, m)
	}
	return nil
}

// check says what no single setting can know.
func (o *Options) check() error {
	switch {
	case o.Kind == Sentinel && len(o.Masters) == 0:
		return errors.New("master is not set; say which masters there are and which vbuckets are theirs: master=shard1:0-7,shard2:8-15")
	case o.Kind != Sentinel && len(o.Masters) > 0:
		return errors.New("master is set, but only Sentinels know masters by name; write redis+sentinel://")
	case len(o.Masters) == 1 && o.Masters[0].Last < 0:
		return nil
	}
	return o.ranges(o.VBuckets)
}

// ranges checks that each of v vbuckets has one master; 0: however many there
// are.
func (o *Options) ranges(v int) error {
	if o.Kind != Sentinel || o.Masters[0].Last < 0 && len(o.Masters) == 1 {
		return nil
	}
	sorted := slices.SortedFunc(slices.Values(o.Masters), func(a, b Master) int { return a.First - b.First })
	next := 0
	for i, m := range sorted {
		switch {
		case m.Last < 0:
			return fmt.Errorf("master: %s has no vbuckets; write %s:FIRST-LAST", m.Name, m.Name)
		case m.First < next:
			return fmt.Errorf("master: vbucket %d belongs to both %s and %s", m.First, sorted[i-1].Name, m.Name)
		case m.First > next:
			return fmt.Errorf("master: vbucket %d belongs to nobody", next)
		}
		next = m.Last + 1
	}
	if v > 0 && next < v {
		return fmt.Errorf("master: vbucket %d belongs to nobody, the store has %d", next, v)
	}
	if v > 0 && next > v {
		return fmt.Errorf("master: there is no vbucket %d, the store has %d", next-1, v)
	}
	return nil
}
