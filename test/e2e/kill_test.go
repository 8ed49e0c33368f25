package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestAgentKeepsWhatItAcknowledged posts to an agent whose server is down,
// kills the agent, starts both again: everything is counted once.
func TestAgentKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	dir := scratch(t)
	server := launchServer(t, dir)
	agent := launchAgent(t, dir, server)
	agent.mustPost("/post", nil, totals("c1", 1))
	eventually(t, "the first event arrives", func() bool { return total(server) == "1" })
	server.kill()
	for range 10 {
		agent.mustPost("/post", nil, totals("c1", 1))
	}
	agent.restart()
	agent.mustPost("/post", nil, totals("c1", 1))
	server.start()
	eventually(t, "all 12 events arrive", func() bool { return total(server) == "12" })
	before := everything(server)
	agent.restart()
	server.restart()
	if after := everything(server); after != before {
		t.Errorf("answers changed by kill -9:\nbefore %s\nafter  %s", before, after)
	}
	agent.terminate()
	server.terminate()
	server.start()
	if after := everything(server); after != before {
		t.Errorf("answers changed by a stop in good order:\nbefore %s\nafter  %s", before, after)
	}
}

// TestServerKilledUnderDirectLoad posts to a server itself: what it acknowledged
// is there after kill -9.
func TestServerKilledUnderDirectLoad(t *testing.T) {
	t.Parallel()
	server := launchServer(t, scratch(t))
	for round := range 5 {
		for range 20 {
			server.mustPost("/post", nil, totals("direct", 1))
		}
		server.restart()
		if got, want := total(server), fmt.Sprint((round+1)*20); got != want {
			t.Fatalf("after kill -9 number %d: counted %s, want %s", round+1, got, want)
		}
	}
}

// totals is a body with one event of weight n that no window forgets.
func totals(client string, n int) []byte {
	return fmt.Appendf(nil, "1\n\n%s\n\nacknowledged\n[\"TotalsCounter\", %d, \"[%d]\"]\n\n\n", client, time.Now().Unix(), n)
}

// total is the number of acknowledged events the server has counted.
func total(server *process) string {
	_, text := server.get("/tabs?name=acknowledged", "")
	_, text, ok := strings.Cut(text, `{"count": `)
	if !ok {
		return "0"
	}
	n, _, _ := strings.Cut(text, ",")
	return n
}

func everything(server *process) string {
	_, tabs := server.get("/tabs", "application/json")
	_, projection := server.get("/projection", "application/json")
	_, names := server.get("/names", "")
	_, clients := server.get("/clients", "")
	return tabs + projection + names + clients
}
