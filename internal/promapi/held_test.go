package promapi_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tabaproject/taba/state"
)

// payload takes one event with a payload of JSON.
func (s *server) payload(typ, tab, client string, age float64, payload string) {
	s.acc.Fold(now, "", typ, &state.Bundle{Tab: tab, Client: client, Events: []state.Event{{Time: now - age, JSON: []byte(payload)}}}, nil)
}

// gauges is a server with values of clients.
func gauges(t *testing.T) *server {
	s := start(t)
	s.payload("Gauge", "temp;room=a", "web-1", 7200, "20.5")
	s.payload("Gauge", "temp;room=a", "web-2", 60, "21")
	s.payload("Gauge", "temp;room=b", "web-2", 60, "true")
	s.payload("Gauge", "version", "web-1", 60, `"1.2.3"`)
	s.payload("Gauge", "version", "web-2", 60, `7`)
	s.payload("ExpiryGauge", "leases", "web-1", 60, fmt.Sprintf("[3, %d]", now+100))
	s.payload("ExpiryGauge", "leases", "web-2", 60, fmt.Sprintf("[4, %d]", now+5))
	for i, age := range []float64{500, 300, 300, 100} {
		s.payload("Buffer", "slow", "web-1", age, fmt.Sprintf("[%d, %d]", 10+i, now+1000-i))
	}
	s.payload("Buffer", "slow", "web-2", 200, fmt.Sprintf("[99, %d]", now+5))
	s.record(t, "CounterGroup temp.raised@web-1 5 1")
	return s
}

// TestGauges: what clients hold is a series of each, told apart whether that is
// demanded or not.
func TestGauges(t *testing.T) {
	s := gauges(t)
	f := func(query string, want ...string) {
		t.Helper()
		s.answers(t, query, want...)
	}
	a1, a2, b2 := `{"__name__":"temp","client":"web-1","room":"a"} 20.5`, `{"__name__":"temp","client":"web-2","room":"a"} 21`, `{"__name__":"temp","client":"web-2","room":"b"} 1`
	f(`temp`, a1, a2, b2)
	f(`temp{client=~".+"}`, a1, a2, b2)
	f(`temp{client!="web-1"}`, a2, b2)
	f(`temp{client="web-1"}`, a1)
	f(`temp{client=""}`)
	f(`temp{window="1m"}`)
	f(`max by (room) (temp)`, `{"room":"a"} 21`, `{"room":"b"} 1`)
	f(`temp offset 1h`, a1)
	f(`temp offset 3h`)
	f(`avg_over_time(temp{client="web-1"}[1h])`, `{"client":"web-1","room":"a"} 20.5`)
	f(`temp_count`, `{"__name__":"temp_count","room":"a"} 2`, `{"__name__":"temp_count","room":"b"} 1`)
	f(`rate(temp{client="web-1"}[5m])`, `{"client":"web-1","room":"a"} 0`)
	// Text is no number, and told so.
	f(`version`, `{"__name__":"version","client":"web-2"} 7`, `version: values that are no numbers are left out`)
	f(`leases`, `{"__name__":"leases","client":"web-1"} 3`, `{"__name__":"leases","client":"web-2"} 4`)
	f(`leases offset 1h`)
	// A list is of numbers at their times.
	f(`slow`, `{"__name__":"slow"} 13`)
	f(`slow{client=~".+"}`, `{"__name__":"slow","client":"web-1"} 13`, `{"__name__":"slow","client":"web-2"} 99`)
	f(`count_over_time(slow[10m])`, `{} 4`)
	f(`max_over_time(slow{client="web-1"}[10m])`, `{"client":"web-1"} 13`)
	f(`sum_over_time(slow{client="web-1"}[10m])`, `{"client":"web-1"} 34`)
	s.now = s.now.Add(6e9) // what has expired is gone
	f(`leases`, `{"__name__":"leases","client":"web-1"} 3`)
	f(`count_over_time(slow[10m])`, `{} 3`)
	if x := s.get(t, "/api/v1/query", "query", `sum by (client) (temp)`); len(x.Infos) > 0 {
		t.Errorf("%s", x.body)
	}
}

