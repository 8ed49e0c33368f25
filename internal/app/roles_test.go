package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/member"
	"github.com/tabaproject/taba/internal/store"
)

// comes waits for a condition, for as long as a busy machine may take.
func comes(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !is(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// TestRoles: servers of one role each do together what one does alone, and
// each says whom to ask instead.
func TestRoles(t *testing.T) {
	url := "redis://" + startRedis(t) + "?vbuckets=4"
	fe, _ := serve(t, url, "front", "fe")
	be, _ := serve(t, url, "back", "be")
	ctrl, stop := serve(t, url, "control", "ctrl")
	all := []string{fe, be, ctrl}

	elsewhere := func(status int, text string, role string) {
		t.Helper()
		if status != http.StatusMisdirectedRequest || !strings.Contains(text, "has the role "+role) {
			t.Errorf("%d %q, want %d and the role %s", status, text, http.StatusMisdirectedRequest, role)
		}
	}
	for _, at := range []string{be, ctrl} {
		status, text := send(t, at, "c", "won")
		elsewhere(status, text, "fe")
		status, text = get(t, at+"/v2/stream")
		elsewhere(status, text, "fe")
	}
	for _, at := range []string{fe, be} {
		for _, path := range []string{"/tabs", "/names", "/recompute", "/delete?name=won", "/v2/query?q=won", "/v2/live?q=won", "/v2/check"} {
			status, text := get(t, at+path)
			elsewhere(status, text, "ctrl")
		}
	}
	var tabs []string
	for i := range 20 {
		tabs = append(tabs, fmt.Sprint("tab", i))
	}
	for range 3 {
		if status, text := send(t, fe, "c", tabs...); status != http.StatusOK {
			t.Fatal(status, text)
		}
	}
	if got := mustGet(t, ctrl+"/tabs?name=tab7"); !strings.Contains(got, `"count": 3, "total": 6.00`) {
		t.Errorf("got %s", got)
	}
	comes(t, "every server knows all", func() bool {
		return !slices.ContainsFunc(all, func(at string) bool {
			return mustGet(t, at+"/servers") != "back: ['be']\ncontrol: ['ctrl']\nfront: ['fe']\n"
		})
	})
	mustGet(t, ctrl+"/recompute") // a log this small is not compacted by itself
	comes(t, "the server for it compacts", func() bool {
		return strings.Contains(mustGet(t, be+"/metrics"), "taba_log_bytes{vbucket=\"3\"} 0\n")
	})
	if got := mustGet(t, ctrl+"/tabs?name=tab7"); !strings.Contains(got, `"count": 3, "total": 6.00`) {
		t.Errorf("compacted: got %s", got)
	}
	told := statusOf(t, fe)
	if got := slices.Sorted(maps.Keys(told.Servers)); !slices.Equal(got, []string{"back", "control", "front"}) {
		t.Errorf("/status knows of %v", got)
	}
	if back := told.Cluster.Servers[0]; back.Name != "back" || back.VBuckets != 4 || !strings.HasPrefix(back.Address, "http://127.0.0.1:") || back.Version == "" {
		t.Errorf("/status says %+v", back)
	}
	stop()
	comes(t, "who stops is out", func() bool { return mustGet(t, fe+"/servers") == "back: ['be']\nfront: ['fe']\n" })
}

// TestCommitsAreHeardOf: a server that only compacts finds out that others have
// filled the log, without being asked.
func TestCommitsAreHeardOf(t *testing.T) {
	url := "redis://" + startRedis(t) + "?vbuckets=1"
	fe, _ := serve(t, url, "front", "fe")
	be, _ := serve(t, url, "back", "be")
	logged := func() (n float64) {
		_, rest, _ := strings.Cut(mustGet(t, be+"/metrics"), "\ntaba_log_bytes{vbucket=\"0\"} ")
		_, _ = fmt.Sscan(rest, &n)
		return n
	}
	comes(t, "they know each other", func() bool { return strings.Count(mustGet(t, be+"/servers"), "\n") == 2 })
	const largest = 1 << 19
	for i := range 4 { // beyond what a log may have at least
		body := fmt.Sprintf("1\n\nclient\n\ntab%d\n[\"Gauge\", %d, \"\\\"%s\\\"\"]\n\n\n", i, time.Now().Unix(), strings.Repeat("x", largest))
		resp, err := http.Post(fe+"/post", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Taba-Refused") != "" {
			t.Fatal(resp.Status, resp.Header)
		}
	}
	comes(t, "the log is compacted", func() bool {
		records := strings.Contains(mustGet(t, be+"/metrics"), "taba_record_bytes{vbucket=\"0\"} 0\n")
		return logged() < 4*largest && !records // how much was there when it was heard of, chance says
	})
}

// TestReady: a store that takes nothing makes a server unready that takes
// events, and no other.
func TestReady(t *testing.T) {
	st := store.NewMem(store.MemOptions{})
	if err := st.Shutdown(); err != nil {
		t.Fatal(err)
	}
	for roles, ready := range map[string]bool{"fe": false, "fe,ctrl": false, "be": true, "be,ctrl": true} {
		s := &server{cfg: ServerConfig{Roles: strings.Split(roles, ",")}, store: st}
		if err := s.healthy(); (err == nil) != ready {
			t.Errorf("with the roles %s: %v", roles, err)
		}
	}
}

type statusAnswer struct {
	Servers map[string]any
	Cluster struct {
		Servers []struct {
			Name, Address, Version string
			Roles                  []string
			VBuckets               int
			Sent                   member.Reconciliation
		}
		Sent member.Reconciliation
	}
}

func statusOf(t *testing.T, url string) (s statusAnswer) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url+"/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRolesAreChecked(t *testing.T) {
	f := func(change func(*ServerConfig), want string) {
		t.Helper()
		cfg := DefaultServerConfig()
		cfg.Store = "redis://h"
		change(&cfg)
		err := cfg.Validate()
		if got := fmt.Sprint(err); want == "" && err != nil || !strings.Contains(got, want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
	roles := func(roles ...string) func(*ServerConfig) { return func(c *ServerConfig) { c.Roles = roles } }
	f(roles("be"), "")
	f(roles("ctrl", "fe"), "")
	f(roles(), "server.roles: is empty")
	f(roles("fe", "bee"), `knows no role "bee"; there are fe, be, ctrl; did you mean "be"?`)
	f(roles("fe", "be", "fe"), "names fe twice")
	f(func(c *ServerConfig) { c.Roles, c.Store = []string{"fe"}, "memory" }, "lacks be, but nobody else can share a store that is memory")
	f(func(c *ServerConfig) { c.Roles, c.Statsd.UDP = []string{"be"}, []string{"127.0.0.1:8125"} }, "lacks fe, but statsd")
	f(func(c *ServerConfig) { c.Address = "h:8300" }, "server.address")
	f(func(c *ServerConfig) { c.Address = "https://h:8300" }, "")
}
