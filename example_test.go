package taba_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tabaproject/taba"
)

// Resolve handles once, record wherever something happens, and close the
// client at the end.
func Example() {
	agent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) // stands for the agent
	defer agent.Close()

	c := taba.New(taba.Config{URL: agent.URL, Client: "bidder-1"})
	won := c.Counter("bids_won")
	price := c.Percentile("winning_bid_price")

	won.Add(1)
	price.Record(1.31)

	if err := c.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(c.Stats().Sent, "events were acknowledged")
	// Output: 2 events were acknowledged
}

// A gauge holds a value, an expiring gauge until a given time, and a buffer
// keeps a list.
func ExampleClient_Gauge() {
	agent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer agent.Close()
	c := taba.New(taba.Config{URL: agent.URL})

	c.Gauge("build_version").Set("1.4.2")
	c.GaugeUntil("leader").Set("bidder-1", time.Now().Add(time.Minute))
	c.Buffer("last_errors").Push("timeout", time.Now().Add(time.Hour))

	fmt.Println(c.Close(context.Background()))
	// Output: <nil>
}

// What is dropped is told, never hidden.
func ExampleConfig_onDrop() {
	agent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer agent.Close()
	c := taba.New(taba.Config{
		URL:     agent.URL,
		OnDrop:  func(n uint64, why taba.DropReason) { fmt.Println(n, "dropped:", why) },
		OnError: func(err error) { fmt.Println(err) },
	})
	c.Counter("no blanks").Add(1)
	_ = c.Close(context.Background())
	// Output:
	// taba: tab name "no blanks" has the byte ' '; names are made of A-Z a-z 0-9 and ._~:/?@!$()*+;=-; its events are dropped
	// 1 dropped: invalid
}
