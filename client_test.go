package taba_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tabaproject/taba"
	"github.com/tabaproject/taba/internal/wire"
)

func TestEveryHandle(t *testing.T) {
	a := &agent{}
	c := newClient(t, a, taba.Config{Token: "secret"})
	expiry := time.Unix(1900000000, 0)
	c.Counter("bids_won").Add(1)
	c.Counter("bids_won").Add(2.5)
	c.Percentile("price").Record(1.31)
	c.Totals("bytes").Add(1 << 40)
	c.Gauge("build").Set("v1.2 <&>")
	c.Gauge("size").Set(map[string]any{"b": 2, "a": []int{1}})
	c.Gauge("on").Set(true)
	c.GaugeUntil("leader").Set("me", expiry)
	c.Buffer("log").Push("line 1", expiry)
	c.Buffer("log").Push("line 2", expiry.Add(time.Millisecond))
	flush(t, c)
	wantEqual(t, "events", a.got(), strings.Join([]string{
		`test bids_won CounterGroup 1`,
		`test bids_won CounterGroup 2.5`,
		`test build Gauge "v1.2 <&>"`,
		`test bytes TotalsCounter 1099511627776`,
		`test leader ExpiryGauge ["me", 1900000000]`,
		`test log Buffer ["line 1", 1900000000]`,
		`test log Buffer ["line 2", 1900000000.001]`,
		`test on Gauge true`,
		`test price PercentileGroup 1.31`,
		`test size Gauge {"a": [1], "b": 2}`,
	}, "\n"))
	wantEqual(t, "path", a.request.URL.Path, "/v2/batch")
	wantEqual(t, "method", a.request.Method, http.MethodPost)
	wantEqual(t, "authorization", a.request.Header.Get("Authorization"), "Bearer secret")
	s := c.Stats()
	wantEqual(t, "sent", s.Sent, 10)
	wantEqual(t, "pending", s.Pending, 0)
	wantEqual(t, "buffered", s.BufferedBytes, 0)
	wantEqual(t, "requests", s.Requests, 1)
	now := float64(time.Now().UnixMilli()) / 1e3
	for tab, times := range a.times {
		for _, at := range times {
			if math.Abs(now-at) > 5 {
				t.Errorf("%s: the time is %v, now is %v", tab, at, now)
			}
		}
	}
}

func TestOnlyTheNewestGaugeIsSent(t *testing.T) {
	a := &agent{}
	c := newClient(t, a, taba.Config{})
	g, h := c.Gauge("build"), c.Gauge("other")
	for _, v := range []any{"v1", "v2", strings.Repeat("long", 100), "v3"} {
		g.Set(v)
		h.Set(1)
	}
	flush(t, c)
	g.Set("v4")
	flush(t, c)
	wantEqual(t, "events", a.got(), "test build Gauge \"v3\"\ntest build Gauge \"v4\"\ntest other Gauge 1")
	if times := a.times["build"]; times[0] >= times[1] {
		t.Errorf("times %v do not grow", times)
	}
	s := c.Stats()
	wantEqual(t, "superseded", s.Superseded, 6)
	wantEqual(t, "buffered", s.BufferedBytes, 0)
	balanced(t, s)
}

func TestNothingPanics(t *testing.T) {
	var none *taba.Client
	var zero taba.Client
	for _, c := range []*taba.Client{none, &zero} {
		c.Counter("a").Add(1)
		c.Percentile("a").Record(1)
		c.Totals("a").Add(1)
		c.Gauge("a").Set(1)
		c.GaugeUntil("a").Set(1, time.Now())
		c.Buffer("a").Push(1, time.Now())
		wantEqual(t, "recorded", c.Stats().Recorded, 0)
		if err := errors.Join(c.Flush(context.Background()), c.Close(context.Background())); err != nil {
			t.Error(err)
		}
	}
	taba.Counter{}.Add(1)
	taba.Percentile{}.Record(1)
	taba.Totals{}.Add(1)
	taba.Gauge{}.Set(1)
	taba.ExpiringGauge{}.Set(1, time.Now())
	taba.Buffer{}.Push(1, time.Now())
}

// panics is a value whose encoding panics.
type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("no luck") }

// hooks collects what a client tells.
type hooks struct {
	mu      sync.Mutex
	errs    []error
	dropped map[taba.DropReason]uint64
}

func (h *hooks) onError(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.errs = append(h.errs, err)
}

func (h *hooks) onDrop(n uint64, why taba.DropReason) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dropped == nil {
		h.dropped = make(map[taba.DropReason]uint64)
	}
	h.dropped[why] += n
}

// text is every error, one per line.
func (h *hooks) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := errors.Join(h.errs...); err != nil {
		return err.Error()
	}
	return ""
}

func TestBadNamesAndValuesAreDroppedAndReported(t *testing.T) {
	a, h := &agent{}, &hooks{}
	c := newClient(t, a, taba.Config{OnError: h.onError, OnDrop: h.onDrop})
	for range 3 {
		c.Counter("white space").Add(1)
		c.Counter("").Add(1)
		c.Counter(strings.Repeat("x", 513)).Add(1)
		c.Gauge("line\nend").Set(1)
	}
	c.Counter("ok").Add(math.NaN())
	c.Percentile("ok").Record(math.Inf(1))
	c.Gauge("g").Set(make(chan int))
	c.Gauge("g").Set(panics{})
	c.Gauge("g").Set(strings.Repeat("x", 1<<20))
	c.Gauge("g").Set(math.NaN())
	c.Buffer("b\x00").Push(1, time.Now())
	flush(t, c)
	const dropped = 3*4 + 2 + 4 + 1
	wantEqual(t, "events", a.got(), "test taba_client_dropped CounterGroup 19")
	wantEqual(t, "dropped", c.Stats().Dropped[taba.DropInvalid], dropped)
	wantEqual(t, "told", h.dropped[taba.DropInvalid], dropped)
	text := h.text()
	for want, times := range map[string]int{
		`"white space" has the byte ' '`: 1, `"" is empty`: 1, "has 513 bytes, the limit is 512": 1, `has the byte '\n'`: 1,
		"unsupported type: chan int": 1, "its encoding panics: no luck": 1, "the limit is 262144": 1, "unsupported value: NaN": 1, `\x00`: 2,
	} {
		if got := strings.Count(text, want); got != times {
			t.Errorf("%q was reported %d times, want %d:\n%s", want, got, times, text)
		}
	}
	balanced(t, c.Stats())
}

