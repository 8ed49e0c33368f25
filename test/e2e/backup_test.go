package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRestoreServer follows "Backup" and "Restoring" in docs/operations.md for a
// server with a store of its own: an agent that keeps what is acknowledged sends
// it again, one that does not says that it is lost, and nothing is doubled.
func TestRestoreServer(t *testing.T) {
	t.Parallel()
	dir := scratch(t)
	data, backup := filepath.Join(dir, "data"), filepath.Join(dir, "backup")
	server := launchServer(t, dir)
	keeps := launch(t, "agent", "--servers", server.url, "--spool", filepath.Join(dir, "keeps"), "--retain-stable")
	releases := launch(t, "agent", "--servers", server.url, "--spool", filepath.Join(dir, "releases"))
	copied := func(from, to string) {
		t.Helper()
		if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
			t.Fatalf("cp: %v %s", err, out)
		}
	}
	post := func(p *process, client string, times int) {
		t.Helper()
		for range times {
			p.mustPost("/post", nil, totals(client, 1))
		}
	}
	counted := func(what, want string) {
		t.Helper()
		eventually(t, what, func() bool { return total(server) == want })
	}
	post(keeps, "keeps", 10)
	post(releases, "releases", 10)
	counted("all is counted before the backup", "20")
	server.terminate()
	post(keeps, "keeps", 5) // agents spool
	copied(data, backup)
	server.start()
	post(releases, "releases", 7)
	counted("all is counted after the backup", "32")

	server.kill()
	if err := os.Rename(data, data+".lost"); err != nil {
		t.Fatal(err)
	}
	copied(backup, data)
	server.start()
	post(releases, "releases", 1)
	// Of what is newer than the backup the 5 events come again and the 7 do not.
	counted("what is kept is counted again", "26")
	eventually(t, "what is lost is said", func() bool { return strings.Contains(releases.said(t), releasedAndLost) })
	if strings.Contains(keeps.said(t), releasedAndLost) {
		t.Error("an agent that keeps everything says that events are lost")
	}
	keeps.restart()
	releases.restart()
	server.restart()
	counted("nothing is counted twice", "26")
	mustAudit(t, server)
}