// TestGaugesAreListed: series, values of labels and metadata tell of them.
func TestGaugesAreListed(t *testing.T) {
	s := gauges(t)
	f := func(path, want string, params ...string) {
		t.Helper()
		if x := s.get(t, path, params...); string(x.Data) != want {
			t.Errorf("%s %v: %s, want %s", path, params, x.Data, want)
		}
	}
	a := `[{"__name__":"temp","client":"web-1","room":"a"},{"__name__":"temp","client":"web-2","room":"a"}]`
	f("/api/v1/series", a, "match[]", `{__name__="temp",room="a"}`)
	f("/api/v1/series", a, "match[]", `{__name__="temp",room="a",client=~".+"}`)
	f("/api/v1/series", `[{"__name__":"slow"},{"__name__":"slow_count"}]`, "match[]", `{__name__=~"slow.*"}`)
	f("/api/v1/series", `[{"__name__":"slow_count","client":"web-1"},{"__name__":"slow_count","client":"web-2"}]`, "match[]", `slow_count{client=~".+"}`)
	f("/api/v1/label/room/values", `["a","b"]`, "match[]", `temp`)
	f("/api/v1/label/client/values", `["web-2"]`, "match[]", `temp{room="b"}`)
	f("/api/v1/labels", `["__name__","client","room"]`, "match[]", `temp`)
	f("/api/v1/metadata", `{"temp":[{"type":"gauge","help":"the numbers that are held of temp, a Gauge","unit":""}]}`, "metric", "temp")
	f("/api/v1/metadata", `{"slow":[{"type":"gauge","help":"the numbers that are held of slow, a Buffer","unit":""}]}`, "metric", "slow")
	if x := s.get(t, "/api/v1/label/__name__/values"); !strings.Contains(string(x.Data), `"temp","temp_count","temp_raised:`) {
		t.Errorf("%s", x.Data)
	}
}

// TestGaugesOverTime: a client's newest value is told from its time on, at every
// moment, and nothing of what was before.
func TestGaugesOverTime(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := start(t)
		newest := map[string][2]float64{} // time and value by client
		for i := range rapid.IntRange(1, 8).Draw(r, "events") {
			client, age, value := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "client"), rapid.IntRange(0, 90000).Draw(r, "age")*10+i, rapid.IntRange(-5, 5).Draw(r, "value")
			s.fold("Gauge", "level", client, float64(age), float64(value))
			if old, found := newest[client]; age < 48*3600 && (!found || float64(now-age) > old[0]) {
				newest[client] = [2]float64{float64(now - age), float64(value)}
			}
		}
		s.commit(t)
		back := rapid.SampledFrom([]string{"", "1m", "30s"}).Draw(r, "lookback")
		step := rapid.SampledFrom([]int{7, 60, 900, 5000}).Draw(r, "step")
		end := now - rapid.IntRange(0, 200000).Draw(r, "end")
		x := s.get(t, "/api/v1/query_range", "query", "level", "start", strconv.Itoa(end-100*step), "end", strconv.Itoa(end), "step", strconv.Itoa(step), "lookback_delta", back)
		var answer result
		if err := json.Unmarshal(x.Data, &answer); err != nil {
			r.Fatal(x.body)
		}
		got := map[string]string{}
		for _, series := range answer.Result {
			for _, p := range series.Values {
				got[fmt.Sprintf("%s %.0f", series.Metric["client"], p[0])] = p[1].(string)
			}
		}
		want := 0
		for client, v := range newest {
			for at := end - 100*step; at <= end; at += step {
				if float64(at) < v[0] {
					continue
				}
				want++
				if key := fmt.Sprintf("%s %d", client, at); got[key] != fmt.Sprint(v[1]) {
					r.Fatalf("%s is %q, want %v", key, got[key], v[1])
				}
			}
		}
		if want != len(got) {
			r.Fatalf("there are %d points, want %d", len(got), want)
		}
	})
}
