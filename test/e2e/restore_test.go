package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/redisrun"
	"github.com/tabaproject/taba/internal/verify"
)

// TestRestoreCluster follows "Back up" and "Restore" in docs/operations.md word
// for word: one of two shards loses all its disks, then both do. Agents that keep
// what is acknowledged send it again, and everything acknowledged is counted
// once. One that does not loses what is newer than the backup, and says so.
func TestRestoreCluster(t *testing.T) {
	t.Parallel()
	r := rehearse(t)
	one, two := r.redis.Shards[0], r.redis.Shards[1]

	r.backUpUnderLoad()
	r.outage(func() {
		empty := r.lose(two)
		r.mustStart(empty)
		for _, s := range r.servers {
			eventually(t, "a server that runs refuses an empty Redis", func() bool {
				status, text := s.get("/readyz", "")
				return status == http.StatusServiceUnavailable && strings.Contains(text, "vbucket 8 is missing")
			})
		}
		r.stopServers()
		r.refuses("vbucket 8 is missing")

		r.restore(two, r.otherStore(), false)
		r.refuses("vbucket 8 is of store", "not of store "+r.identity)

		r.restore(two, r.backups[two], true)
	})
	r.lost(1, sharedTabs-1)

	r.backUpUnderLoad()
	r.outage(func() {
		r.stopServers()
		for _, s := range r.redis.Shards {
			r.mustStart(r.lose(s))
		}
		r.refuses("store "+r.identity+" is not there", "the server is empty")
		r.restore(one, r.backups[one], true)
		r.restore(two, r.backups[two], true)
	})
	r.lost(sharedTabs, sharedTabs)
}

// rehearsal is a cluster whose disks are lost, and what it was sent.
type rehearsal struct {
	t        *testing.T
	dir      string
	redis    *redisrun.Deployment
	servers  []*process
	agents   []*process // they keep what no failover can lose
	careless *process   // an agent that does not
	identity string
	backups  map[*redisrun.Shard]string
	session  *verify.Session // of what was sent before the disks were lost
	posts    int             // to the careless agent, an event of each tab
	gone     int             // of them, events that were lost so far
}

// distant is how long a Redis may be silent: nobody is to take over by himself.
const distant = time.Minute

func rehearse(t *testing.T) *rehearsal {
	t.Helper()
	r := &rehearsal{t: t, dir: scratch(t), backups: map[*redisrun.Shard]string{}}
	r.redis = runDeployment(t, r.dir, 2)
	r.servers = launchShared(t, r.redis.URL("timeout=2s"), 2)
	var urls []string
	for _, s := range r.servers {
		urls = append(urls, s.url)
	}
	agent := func(name string, args ...string) *process {
		return launch(t, append([]string{"agent", "--servers", strings.Join(urls, ","), "--spool", filepath.Join(r.dir, name)}, args...)...)
	}
	r.agents = []*process{agent("spool0", "--retain-stable"), agent("spool1", "--retain-stable")}
	r.careless = agent("spool2")
	m := regexp.MustCompile(`"the store is open" identity=([0-9a-f]{32})`).FindStringSubmatch(r.servers[0].said(t))
	if m == nil {
		t.Fatalf("a server does not say which store it has opened: %s", r.servers[0].said(t))
	}
	r.identity = m[1]
	return r
}

// runDeployment starts shards with a replica each, and Sentinels.
func runDeployment(t *testing.T, dir string, shards int) *redisrun.Deployment {
	t.Helper()
	d, err := redisrun.Run(t.Context(), dir, redisrun.Options{Shards: shards, Replicas: 1, VBuckets: sharedVBuckets, Down: distant})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() }) // they are killed
	return d
}

func (r *rehearsal) newSession() *verify.Session {
	r.t.Helper()
	return newSession(r.t, verify.Options{Server: r.servers[0].url, Agents: []string{r.agents[0].url, r.agents[1].url}})
}

// backUpUnderLoad backs the shards up at different moments, and has the agents
// send more after that, until they have nothing left to forward.
func (r *rehearsal) backUpUnderLoad() {
	r.t.Helper()
	r.post()
	r.session = r.newSession()
	underLoad(r.t, r.session, func() {
		for _, s := range r.redis.Shards {
			r.backUp(s)
			goesOn(r.t, r.session)
		}
		r.post()
	})
	r.forwarded(append(r.agents, r.careless)...)
	if kept := r.careless.metric("taba_agent_retained_bytes"); kept > 0 {
		r.t.Errorf("an agent keeps %.0f bytes that no failover can lose", kept)
	}
}

// post posts an event of every tab to the careless agent, which forwards them.
func (r *rehearsal) post() {
	r.t.Helper()
	fill(r.t, []*process{r.careless})
	r.posts++
	r.forwarded(r.careless)
}

