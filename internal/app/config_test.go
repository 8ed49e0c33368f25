package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// env returns a Sources.Env of the given variables.
func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "taba.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	file := writeFile(t, `
server:
  listen: 127.0.0.1:1
  data: /from/file
  store: memory
  limits:
    body_bytes: 1MiB
    idle_timeout: 7s
`)
	cfg, origins, err := Sources{
		File: file,
		Env:  env(map[string]string{"TABA_SERVER_LISTEN": "127.0.0.1:2", "TABA_SERVER_DATA": "/from/env", "TABA_SERVER_NAME": ""}),
		Flag: func(name string) (string, bool) { return "127.0.0.1:3", name == "listen" },
	}.Server()
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultServerConfig()
	want.Listen, want.Data, want.Store = "127.0.0.1:3", "/from/env", "memory"
	want.Limits.BodyBytes, want.Limits.IdleTimeout = 1<<20, 7*time.Second
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Error("settings differ (-want +got):\n" + diff)
	}
	for key, want := range map[string]string{
		"server.listen":            "--listen",
		"server.data":              "TABA_SERVER_DATA",
		"server.store":             file + ":5",
		"server.limits.body_bytes": file + ":7",
		"server.name":              OriginDefault,
	} {
		if got := origins[key]; got != want {
			t.Errorf("origin of %s is %q, want %q", key, got, want)
		}
	}
}

func TestAgentFromFile(t *testing.T) {
	file := writeFile(t, `
agent:
  servers:
    - http://a:8300
    - https://b:8300/
  spool: /var/lib/taba
  sync: interval
  retain_for: 1h30m
  token: "123"
