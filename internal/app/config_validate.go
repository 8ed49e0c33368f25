package app

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tabaproject/taba/internal/member"
	"github.com/tabaproject/taba/internal/store/redisstore"
)

// Validate reports, as Problems, what no single setting can know: whether
// they go together.
func (c *ServerConfig) Validate() error { return c.problems().err() }

// Validate reports, as Problems, what no single setting can know: whether
// they go together.
func (c *AgentConfig) Validate() error { return c.problems().err() }

func (c *ServerConfig) problems() Problems {
	v := validation{section: SectionServer}
	v.listener(c.Listen, c.TokensFile, c.Insecure)
	v.statsd(c.Statsd, c.Insecure)
	v.tls(c.TLSCert, c.TLSKey)
	v.limits(c.Limits)
	v.roles(c)
	if c.Store == "pebble" && c.Data == "" {
		v.add("data", "is not set; name the directory of the store (--data DIR), or keep nothing with --store memory")
	}
	if redisstore.IsURL(c.Store) {
		if _, err := redisstore.Parse(c.Store); err != nil {
			v.add("store", "%v", err)
		}
	}
	return v.problems
}

// roles checks what a server does, and whether that goes with the rest.
func (v *validation) roles(c *ServerConfig) {
	if what := unknownRole(c.Roles); what != "" {
		v.add("roles", "%s", what)
		return
	}
	shared := redisstore.IsURL(c.Store)
	for _, r := range member.Roles {
		if !shared && !slices.Contains(c.Roles, r) {
			v.add("roles", "lacks %s, but nobody else can share a store that is %s: leave roles out, or name a store that servers share", r, c.Store)
		}
	}
	if !slices.Contains(c.Roles, member.Front) && len(c.Statsd.UDP)+len(c.Statsd.TCP)+len(c.Statsd.Unix) > 0 {
		v.add("roles", "lacks %s, but statsd is listened for: add %s, or leave statsd out", member.Front, member.Front)
	}
	if c.Address != "" {
		if what := badURL(c.Address); what != "" {
			v.add("address", "%s", what)
		}
	}
}

func (c *AgentConfig) problems() Problems {
	v := validation{section: SectionAgent}
	v.listener(c.Listen, c.TokensFile, c.Insecure)
	v.statsd(c.Statsd, c.Insecure)
	v.tls(c.TLSCert, c.TLSKey)
	v.limits(c.Limits)
	if c.Spool == "" {
		v.add("spool", "is not set; name the directory of the spool (--spool DIR)")
	}
	if len(c.Servers) == 0 {
		v.add("servers", "is not set; name at least one server (--servers http://127.0.0.1:8300)")
	}
	for _, s := range c.Servers {
		if what := badURL(s); what != "" {
			v.add("servers", "%s", what)
		}
	}
	return v.problems
}

// validation collects the problems of one section.
type validation struct {
	section  string
	problems Problems
}

func (v *validation) add(key, format string, args ...any) {
	v.problems = append(v.problems, Problem{Key: v.section + "." + key, What: fmt.Sprintf(format, args...)})
}

func (v *validation) listener(listen, tokens string, insecure bool) {
	host, ok := v.address("listen", listen)
	if ok && !isLoopback(host) && tokens == "" && !insecure {
		v.add("listen", "%q can be reached from other machines; name a tokens file (--tokens-file FILE), or say --insecure", listen)
	}
}

// address checks an address to listen on and returns its host.
func (v *validation) address(key, addr string) (host string, ok bool) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		v.add(key, "%q is not an address; write host:port, such as 127.0.0.1:8300", addr)
		return "", false
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		v.add(key, "%q is not a port; write a number from 0 to 65535, 0 for any free one", port)
	}
	return host, true
}

// statsd checks the listeners for statsd, which knows no tokens.
func (v *validation) statsd(s Statsd, insecure bool) {
	check := func(key string, list []string) {
		for _, addr := range list {
			if host, ok := v.address(key, addr); ok && !isLoopback(host) && !insecure {
				v.add(key, "%q can be reached from other machines, and statsd knows no tokens; say --insecure if that is meant", addr)
			}
		}
	}
	check("statsd.udp", s.UDP)
	check("statsd.tcp", s.TCP)
}

// isLoopback reports whether only this machine can reach the host. An empty
// host is every address.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func (v *validation) tls(cert, key string) {
	switch {
	case cert != "" && key == "":
		v.add("tls_key", "is not set although tls_cert is; they go together")
	case key != "" && cert == "":
		v.add("tls_cert", "is not set although tls_key is; they go together")
	}
}

func (v *validation) limits(l Limits) {
	if l.DecompressedBytes < l.BodyBytes {
		v.add("limits.decompressed_bytes", "%s is less than limits.body_bytes, %s; an uncompressed body counts against both", l.DecompressedBytes, l.BodyBytes)
	}
	if l.InFlightBytes < l.BodyBytes {
		v.add("limits.in_flight_bytes", "%s is less than limits.body_bytes, %s; the largest body could never be read", l.InFlightBytes, l.BodyBytes)
	}
}

// badURL says what is wrong with a server's URL, nothing if it is good.
func badURL(s string) string {
	rest, all := strings.CutPrefix(s, byName)
	u, err := url.Parse(rest)
	switch {
	case all && err == nil && u.Scheme == "https":
		return fmt.Sprintf("%q: an address names no certificate; name the servers one by one, or write dns+http://host:port", s)
	case all && err == nil && u.Scheme == "http" && u.Port() == "":
		return fmt.Sprintf("%q has no port; write dns+http://host:port", s)
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return fmt.Sprintf("%q is not a URL; write http://host:port or https://host:port", s)
	case u.Hostname() == "":
		return fmt.Sprintf("%q names no host", s)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return fmt.Sprintf("%q has more than a scheme, a host and a port; write http://host:port", s)
	}
	return ""
}
