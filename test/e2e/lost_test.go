package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/query"
	"github.com/tabaproject/taba/internal/redisrun"
)

// healedWithin is how long after all is well again nothing may be missing any
// more.
const healedWithin = time.Minute

// forgetful is a store on Redis that does not wait for its replica, a server on
// it and an agent.
type forgetful struct {
	t             *testing.T
	redis         *redisrun.Deployment
	server, agent *process
	acknowledged  int
}

func launchForgetful(t *testing.T, agent ...string) *forgetful {
	t.Helper()
	dir := scratch(t)
	d, err := redisrun.Run(t.Context(), dir, redisrun.Options{Shards: 1, Replicas: 1, VBuckets: 4, Down: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() }) // they are killed
	f := &forgetful{t: t, redis: d}
	f.server = launch(t, "server", "--name", "server", "--store", d.URL("wait=0", "timeout=2s"))
	f.agent = launch(t, append([]string{"agent", "--name", "agent", "--spool", filepath.Join(dir, "spool"), "--servers", f.server.url}, agent...)...)
	return f
}

// post posts some events of each tab to the agent and waits until the server has
// acknowledged them.
func (f *forgetful) post(rounds int) {
	f.t.Helper()
	var body strings.Builder
	body.WriteString("1\n\nclient\n\n")
	for i := range sharedTabs {
		fmt.Fprintf(&body, "lost.%d\n[\"TotalsCounter\", %d, \"1\"]\n\n", i, time.Now().Unix())
	}
	body.WriteString("\n")
	for range rounds {
		f.agent.mustPost("/post", http.Header{}, []byte(body.String()))
		f.acknowledged += sharedTabs
		f.delivered()
	}
}

func (f *forgetful) delivered() {
	f.t.Helper()
	eventually(f.t, "the server has acknowledged everything", func() bool { return f.status(f.agent).Spool.BacklogEvents == 0 })
}

func (f *forgetful) status(p *process) *query.Status {
	f.t.Helper()
	var st query.Status
	code, text := p.get("/v2/status", "application/json")
	if err := json.Unmarshal([]byte(text), &st); code != http.StatusOK || err != nil {
		f.t.Fatalf("/v2/status: %d %s", code, text)
	}
	return &st
}

// failover has the replica take over when it has missed what is posted by then,
// and the old master come back as its replica.
func (f *forgetful) failover(missed int) {
	f.t.Helper()
	shard := f.redis.Shards[0]
	master := shard.Master()
	replica := shard.Servers[0]
	if replica == master {
		replica = shard.Servers[1]
	}
	// It no longer gets in.
	for _, ask := range [][]string{{"CONFIG", "SET", "masterauth", "wrong"}, {"CONFIG", "SET", "masteruser", "nobody"}} {
		if _, err := replica.Ask(ask...); err != nil {
			f.t.Fatal(err)
		}
	}
	if _, err := master.Ask("CLIENT", "KILL", "TYPE", "replica"); err != nil {
		f.t.Fatal(err)
	}
	eventually(f.t, "the replica has lost its master", func() bool {
		return strings.Contains(replica.Try("INFO", "replication"), "master_link_status:down")
	})
	f.post(missed)
	master.Kill()
	eventually(f.t, "the replica takes over", func() bool { return shard.Master() == replica })
	if err := master.Start(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	eventually(f.t, "the old master follows", shard.InOrder)
}

var countLine = regexp.MustCompile(`"count": (\d+),`)

// counted is how many events the server counts.
func (f *forgetful) counted() (sum int) {
	code, text := f.server.get("/tabs?name=lost.*&re=1", "")
	if code != http.StatusOK {
		return -1
	}
	for _, m := range countLine.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		sum += n
	}
	return sum
}

