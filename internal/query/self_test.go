package query_test

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/query"
	"github.com/tabaproject/taba/internal/trail"
)

// explained is as much of an Explanation as tests compare.
type explained struct {
	Verdict, Summary string
	Traces           []struct{ Name, Kind, Step, Reason, Limit, Agent string }
	Near             []struct{ Name, State string }
	Agents           []struct{ Agent string }
	Watched          *struct {
		Received uint64 `json:"received_events"`
	}
}

func (s *server) explain(t testing.TB, name string) explained {
	t.Helper()
	return decode[explained](t, s.do(t, "GET /v2/explain?name="+url.QueryEscape(name), ""))
}

func note(kind trail.Kind, name, reason string) trail.Note {
	return trail.Note{Kind: kind, Door: trail.DoorV1, Name: name, Reason: reason, Client: "web-1", Events: 3}
}

func TestVerdicts(t *testing.T) {
	tr, atAgent := trail.New(trail.Options{}), trail.New(trail.Options{})
	s := start(t, mem(), func(o *query.Options) {
		o.Self = query.SelfOptions{Trail: tr, Agents: func() []query.AgentTraces {
			return []query.AgentTraces{{AgentState: query.AgentState{Name: "host:1"}, Traces: atAgent.All()}}
		}}
	})
	s.record(t, "CounterGroup bids_won@web-1 5 2", "CounterGroup clicks@web-1 5 2")
	tr.Note(note(trail.Refused, "clicks", "payload"))
	tr.Note(note(trail.Refused, "bid\xfflatency", "name"))
	tr.Note(note(trail.Moved, "too_many", "tabs"))
	atAgent.Note(note(trail.Refused, "views", "unknown_type"))
	request := note(trail.Refused, "", "malformed")
	request.Detail = "line 7 of the body, at impressions: a blank line has to follow"
	tr.Note(request)
	f := func(name, verdict, summary string) explained {
		t.Helper()
		x := s.explain(t, name)
		if x.Verdict != verdict || !strings.Contains(x.Summary, summary) {
			t.Errorf("%q: %s, %q; want %s, %q", name, x.Verdict, x.Summary, verdict, summary)
		}
		return x
	}
	f("bids_won", "served", "a CounterGroup of 1 client")
	f("clicks", "partly_refused", "does not fit its Type")
	f("bid\xfflatency", "refused", "a character that is not allowed")
	f(`bid\xfflatency`, "refused", "a character that is not allowed")
	if x := f("too_many", "moved", "limits.tabs"); x.Traces[0].Step != "folded" || x.Traces[0].Limit != "limits.tabs" {
		t.Errorf("traces are %+v", x.Traces)
	}
	if x := f("views", "refused", "at the agent host:1"); len(x.Agents) != 1 || x.Traces[0].Agent != "host:1" {
		t.Errorf("agents are %+v, traces %+v", x.Agents, x.Traces)
	}
	f("bidswon", "near", `did you mean "bids_won"?`)
	f("bid_latency", "near", `did you mean "bid\xfflatency", which is refused?`)
	f("impressions", "refused", "could not be read")
	f("nothing_like_it", "unknown", "was received by this server")
}

func TestWatchedNamesAreCounted(t *testing.T) {
	tr := trail.New(trail.Options{})
	s := start(t, mem(), func(o *query.Options) { o.Self = query.SelfOptions{Trail: tr} })
	if x := s.explain(t, "bids"); x.Watched != nil {
		t.Errorf("it is watched from the beginning: %+v", x.Watched)
	}
	s.do(t, "GET /v2/explain?name=bids&watch=1m", "")
	tr.Viewers().Event(1, &trail.Event{Name: "bids", Weight: 5})
	if x := s.explain(t, "bids"); x.Watched == nil || x.Watched.Received != 5 {
		t.Errorf("watched is %+v", x.Watched)
	}
	for _, long := range []string{"0s", "11m", "soon"} {
		if a := s.do(t, "GET /v2/explain?name=bids&watch="+long, ""); a.status != http.StatusBadRequest || !strings.Contains(a.body, "from 1s to 10m") {
			t.Errorf("watch=%s: %d %s", long, a.status, a.body)
		}
	}
}

func TestTailStreams(t *testing.T) {
	tr := trail.New(trail.Options{})
	s := start(t, mem(), func(o *query.Options) { o.Self = query.SelfOptions{Trail: tr} })
	d := describe(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", s.url+"/v2/tail?match=bid*&rate=2", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	x := &stream{t: t, resp: resp, lines: bufio.NewScanner(resp.Body)}
	x.next() // somebody looks from now on
	for i := range 5 {
		tr.Viewers().Event(1, &trail.Event{Door: "v1", Name: "bids", Type: "CounterGroup", Client: "c", Value: float64(i), Weight: 1})
	}
	got := ""
	for !strings.Contains(got, `"shown":2`) { // what waits to be shown is no more than of one second
		_, data := x.next()
		got += data
	}
	tr.Viewers().Event(2, &trail.Event{Door: "v2", Name: "bid\xff", Type: "Gauge", Client: "c", Text: []byte(`{"a": "\u00e4"}`), Weight: 1})
	for !strings.Contains(got, `bid\\xff`) || !strings.Contains(got, `"matched":6`) {
		name, data := x.next()
		if name != "events" {
			t.Fatalf("%s %s", name, data)
		}
		d.check(t, "/components/schemas/Tailed", data)
		got += data
	}
	if strings.Contains(got, `"value":2`) {
		t.Errorf("three of five are shown: %s", got)
	}
	s.query.EndLive()
	for name, _ := x.next(); name != "end"; name, _ = x.next() {
	}
	for params, want := range map[string]int{"match=a": http.StatusServiceUnavailable, "": http.StatusBadRequest, "match={": http.StatusBadRequest, "match=a&rate=0": http.StatusBadRequest} {
		if a := s.do(t, "GET /v2/tail?"+params, ""); a.status != want {
			t.Errorf("%s: %d %s, want %d", params, a.status, a.body, want)
		}
	}
}

// TestTop ranks as the same queries would.
func TestTop(t *testing.T) {
	s := auction(t)
	type ranking struct {
		Groups int
		Rows   []struct {
			Key           string
			Tabs, Clients int
			Events        *float64
			Bytes         int
		}
	}
	by := decode[ranking](t, s.do(t, "GET /v2/top?by=tab&sort=key&limit=1000", ""))
	if by.Groups != len(by.Rows) || by.Groups == 0 {
		t.Fatalf("%d of %d rows", len(by.Rows), by.Groups)
	}
	for _, r := range by.Rows {
		if r.Tabs != 1 || r.Clients < 1 || r.Bytes < 1 {
			t.Errorf("%+v", r)
		}
	}
	clients := decode[ranking](t, s.do(t, "GET /v2/top?by=client&sort=tabs", ""))
	for i, r := range clients.Rows {
		if r.Tabs != r.Clients || i > 0 && r.Tabs > clients.Rows[i-1].Tabs {
			t.Errorf("%+v after %+v", r, clients.Rows[max(i-1, 0)])
		}
	}
	for _, q := range []string{"by=client)", "match={", "sort=x", "limit=0"} {
		if a := s.do(t, "GET /v2/top?"+q, ""); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", q, a.status, a.body)
		}
	}
}
