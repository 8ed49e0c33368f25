package e2e

import (
	"bytes"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A body as one of the original's clients sends it, captured byte for byte
// but for its time, @NOW@, which has to be recent to be in the windows.
type capture struct {
	file   string
	header http.Header
}

var captures = map[string]capture{
	"python": {"python.body", http.Header{
		"User-Agent":      {"python-requests/2.2.1 CPython/2.7.6 Linux/3.13.0"},
		"Accept":          {"*/*"},
		"Accept-Encoding": {"gzip, deflate, compress"},
		"Content-Type":    nil,
	}},
	"java": {"java.body", http.Header{
		"User-Agent":   {"Apache-HttpClient/4.3.1 (java 1.5)"},
		"Content-Type": {"application/json; charset=ISO-8859-1"},
	}},
}

func (c capture) body(t *testing.T, now time.Time) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + c.file)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(text, []byte("@NOW@"), []byte(strconv.FormatInt(now.Unix(), 10)))
}

// The answers the original gave to these events.
const (
	window  = `{"count": 2, "total": 1100.00, "average": 550.00}`
	counter = `{"1m": ` + window + `, "10m": ` + window + `, "1h": ` + window + `, "1d": ` + window +
		`, "pct": {"count": 2, "total": 1100.000000, "pct": [100.00, 1000.00, 1000.00, 1000.00, 1000.00, 1000.00, 1000.00]}}`
)

var recorded = []struct{ path, accept, want string }{
	{"/clients", "", "example_client\n"},
	{"/clients", "text/plain", "example_client\n"},
	{"/clients", "application/json", `["example_client"]`},
	{"/names", "text/plain", "example_gauge\nexample_moving_counter\n"},
	{"/names", "application/json", `["example_gauge", "example_moving_counter"]`},
	{"/types", "text/plain", "example_gauge: Gauge\nexample_moving_counter: CounterGroup\n"},
	{"/types", "application/json", `{"example_gauge": "Gauge", "example_moving_counter": "CounterGroup"}`},
	{"/tabs?name=example_gauge", "text/plain", "example_gauge: {\"value\": 1}\n"},
	{"/tabs?name=example_gauge", "application/json", `{"example_gauge": {"value": 1}}`},
	{"/tabs?name=example_moving_counter", "text/plain", "example_moving_counter: " + counter + "\n"},
	{"/tabs?name=example_moving_counter", "application/json", `{"example_moving_counter": ` + counter + `}`},
	{"/tabs?client=example_client", "text/plain", "example_gauge: {\"value\": 1}\nexample_moving_counter: " + counter + "\n"},
	{"/projection?client=example_client", "text/plain",
		"(example_gauge, example_client): {\"value\": 1}\n(example_moving_counter, example_client): " + counter + "\n"},
	{"/supertabs?name=example_moving_counter", "text/plain", counter + "\n"},
	{"/supertabs?name=example_moving_counter", "application/json", counter},
}

// TestOriginalClients posts what the original's clients send, to a server, to
// a server compressed as the original's agent does, and to an agent, and
// compares the answers; then kills every process and compares again.
func TestOriginalClients(t *testing.T) {
	for client, c := range captures {
		t.Run(client+" to the server", func(t *testing.T) {
			server := launchServer(t, scratch(t))
			server.mustPost("/post", c.header, c.body(t, time.Now()))
			checkRecorded(t, server)
			server.restart()
			checkRecorded(t, server)
		})
		t.Run(client+" through the original's agent", func(t *testing.T) {
			server := launchServer(t, scratch(t))
			server.mustPost("/post_zip", nil, zipped(c.body(t, time.Now())))
			checkRecorded(t, server)
			server.restart()
			checkRecorded(t, server)
		})
		t.Run(client+" through the agent", func(t *testing.T) {
			dir := scratch(t)
			server := launchServer(t, dir)
			agent := launchAgent(t, dir, server)
			agent.mustPost("/post", c.header, c.body(t, time.Now()))
			eventually(t, "the agent forwards", func() bool {
				_, names := server.get("/names", "")
				return strings.Contains(names, "example_moving_counter")
			})
			checkRecorded(t, server)
			server.restart()
			agent.restart()
			checkRecorded(t, server)
		})
	}
}

func checkRecorded(t *testing.T, server *process) {
	t.Helper()
	for _, r := range recorded {
		server.want(r.path, r.accept, r.want)
	}
}
