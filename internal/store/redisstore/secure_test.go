package redisstore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/store/redisstore"
	"github.com/tabaproject/taba/internal/store/storetest"
)

// leastRights is what docs/operations.md names as the least that a store needs.
var leastRights = strings.Fields(`+ping +info +wait +select +multi +exec +watch +unwatch +evalsha +script|load
	+get +set +exists +rename +persist +pexpire +pexpireat +unlink +scan
	+hget +hset +hdel +hgetall +hmget +hkeys +lrange +lindex +ltrim +rpush`)

// allow makes a user who may do no more than that, below prefixes.
func (s *server) allow(rights []string, prefixes ...string) {
	s.t.Helper()
	words := append([]string{"ACL", "SETUSER", "taba", "reset", "on", ">pass", "-@all"}, rights...)
	for _, p := range prefixes {
		words = append(words, "~"+p)
	}
	s.do(words...)
}

// TestLeastRights: the whole contract holds for a user who may do only what the
// documentation names.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	if list := strings.Join(leastRights, " "); !strings.Contains(strings.Join(strings.Fields(string(text)), " "), list) {
		t.Errorf("docs/operations.md does not name the rights as they are: %s", list)
	}
	r := redis(t)
	redis(t).follow(r)
	rights := leastRights
	if r.CountsSynced() {
		rights = append(slices.Clone(rights), "+waitaof")
	}
	r.allow(rights, "t*:{*}:*")
	o, err := redisstore.Parse("redis://taba:pass@" + r.addr)
	if err != nil {
		t.Fatal(err)
	}
	contract(t, func(storetest.Config) redisstore.Options { return o })
	used := r.do("INFO", "commandstats")
	for _, right := range rights {
		if right == "+select" { // for databases other than 0
			continue
		}
		if !strings.Contains(used, "\ncmdstat_"+right[1:]+":") {
			t.Errorf("%s is named and was not needed", right)
		}
	}
	r.allow(leastRights[:5], "t*:{*}:*")
	_, err = redisstore.Open(t.Context(), o)
	says(t, err, "NOPERM", "docs/operations.md says what it needs")
}

// authority makes certificates.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	return a
}

// of makes a certificate for a server or a client at loopback.
func (a *authority) of(name string) {
	a.issue(name, &x509.Certificate{
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.ParseIP(loopback)},
	}, a.cert, a.key)
}

func (a *authority) issue(name string, c *x509.Certificate, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".crt", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", private)
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return made, key
}

func (a *authority) write(name, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(a.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// query are the settings of a URL for who has a certificate.
func (a *authority) query(name string) string {
	q := url.Values{"tls_ca": {a.file("ca.crt")}}
	if name != "" {
		q.Set("tls_cert", a.file(name+".crt"))
		q.Set("tls_key", a.file(name+".key"))
	}
	return q.Encode()
}

// tlsRedis starts a server that speaks TLS at addr, and in the clear to tests.
func tlsRedis(t *testing.T, a *authority, args ...string) (s *server, addr string) {
	t.Helper()
	a.of("server")
	port := freePort(t)
	s = redis(t, append([]string{
		"--tls-port", port, "--tls-ca-cert-file", a.file("ca.crt"), "--tls-cert-file", a.file("server.crt"), "--tls-key-file", a.file("server.key"),
	}, args...)...)
	return s, net.JoinHostPort(loopback, port)
}

// TestTLS: everything goes over TLS, with certificates of both sides and the
// least rights, and who is not trusted, either way, is refused with the reason.
func TestTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.of("client")
	r, addr := tlsRedis(t, a)
	r.allow(leastRights, "t*:{*}:*")
	parse := func(text string) redisstore.Options {
		t.Helper()
		o, err := redisstore.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Timeout = time.Second
		return o
	}
	contract(t, func(storetest.Config) redisstore.Options {
		return parse("rediss://taba:pass@" + addr + "?" + a.query("client"))
	})

	refused := func(text string, want ...string) {
		t.Helper()
		_, err := redisstore.Open(t.Context(), parse(text+"&prefix="+fresh()))
		says(t, err, append(want, addr)...)
	}
	refused("rediss://"+addr+"?tls_ca="+url.QueryEscape(a.file("ca.crt")), "certificate")
	refused("rediss://"+addr+"?timeout=1s", "certificate signed by unknown authority")
	stranger := newAuthority(t)
	stranger.of("client")
	refused("rediss://"+addr+"?"+stranger.query("client"), "unknown authority")
	refused("redis://"+addr+"?timeout=1s", "rediss")
}