func TestBadConfigIsMendedAndReported(t *testing.T) {
	a, h := &agent{}, &hooks{}
	c := newClient(t, a, taba.Config{Client: "my host", Namespace: "x", OnError: h.onError})
	c.Counter("a").Add(1)
	flush(t, c)
	wantEqual(t, "events", a.got(), "my_host a CounterGroup 1")
	for _, want := range []string{"my_host", "Namespace is reserved"} {
		if !strings.Contains(h.text(), want) {
			t.Errorf("%q does not say %q", h.text(), want)
		}
	}
}

func TestTooManyNames(t *testing.T) {
	a, h := &agent{}, &hooks{}
	c := newClient(t, a, taba.Config{OnError: h.onError})
	name := func(i int) string {
		return "n" + string(rune('a'+i%26)) + strings.Repeat("x", i/26%400) + "." + string(rune('a'+i/26/400))
	}
	const limit = 1 << 16
	for i := range limit + 10 {
		c.Counter(name(i))
	}
	c.Counter("one.more").Add(1)
	flush(t, c)
	wantEqual(t, "events", a.got(), "test taba_client_dropped CounterGroup 1")
	wantEqual(t, "reports", strings.Count(h.text(), "more than 65536 names"), 1)
}

func TestRefusedEventsAreReported(t *testing.T) {
	for _, a := range []*agent{
		{header: map[string]string{"X-Taba-Refused": "payload=2 unknown_type=1; a:payload b:unknown_type"}, old: true},
		{reply: wire.AppendBatchReply(nil, &wire.BatchReply{Refused: []wire.Refused{
			{Reason: "payload", Events: 2, Tabs: []string{"a"}}, {Reason: "unknown_type", Events: 1, Tabs: []string{"b"}}}})},
	} {
		refusedEventsAreReported(t, a)
	}
}

func refusedEventsAreReported(t *testing.T, a *agent) {
	h := &hooks{}
	c := newClient(t, a, taba.Config{OnError: h.onError})
	for range 5 {
		c.Counter("a").Add(1)
	}
	if err := c.Flush(context.Background()); err == nil || !strings.Contains(err.Error(), "3 of 5 events were refused") {
		t.Errorf("Flush: %v", err)
	}
	s := c.Stats()
	wantEqual(t, "sent", s.Sent, 2)
	wantEqual(t, "refused", s.Refused, 3)
	balanced(t, s)
}

func TestConcurrentUse(t *testing.T) {
	const goroutines, each = 8, 5000
	a := &agent{}
	c := newClient(t, a, taba.Config{FlushEvery: time.Millisecond})
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := range each {
				c.Counter("n").Add(1)
				if i%100 == 0 {
					c.Gauge("g").Set(i)
					_ = c.Stats()
				}
				if i%1000 == 0 {
					_ = c.Flush(context.Background())
				}
			}
		})
	}
	wg.Wait()
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "numbers", strings.Count(a.got(), "test n CounterGroup 1"), goroutines*each)
	s := c.Stats()
	wantEqual(t, "dropped", s.DroppedTotal(), 0)
	wantEqual(t, "pending", s.Pending, 0)
	wantEqual(t, "recorded", s.Recorded, s.Sent+s.Superseded)
}

func TestCloseSendsWhatIsLeft(t *testing.T) {
	a := &agent{}
	c := newClient(t, a, taba.Config{FlushEvery: time.Hour})
	c.Counter("a").Add(1)
	c.Gauge("g").Set(1)
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "events", a.got(), "test a CounterGroup 1\ntest g Gauge 1")
	c.Counter("a").Add(1)
	c.Gauge("g").Set(1)
	wantEqual(t, "dropped", c.Stats().Dropped[taba.DropClosed], 2)
	if err := c.Flush(context.Background()); err == nil {
		t.Error("Flush after Close says nothing")
	}
	if err := c.Close(context.Background()); err != nil {
		t.Errorf("second Close: %v", err)
	}
	balanced(t, c.Stats())
}

func TestCloseHeedsItsDeadline(t *testing.T) {
	a := &agent{gate: make(chan struct{}), arrived: make(chan struct{}, 10)}
	c := newClient(t, a, taba.Config{})
	c.Counter("a").Add(1)
	c.Counter("b").Add(1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-a.arrived
		cancel()
	}()
	err := c.Close(ctx)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "2 events were not sent") {
		t.Errorf("Close: %v", err)
	}
	wantEqual(t, "dropped", c.Stats().Dropped[taba.DropClosed], 2)
	balanced(t, c.Stats())
}

func TestPanicOfAHookOrTransportIsContained(t *testing.T) {
	c := taba.New(taba.Config{
		HTTPClient: &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) { panic("transport") })},
		OnError:    func(error) { panic("hook") },
		OnDrop:     func(uint64, taba.DropReason) { panic("hook") },
	})
	c.Counter("a b").Add(1)
	c.Counter("a").Add(1)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); err == nil || !strings.Contains(err.Error(), "sending panics: transport") {
		t.Errorf("Close: %v", err)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