`)
	cfg, _, err := Sources{File: file, Env: env(nil)}.Agent()
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultAgentConfig()
	want.Servers = []string{"http://a:8300", "https://b:8300/"}
	want.Spool, want.Sync, want.RetainFor, want.Token = "/var/lib/taba", "interval", 90*time.Minute, "123"
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Error("settings differ (-want +got):\n" + diff)
	}
}

func TestDefaultsAreValid(t *testing.T) {
	server := DefaultServerConfig()
	server.Data = "x"
	if err := server.Validate(); err != nil {
		t.Error(err)
	}
	agent := DefaultAgentConfig()
	agent.Spool, agent.Servers = "x", []string{"http://127.0.0.1:8300"}
	if err := agent.Validate(); err != nil {
		t.Error(err)
	}
}

// TestFileProblems checks that everything wrong with a file is told with its
// line and key, and what to do about it.
func TestFileProblems(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		got := strings.Split(checkText("f", []byte(text)).Error(), "\n")
		if len(got) != len(want) {
			t.Errorf("file\n%s\ngives %d problems, want %d:\n%s", text, len(got), len(want), strings.Join(got, "\n"))
			return
		}
		for i := range got {
			if !strings.HasPrefix(got[i], want[i]) {
				t.Errorf("file\n%s\ngives %q, want %q…", text, got[i], want[i])
			}
		}
	}
	f("", "")
	f("# nothing\n", "")
	f("server: {store: memory}", "")
	f("server:\n  store: memory\n  listne: x", `f:3: server.listne: unknown key; did you mean "listen"?`)
	f("server:\n  store: memory\n  spool: x", `f:3: server.spool: unknown key; it belongs in the section agent`)
	f("server:\n  store: memory\n  zzz: x", `f:3: server.zzz: unknown key; docs/operations.md lists`)
	f("sever:\n  store: memory", `f:1: sever: unknown section; did you mean "server"?`)
	f("server:\n  store: memroy", `f:2: server.store: "memroy" is not one of pebble, memory; did you mean "memory"?`)
	f("server:\n  store: memory\n  store: memory", "f:3: server.store: is given a second time; the first is on line 2")
	f("server:\n  store:", "f:2: server.store: has no value")
	f("server:\n  store: [a, b]", `f:2: server.store: "a,b" is not one of`)
	f("server:\n  store: {a: b}", "f:2: server.store: expected a value")
	f("server:\n  store: memory\n  limits: 5", "f:3: server.limits: expected keys and values")
	f("server:\n  store: memory\n  limits:\n    body_byte: 5", `f:4: server.limits.body_byte: unknown key; did you mean "limits.body_bytes"?`)
	f("server:\n  store: memory\n  limits:\n    body_bytes: 5 apples", `f:4: server.limits.body_bytes: "5 apples" is not a size`)
	f("server:\n  store: memory\n  limits:\n    ratio: 0", `f:4: server.limits.ratio: 0 is below the least allowed, 1`)
	f("server:\n  store: memory\n  limits:\n    in_flight_bytes: 1KiB", `f:4: server.limits.in_flight_bytes: 1KiB is less than limits.body_bytes, 64MiB`)
	f("server:\n  store: memory\n  gc_every: 5", `f:3: server.gc_every: "5" is not a duration: write a number and a unit`)
	f("server:\n  store: memory\n  insecure: maybe", `f:3: server.insecure: "maybe" is neither true nor false`)
	f("server:\n  store: memory\n  listen: 0.0.0.0:8300", `f:3: server.listen: "0.0.0.0:8300" can be reached from other machines`)
	f("server:\n  store: memory\n  listen: :8300", `f:3: server.listen: ":8300" can be reached from other machines`)
	f("server:\n  store: memory\n  listen: 0.0.0.0:8300\n  insecure: true", "")
	f("server:\n  store: memory\n  listen: 0.0.0.0:8300\n  tokens_file: t", "")
	f("server:\n  store: memory\n  listen: 8300", `f:3: server.listen: "8300" is not an address`)
	f("server:\n  store: memory\n  listen: 127.0.0.1:http", `f:3: server.listen: "http" is not a port`)
	f("server:\n  store: memory\n  tls_cert: c", "f: server.tls_key: is not set although tls_cert is")
	f("agent:\n  spool: s\n", "f: agent.servers: is not set")
	f("agent:\n  spool: s\n  servers: localhost:8300", `f:3: agent.servers: "localhost:8300" is not a URL`)
	f("agent:\n  spool: s\n  servers: 'http://h/x'", `f:3: agent.servers: "http://h/x" has more than`)
	f("agent:\n  spool: &a s\n  servers: *a", "f:3: agent.servers: YAML aliases are not supported")
	f("a:\n  - b\n c: d", "f:2: not YAML: did not find expected")
	f("- a", "f:1: expected keys and values")
	f("server: {store: memory}\n---\nserver: {}", "f:2: a second document begins here")
}

func TestFlagAndEnvironmentProblems(t *testing.T) {
	_, _, err := Sources{
		Env: env(map[string]string{"TABA_AGENT_SYNC": "alway", "TABA_AGENT_SPOOL": "s"}),
		Flag: func(name string) (string, bool) {
			return "banana", name == "retain-bytes"
		},
	}.Agent()
	want := `TABA_AGENT_SYNC: agent.sync: "alway" is not one of always, interval, never; did you mean "always"?
