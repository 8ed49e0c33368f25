package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestResolved(t *testing.T) {
	find := func(_ context.Context, host string) ([]string, error) {
		switch host {
		case "servers":
			return []string{"10.0.0.2", "10.0.0.1", "fd00::1"}, nil
		case "none":
			return nil, nil
		}
		return nil, errors.New("no such host")
	}
	f := func(servers string, want string, fails bool) {
		t.Helper()
		got, err := resolved(t.Context(), strings.Split(servers, " "), find)
		if !slices.Equal(got, strings.Split(want, " ")) || (err != nil) != fails {
			t.Errorf("%s: got %v, %v, want %s", servers, got, err, want)
		}
	}
	f("http://a:1 http://b:2", "http://a:1 http://b:2", false)
	f("dns+http://servers:8300", "http://10.0.0.1:8300 http://10.0.0.2:8300 http://[fd00::1]:8300", false)
	f("dns+http://servers:8300 http://10.0.0.1:8300 http://z:1", "http://10.0.0.1:8300 http://10.0.0.2:8300 http://[fd00::1]:8300 http://z:1", false)
	f("dns+http://none:8300", "http://none:8300", false)
	f("dns+http://gone:8300", "http://gone:8300", true)
}

func TestServersByNameAreChecked(t *testing.T) {
	f := func(server, want string) {
		t.Helper()
		cfg := DefaultAgentConfig()
		cfg.Spool, cfg.Servers = "spool", []string{server}
		err := cfg.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", server, err, want)
		}
	}
	f("dns+http://taba-servers:8300", "")
	f("dns+https://taba-servers:8300", "names no certificate")
	f("dns+http://taba-servers", "port")
	f("dns+taba-servers", "is not a URL")
}