// taba runs a command and returns what it says, and its exit code.
func taba(t *testing.T, args ...string) (string, int) {
	t.Helper()
	out, err := exec.Command(binary, args...).CombinedOutput()
	exit := (*exec.ExitError)(nil)
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

// says checks the rows of a table of keys and values.
func says(t *testing.T, text string, rows ...string) {
	t.Helper()
	for _, row := range rows {
		if !regexp.MustCompile(`(?m)` + row).MatchString(text) {
			t.Errorf("nothing says %q:\n%s", row, text)
		}
	}
}

// TestLossyFailoverIsMadeGood: a failover loses what was acknowledged, the agent sends
// it again, and everybody can see that it did.
func TestLossyFailoverIsMadeGood(t *testing.T) {
	t.Parallel()
	f := launchForgetful(t)
	f.post(2)
	f.failover(3)
	healed := time.Now()
	eventually(t, "everything is counted", func() bool { return f.counted() == f.acknowledged })
	took := time.Since(healed)
	if took > healedWithin {
		t.Errorf("something was missing for %v, at most %v is allowed", took, healedWithin)
	}
	eventually(t, "the server is told", func() bool { return f.status(f.server).Delivery.Restored > 0 })
	for _, p := range []*process{f.agent, f.server} {
		d := f.status(p).Delivery
		if d.Resent == 0 || d.ResentAt == 0 || d.Restored == 0 || d.Restored > uint64(f.acknowledged) || d.Lost+d.InDoubt+d.PostedLost > 0 {
			t.Errorf("%s tells %+v", p.args[0], d)
		}
		text, code := taba(t, "status", "--server", p.url)
		says(t, text, `sent again .*[1-9]\d* parts, last at .*the store had lost [1-9]\d* events`, `lost +.*nothing`)
		if code != 0 {
			t.Errorf("taba status ends with %d, want 0", code)
		}
	}
	t.Logf("%d events, equal %.1f s after healing; %+v", f.acknowledged, took.Seconds(), f.status(f.agent).Delivery)
}

// TestLossIsTold: a failover loses what the agent no longer holds. What is counted
// and what is said to be lost are together what was acknowledged.
func TestLossIsTold(t *testing.T) {
	t.Parallel()
	f := launchForgetful(t, "--retain-for", "1ms", "--retain-bytes", "1")
	f.post(2)
	f.failover(3)
	f.post(1)
	lost := func(p *process) int { return int(f.status(p).Delivery.Lost) }
	eventually(t, "what is lost is known", func() bool { return lost(f.agent) > 0 && f.counted()+lost(f.agent) == f.acknowledged })
	eventually(t, "the server is told", func() bool { return lost(f.server) == lost(f.agent) })
	text, code := taba(t, "status", "--server", f.agent.url)
	says(t, text, `health +.*partial`, fmt.Sprintf(`because +.*%d events are lost for certain, of vbucket`, lost(f.agent)))
	if code != 3 {
		t.Errorf("taba status at the agent ends with %d, want 3", code)
	}
	text, _ = taba(t, "status", "--server", f.server.url)
	says(t, text, fmt.Sprintf(`notice +.*agent at .* \(%d lost in vbucket`, lost(f.agent)))

	f.agent.restart() // it counts on
	f.post(1)
	eventually(t, "everything is accounted for after a kill", func() bool { return f.counted()+lost(f.agent) == f.acknowledged })

	n := lost(f.agent)
	if st := f.status(f.agent); st.Spool.LostWhere == "" || st.Delivery.InDoubt > 0 {
		t.Errorf("the agent tells %+v", st.Spool)
	}
	if _, text := f.agent.get("/metrics", ""); !strings.Contains(text, fmt.Sprintf("\ntaba_agent_lost_events_total %d\n", n)) ||
		!strings.Contains(text, `taba_agent_lost_vbucket_events_total{vbucket="`) {
		t.Errorf("metrics do not say that %d events are lost", n)
	}
	for _, p := range []*process{f.agent, f.server} {
		text, _ := taba(t, "status", "--server", p.url)
		says(t, text, fmt.Sprintf(`lost +.*\b%d events for certain in vbucket`, n))
	}
	t.Logf("of %d events %d are counted and %d lost", f.acknowledged, f.counted(), n)
}

// TestEveryServerTells: each of several servers with different roles lists all, and
// whoever asks one for what it does not do is told who does.
func TestEveryServerTells(t *testing.T) {
	t.Parallel()
	store := "redis://" + startRedis(t).addr
	roles := map[string]string{"front": "fe", "back": "be", "control": "ctrl"}
	at := map[string]*process{}
	for name, role := range roles {
		at[name] = launch(t, "server", "--store", store, "--name", name, "--roles", role)
	}
	f := &forgetful{t: t}
	for name, p := range at {
		var st *query.Status
		eventually(t, name+" knows all servers", func() bool { st = f.status(p); return len(st.Servers) == len(roles) })
		for _, s := range st.Servers {
			if other := at[s.Name]; other == nil || s.Address != other.url || strings.Join(s.Roles, ",") != roles[s.Name] || s.Self != (s.Name == name) {
				t.Errorf("%s lists %+v", name, s)
			}
		}
		text, code := taba(t, "status", "--server", p.url)
		says(t, text, `health +.*ok`, "control.*"+regexp.QuoteMeta(at["control"].url)+".*ctrl")
		if code != 0 {
			t.Errorf("taba status at %s ends with %d", name, code)
		}
	}
	for _, name := range []string{"front", "back"} {
		if code, _ := at[name].get("/v2/top", ""); code != http.StatusMisdirectedRequest {
			t.Errorf("/v2/top at %s: %d, want %d", name, code, http.StatusMisdirectedRequest)
		}
		for _, args := range [][]string{{"top"}, {"query", "count(x)"}, {"agg", "x"}} {
			text, code := taba(t, append(args, "--server", at[name].url)...)
			if code != 1 || !strings.Contains(text, "Turn to "+at["control"].url+", which has the role ctrl.") {
				t.Errorf("taba %s at %s ends with %d: %s", args[0], name, code, text)
			}
		}
	}
	at["control"].terminate()
	eventually(t, "it is said that nobody answers", func() bool {
		text, _ := taba(t, "top", "--server", at["front"].url)
		return strings.Contains(text, "none is there now that has it")
	})
}