--retain-bytes: agent.retain_bytes: "banana" is not a size: write a number and a unit, such as 64MiB`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	_, _, err := Sources{File: path, Env: env(nil)}.Server()
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a missing file gives %v, want an error that names it", err)
	}
	if err := CheckFile(path); err == nil {
		t.Error("CheckFile finds nothing wrong with a missing file")
	}
}

func TestParseBytes(t *testing.T) {
	good := func(text string, want Bytes) {
		t.Helper()
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	good("0", 0)
	good("512", 512)
	good("512B", 512)
	good("64KiB", 64<<10)
	good("1.5 GiB", 3<<29)
	good("10MB", 10_000_000)
	bad := func(text string) {
		t.Helper()
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("ParseBytes(%q) = %d, want an error", text, got)
		}
	}
	bad("")
	bad("MiB")
	bad("-1")
	bad("5 apples")
	bad("NaN")
	bad("Inf")
	bad("9e30TiB")
	for _, b := range []Bytes{0, 1, 1023, 1024, 1536, 1 << 20, 3 << 40} {
		if got, err := ParseBytes(b.String()); err != nil || got != b {
			t.Errorf("ParseBytes(%q) = %d, %v, want %d", b.String(), got, err, b)
		}
	}
}

// TestKeysAreDeclaredWell holds every setting to the same form: help, a kind
// and a default that parses.
func TestKeysAreDeclaredWell(t *testing.T) {
	for _, section := range []string{SectionServer, SectionAgent} {
		seen := map[string]bool{}
		for _, k := range Keys(section) {
			if k.Name == "" || k.Help == "" || k.Kind == "" {
				t.Errorf("%s lacks a name, help or a kind: %+v", k.Path(), k)
			}
			if k.Default != "" && k.Check(k.Default) != nil {
				t.Errorf("%s: default: %v", k.Path(), k.Check(k.Default))
			}
			if seen[k.Flag()] {
				t.Errorf("two settings of %s have the flag --%s", section, k.Flag())
			}
			seen[k.Flag()] = true
		}
	}
	k, _ := findKey(SectionServer, "limits.body_bytes")
	if got := k.Flag() + " " + k.Env(); got != "limits-body-bytes TABA_SERVER_LIMITS_BODY_BYTES" {
		t.Errorf("flag and variable are %s", got)
	}
}

func TestSettingsHideSecrets(t *testing.T) {
	cfg, origins, _ := Sources{Env: env(map[string]string{"TABA_AGENT_TOKEN": "s3cret"})}.Agent()
	for _, s := range Settings(SectionAgent, &cfg, origins) {
		if strings.Contains(s.Value, "s3cret") {
			t.Errorf("%s shows the secret", s.Key.Path())
		}
		if s.Key.Name == "token" && (s.Value != "(hidden)" || s.Origin != "TABA_AGENT_TOKEN") {
			t.Errorf("token is %q from %q", s.Value, s.Origin)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		"", "server: {}", "server:\n  store: memory\n", "agent:\n  servers: [http://a:1, http://b:2]\n  spool: x\n",
		"server:\n  limits:\n    body_bytes: 1.5GiB\n", "server: &a\n  x: *a\n", "- 1", "a: {b: [c, {d: e}]}", "server:\n\t- x",
		"--- \n---\n", "? {a: b}\n: c", "server: !!binary aGk=", "server: null\nserver: null", "<<: {server: x}", "server:\n  listen: '[::1%eth0]:1'",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		problems := checkText("f", text)
		for _, p := range problems {
			if p.What == "" || !strings.HasPrefix(p.Where, "f") {
				t.Errorf("a problem without its place or its reason: %+v", p)
			}
		}
		parsed := parseFile("f", text)
		for section, values := range parsed.sections {
			for name := range values {
				if _, ok := findKey(section, name); !ok {
					t.Errorf("the file sets %s.%s, which does not exist", section, name)
				}
			}
		}
	})
}

func TestStatsdNeedsLoopbackOrInsecure(t *testing.T) {
	cfg := DefaultServerConfig()
	cfg.Store = "memory"
	cfg.Statsd.UDP, cfg.Statsd.TCP = []string{"127.0.0.1:8125", "[::1]:8125"}, []string{"localhost:0"}
	if err := cfg.Validate(); err != nil {
		t.Errorf("loopback: %v", err)
	}
	cfg.Statsd.UDP = []string{":8125"}
	cfg.TokensFile = "tokens"
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "statsd.udp") {
		t.Errorf("every address: %v, want a problem of statsd.udp", err)
	}
	cfg.Insecure = true
	if err := cfg.Validate(); err != nil {
		t.Errorf("insecure: %v", err)
	}
	cfg.Statsd.TCP = []string{"8125"}
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "statsd.tcp") {
		t.Errorf("no address: %v, want a problem of statsd.tcp", err)
	}
}
