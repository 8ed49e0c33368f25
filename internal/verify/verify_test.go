package verify

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/tabaproject/taba/internal/cli"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCellTellsHowOften holds the reading of a cell to its law: from count and
// total it finds how often each event was counted, or says that it cannot.
func TestCellTellsHowOften(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c cell
		var want [pageSize]uint8
		fits := true
		for i := range want {
			n := rapid.SampledFrom([]uint8{1, 1, 1, 0, 2, 3, 4, 5}).Draw(t, "times")
			want[i] = n
			fits = fits && n <= 3
			c.Count += uint64(n)
			c.Total += float64(n) * float64(weight(i))
		}
		got, legible := c.times()
		if legible != fits {
			t.Fatalf("%v: legible is %v", want, legible)
		}
		if fits && got != want {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// TestFaultsAreFound runs a Session against a server that makes one mistake.
// What it must not do is find nothing.
func TestFaultsAreFound(t *testing.T) {
	f := func(what string, fault *fault, want string) {
		t.Helper()
		r, err := runAgainst(t, fault)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		text := r.Text(cli.Output{})
		if r.OK() != (want == "") || !strings.Contains(text, want) {
			t.Errorf("%s: want …%s… in\n%s", what, want, text)
		}
	}
	f("no fault", &fault{}, "")
	f("an event is lost", &fault{post: 30, do: lose}, "the event of post 4 was acknowledged and is missing")
	f("an event is counted twice", &fault{post: 30, do: double}, "the event of post 4 is counted 2 times")
	f("an event is counted five times", &fault{post: 30, do: fivefold}, "which no choice of them gives")
	f("one is lost, another counted twice", &fault{post: 30, do: swap}, "is missing")
	f("an event nobody sent", &fault{post: 30, do: invent}, "counted 1 events that nobody sent")
	f("a post without an answer counts", &fault{post: 30, do: silent}, "")
	f("a post without an answer does not count", &fault{post: 30, do: drop}, "")
	f("a post without an answer counts twice", &fault{post: 30, do: silentDouble}, "is counted 2 times")
	f("reading back takes too long at first", &fault{post: -1, do: hang}, "")
	f("answers lag behind", &fault{post: 30, do: lag}, " 1 wrong answers") // what was there may be gone, or not there yet
}

func TestRefusalsEndTheRun(t *testing.T) {
	_, err := runAgainst(t, &fault{post: 30, do: refuse})
	if err == nil || !strings.Contains(err.Error(), "unknown_type=1") {
		t.Errorf("events refused with 200 give %v", err)
	}
	_, err = runAgainst(t, &fault{post: 30, do: forbid})
	if err == nil || !strings.Contains(err.Error(), "refuses this token") {
		t.Errorf("403 gives %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	srv := httptest.NewServer(nil)
	srv.Close()
	_, err := New(context.Background(), Options{Server: srv.URL})
	if _, ok := err.(*cli.UnreachableError); !ok {
		t.Errorf("a server that is not there gives %v", err)
	}
}

// runAgainst sends 60 posts of 3 events from one writer.
func runAgainst(t *testing.T, f *fault) (*Report, error) {
	t.Helper()
	srv := httptest.NewServer(&server{fault: f, cells: map[string]map[string]cell{}, lagged: make(chan struct{})})
	defer srv.Close()
	o := Options{Server: srv.URL, Writers: 1, PerPost: 3, Settle: 700 * time.Millisecond}
	if f.do == hang {
		o.Settle = 2 * time.Second
	}
	s, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Send(context.Background(), 180); err != nil {
		return nil, err
	}
	if f.do == hang {
		s.server.HTTP.Timeout = 150 * time.Millisecond
	}
	return s.ReadBack(context.Background())
}

// mistake is what a server does wrong with one post.
type mistake int

const (
	none mistake = iota
	lose
	double
	fivefold
	swap
	invent
	silent
	drop
	silentDouble
	lag
	refuse
	forbid
	hang
)

type fault struct {
	post int
	do   mistake
}

// server counts as a Taba server does, but for its fault.
type server struct {
	fault *fault

	lagged chan struct{} // closed when an answer has lagged behind

	mu    sync.Mutex
	posts int
	hangs int
	cells map[string]map[string]cell // by tab and client
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.hang(r) {
		<-r.Context().Done()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.URL.Path {
	case "/post":
		body, _ := io.ReadAll(r.Body)
		s.post(w, body)
	case "/tabs":
		tab := r.FormValue("name")
		var sum cell
		for _, c := range s.cells[tab] {
			sum.Count += c.Count
			sum.Total += c.Total
		}
		_ = json.NewEncoder(w).Encode(map[string]cell{tab: sum})
	case "/projection":
		s.projection(w, r.FormValue("name"), r.FormValue("client"))
	}
}

// patience is how often whoever reads everything back has to ask: more often
// than it can until a Session's time to settle is up.
const patience = 8

// hang reports whether a request is not to be answered.
func (s *server) hang(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault.do != hang || r.URL.Path != "/projection" || r.FormValue("client") != "" {
		return false
	}
	s.hangs++
	return s.hangs <= patience
}

func (s *server) projection(w io.Writer, tab, client string) {
	answer := map[string]map[string]cell{}
	if client != "" && s.fault.do == lag && s.posts == s.fault.post+1 {
		close(s.lagged)
		s.fault = &fault{}
		_ = json.NewEncoder(w).Encode(answer)
		return
	}
	for c, v := range s.cells[tab] {
		if client == "" || c == client {
			answer[c] = map[string]cell{tab: v}
		}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *server) post(w http.ResponseWriter, body []byte) {
	n := s.posts
	s.posts++
	do := none
	if n == s.fault.post {
		do = s.fault.do
	}
	switch do {
	case none:
		s.count(body, 1, 1)
	case lag: // the posts before this one were acknowledged
		s.mu.Unlock()
		<-s.lagged
		s.mu.Lock()
		s.count(body, 1, 1)
	case lose:
		s.count(body, 0, 1)
	case double:
		s.count(body, 2, 1)
	case fivefold:
		s.count(body, 5, 1)
	case swap:
		s.count(body, 0, 2)
	case invent:
		s.count(body, 1, 1)
		s.add("taba_verify", "stranger", 1, 1)
	case silent, drop, silentDouble:
		s.count(body, map[mistake]uint64{silent: 1, drop: 0, silentDouble: 2}[do], map[mistake]uint64{silent: 1, drop: 0, silentDouble: 1}[do])
		panic(http.ErrAbortHandler)
	case refuse:
		w.Header().Set("X-Taba-Refused", "unknown_type=1")
	case forbid:
		http.Error(w, "no", http.StatusForbidden)
	}
}

// count folds a body; first is how often its first event counts, rest how
// often the others do.
func (s *server) count(body []byte, first, rest uint64) {
	lines := bufio.NewScanner(bytes.NewReader(body))
	var client, tab string
	times := first
	for i := 0; lines.Scan(); i++ {
		line := lines.Text()
		var event []any
		switch {
		case i == 2:
			client = line
		case json.Unmarshal([]byte(line), &event) == nil && len(event) == 3:
			var value float64
			_, _ = fmt.Sscan(event[2].(string), &value)
			s.add(tab, client, times, value)
			times = rest
		case line != "":
			tab = line
		}
	}
}

func (s *server) add(tab, client string, times uint64, value float64) {
	if tab == "taba_verify" { // any tab of the run
		for tab = range s.cells {
			break
		}
	}
	if s.cells[tab] == nil {
		s.cells[tab] = map[string]cell{}
	}
	c := s.cells[tab][client]
	c.Count += times
	c.Total += value * float64(times)
	s.cells[tab][client] = c
}