func (r *rehearsal) forwarded(agents ...*process) {
	r.t.Helper()
	for _, a := range agents {
		eventually(r.t, "an agent has forwarded everything", func() bool { return a.metric("taba_agent_backlog_events") == 0 })
	}
}

// backUp is "Back up" in docs/operations.md.
func (r *rehearsal) backUp(s *redisrun.Shard) {
	r.t.Helper()
	replica := r.replicas(s)[0]
	asDocumented(r.t, "BGSAVE", of(replica)...)
	saved(r.t, replica)
	r.backups[s] = filepath.Join(r.dir, s.Name+".backup")
	asDocumented(r.t, "cp $DIR/dump.rdb $BACKUP", append(of(replica), "BACKUP="+r.backups[s])...)
}

func saved(t *testing.T, s *redisrun.Server) {
	t.Helper()
	eventually(t, "a backup is written", func() bool {
		info := s.Try("INFO", "persistence")
		return strings.Contains(info, "rdb_bgsave_in_progress:0\r") && strings.Contains(info, "rdb_last_bgsave_status:ok\r")
	})
}

func (r *rehearsal) replicas(s *redisrun.Shard) []*redisrun.Server {
	r.t.Helper()
	m := s.Master()
	if m == nil {
		r.t.Fatalf("Sentinels do not agree on the master of %s", s.Name)
	}
	return slices.DeleteFunc(slices.Clone(s.Servers), func(x *redisrun.Server) bool { return x == m })
}

// outage does f, at the end of which the shards are restored, starts the servers
// and compares what was sent before and meanwhile with what is counted.
func (r *rehearsal) outage(f func()) {
	t := r.t
	t.Helper()
	meanwhile := r.newSession()
	begun := time.Now()
	underLoad(t, meanwhile, func() {
		f()
		for _, s := range r.servers { // 7. Start the servers of Taba with `expect=IDENTITY`
			s.spawn()
		}
		for _, s := range r.servers {
			s.ready()
		}
		goesOn(t, meanwhile)
	})
	t.Logf("restored %.1f s after the disks were lost", time.Since(begun).Seconds())
	for _, s := range []*verify.Session{r.session, meanwhile} {
		row := mustVerify(t, s)
		t.Logf("%d events acknowledged, each counted once", row.Acknowledged)
	}
	for _, s := range r.servers {
		mustAudit(t, s)
	}
	for _, a := range r.agents {
		if a.metric("taba_agent_parts_resent_total") == 0 || strings.Contains(a.said(t), releasedAndLost) {
			t.Errorf("an agent that keeps everything sent nothing again, or says that events are lost")
		}
	}
}

// releasedAndLost is what an agent says of events that it cannot send again.
const releasedAndLost = "acknowledged Batches that were released"

// lost compares what the careless agent sent with what is counted: between so
// many of its last events are lost, each of another tab, and it says so.
func (r *rehearsal) lost(least, most int) {
	t := r.t
	t.Helper()
	r.post()
	want := fmt.Sprintf("at most one event of each tab is lost, %d to %d in all", least, most)
	lost := 0
	eventually(t, want, func() bool {
		lost = -r.gone
		for _, n := range r.counts() {
			lost += r.posts - n
		}
		return lost >= least && lost <= most
	})
	r.gone += lost
	if !strings.Contains(r.careless.said(t), releasedAndLost) {
		t.Error("an agent does not say that events are lost")
	}
	t.Logf("of an agent without retain_stable %d events are lost and reported", lost)
}

// counts is how often the events of each tab are counted.
func (r *rehearsal) counts() (list []int) {
	r.t.Helper()
	var tabs map[string]struct{ Count int }
	status, text := r.servers[0].get(`/tabs?name=divided\..*&re=1`, "application/json")
	if err := json.Unmarshal([]byte(text), &tabs); status != http.StatusOK || err != nil || len(tabs) != sharedTabs {
		r.t.Fatalf("%d %v: %d tabs: %s", status, err, len(tabs), text)
	}
	for _, tab := range tabs {
		list = append(list, tab.Count)
	}
	return list
}

// lose kills the servers of a shard, takes their disks, and returns the master.
func (r *rehearsal) lose(s *redisrun.Shard) *redisrun.Server {
	r.t.Helper()
	m := s.Master()
	if m == nil {
		r.t.Fatalf("Sentinels do not agree on the master of %s", s.Name)
	}
	r.moveAway(s.Servers...)
	return m
}

