package e2e

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tabaproject/taba/internal/redisrun"
	"github.com/tabaproject/taba/internal/verify"
)

// TestCareOfRedis does under load what docs/operations.md says of replicas and of
// upgrades: one is added, one is given up and comes back empty, and all servers
// and Sentinels are started anew, the master after a failover on request.
func TestCareOfRedis(t *testing.T) {
	t.Parallel()
	r := &rehearsal{t: t, dir: scratch(t)}
	r.redis = runDeployment(t, r.dir, 1)
	r.servers = launchShared(t, r.redis.URL("timeout=2s"), 2)
	agent := launch(t, "agent", "--servers", r.servers[0].url+","+r.servers[1].url, "--spool", filepath.Join(r.dir, "spool"))
	r.session = newSession(t, verify.Options{Server: r.servers[0].url, Agents: []string{agent.url}, Direct: true})
	underLoad(t, r.session, func() {
		r.addReplica()
		r.giveUp()
		r.upgrade()
	})
	row := mustVerify(t, r.session)
	for _, s := range r.servers {
		mustAudit(t, s)
	}
	t.Logf("%d events acknowledged, each counted once; of %d in doubt %d are counted", row.Acknowledged, row.InDoubt, row.DoubtCounted)
}

// addReplica: "start it empty as a replica of the master".
func (r *rehearsal) addReplica() {
	r.t.Helper()
	s := r.redis.Shards[0]
	added, err := redisrun.New("added", r.t.TempDir(), redisrun.Loopback, freePort(r.t), "--appendfsync", "always")
	if err != nil {
		r.t.Fatal(err)
	}
	file := filepath.Join(added.Dir, "redis.conf")
	if err := exec.Command("touch", file).Run(); err != nil {
		r.t.Fatal(err)
	}
	added.Args = append([]string{file}, added.Args...)
	r.t.Cleanup(func() { _ = added.Close() }) // it is killed
	r.mustStart(added)
	follow(r.t, added, s.Master())
	s.Servers = append(s.Servers, added)
	eventually(r.t, "Sentinels know the replica", s.InOrder)
	goesOn(r.t, r.session)
}

// giveUp: nothing is acknowledged while a replica is away, until it is given up
// with SENTINEL RESET; then it must come back empty.
func (r *rehearsal) giveUp() {
	r.t.Helper()
	s := r.redis.Shards[0]
	gone := r.replicas(s)[0]
	all := s.Servers
	gone.Kill()
	r.eachServer("nothing is acknowledged", http.StatusServiceUnavailable, "1 of 2 replicas follow, without "+gone.Addr)
	for _, x := range r.redis.Sentinels {
		if said := x.Try("SENTINEL", "RESET", s.Name); said != "1" {
			r.t.Errorf("SENTINEL RESET: %s", said)
		}
	}
	s.Servers = nil
	for _, x := range all {
		if x != gone {
			s.Servers = append(s.Servers, x)
		}
	}
	eventually(r.t, "Sentinels have given it up", s.InOrder)
	r.eachServer("it is acknowledged again", http.StatusOK, "")
	goesOn(r.t, r.session)

	r.moveAway(gone)
	r.mustStart(gone)
	follow(r.t, gone, s.Master())
	s.Servers = all
	eventually(r.t, "it is a replica again", s.InOrder)
	goesOn(r.t, r.session)
}

func (r *rehearsal) eachServer(what string, status int, text string) {
	r.t.Helper()
	for _, p := range r.servers {
		eventually(r.t, what, func() bool {
			got, said := p.get("/readyz", "")
			return got == status && strings.Contains(said, text)
		})
	}
}

// upgrade: the replicas first, then SENTINEL FAILOVER and the old master,
// Sentinels one at a time.
func (r *rehearsal) upgrade() {
	r.t.Helper()
	s := r.redis.Shards[0]
	old := s.Master()
	for _, x := range r.replicas(s) {
		r.replace(x)
	}
	eventually(r.t, "Sentinels see all of them", s.InOrder)
	if said := r.redis.Sentinels[0].Try("SENTINEL", "FAILOVER", s.Name); said != "OK" {
		r.t.Fatalf("SENTINEL FAILOVER: %s", said)
	}
	eventually(r.t, "another is the master", func() bool { return s.Master() != nil && s.Master() != old && s.InOrder() })
	goesOn(r.t, r.session)
	r.replace(old)
	eventually(r.t, "Sentinels see all of them", s.InOrder)
	for _, x := range r.redis.Sentinels {
		r.stopAndStart(x)
		x.Hasten()
		eventually(r.t, "Sentinels know each other", s.InOrder)
	}
	goesOn(r.t, r.session)
}

// replace stops a replica and starts it again, and waits until it follows and
// what it has is in its files.
func (r *rehearsal) replace(x *redisrun.Server) {
	r.t.Helper()
	r.stopAndStart(x)
	master := r.redis.Shards[0].Master()
	eventually(r.t, "a replica follows again", func() bool { return master.HasFollower(x) && x.Kept() })
	goesOn(r.t, r.session)
}

func (r *rehearsal) stopAndStart(x *redisrun.Server) {
	r.t.Helper()
	if err := x.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, "a server stops", func() bool { return !x.Running() })
	r.mustStart(x)
}