// moveAway kills servers and moves all away that they have but their logs.
func (r *rehearsal) moveAway(servers ...*redisrun.Server) {
	r.t.Helper()
	for _, s := range servers {
		s.Kill()
		away, err := os.MkdirTemp(r.dir, "away-")
		if err == nil {
			err = exec.Command("find", s.Dir, "-mindepth", "1", "-maxdepth", "1", "!", "-name", "*.log", "-exec", "mv", "{}", away, ";").Run()
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(s.Dir, "redis.conf"), nil, 0o600)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rehearsal) mustStart(s *redisrun.Server) {
	r.t.Helper()
	if err := s.Start(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// stopServers is step 1, and has the next start expect the store.
func (r *rehearsal) stopServers() {
	r.t.Helper()
	for _, s := range r.servers {
		s.terminate()
		at := slices.Index(s.args, "--store") + 1
		s.args[at] = r.redis.URL("timeout=2s", "expect="+r.identity)
	}
}

// refuses starts a server, which must say why it does not.
func (r *rehearsal) refuses(want ...string) {
	r.t.Helper()
	s := r.servers[0]
	before := len(s.said(r.t))
	s.spawn()
	eventually(r.t, "a server does not start", s.hasEnded)
	said := s.said(r.t)[before:]
	for _, w := range want {
		if !strings.Contains(said, w) {
			r.t.Errorf("a server that does not start says %q, want it to say %q", said, w)
		}
	}
}

// restore is steps 2 to 6 of "Restore" in docs/operations.md.
func (r *rehearsal) restore(s *redisrun.Shard, backup string, replicas bool) {
	t := r.t
	t.Helper()
	for _, x := range r.redis.Sentinels { // 2. Have every Sentinel forget the shard
		asDocumented(t, "SENTINEL REMOVE", append(of(x), "NAME="+s.Name)...)
	}
	r.moveAway(s.Servers...) // 3. Stop all servers of the shard, and move their directories away
	master := s.Servers[0]
	for _, line := range []string{"mkdir -p $DIR", "cp $BACKUP $DIR", "seq 1 type b"} { // 4. Put the backup into the empty directory
		asDocumented(t, line, append(of(master), "BACKUP="+backup)...)
	}
	r.mustStart(master)
	if n := master.Try("DBSIZE"); n == "0" {
		t.Error("a server that was given a backup is empty")
	}
	where := []string{"MASTER=" + master.IP, "MASTER_PORT=" + master.Port}
	if replicas { // 5. Start its replicas with empty directories
		for _, x := range s.Servers[1:] {
			r.mustStart(x)
			follow(t, x, master)
		}
	}
	for _, x := range r.redis.Sentinels { // 6. Tell every Sentinel of the master
		for _, line := range []string{"SENTINEL MONITOR", "SENTINEL SET"} {
			asDocumented(t, line, append(append(of(x), "NAME="+s.Name), where...)...)
		}
		x.Try("SENTINEL", "SET", s.Name, "down-after-milliseconds", fmt.Sprint(distant.Milliseconds()))
	}
	if replicas {
		eventually(t, "Sentinels see all of "+s.Name, s.InOrder)
	}
}

// follow makes an empty server a replica and waits until it has everything.
func follow(t *testing.T, s, master *redisrun.Server) {
	t.Helper()
	for _, line := range []string{"REPLICAOF $MASTER", "CONFIG REWRITE"} {
		asDocumented(t, line, append(of(s), "MASTER="+master.IP, "MASTER_PORT="+master.Port)...)
	}
	eventually(t, "a replica follows", func() bool { return master.HasFollower(s) && s.Kept() })
}

// otherStore is a backup of a store that has nothing to do with this one.
func (r *rehearsal) otherStore() string {
	r.t.Helper()
	other := startRedis(r.t)
	launch(r.t, "server", "--store", fmt.Sprintf("redis://%s?vbuckets=%d", other.addr, sharedVBuckets)).terminate()
	asDocumented(r.t, "BGSAVE", of(other.Server)...)
	saved(r.t, other.Server)
	return filepath.Join(other.Dir, "dump.rdb")
}

// said is all that the process has logged.
func (p *process) said(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(p.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// of is what a documented line is told of the server it is for.
func of(s *redisrun.Server) []string {
	return []string{"HOST=" + s.IP, "PORT=" + s.Port, "DIR=" + s.Dir}
}

// asDocumented runs the one line of commands in docs/operations.md that has a
// text, as a person does who has set its variables.
func asDocumented(t *testing.T, text string, env ...string) {
	t.Helper()
	doc, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(doc)) {
		if strings.HasPrefix(line, "    ") && strings.Contains(line, text) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) != 1 {
		t.Fatalf("docs/operations.md has %d lines of commands with %q, want one: %q", len(lines), text, lines)
	}
	if _, err := exec.LookPath("redis-cli"); err != nil {
		lines[0] = strings.Replace(lines[0], "redis-cli", "valkey-cli", 1)
	}
	cmd := exec.Command("sh", "-euc", lines[0])
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil || strings.HasPrefix(string(out), "ERR ") || strings.HasPrefix(string(out), "NOAUTH ") {
		t.Fatalf("%s: %v\n%s", lines[0], err, out)
	}
}
