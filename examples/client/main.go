// Command client is an application that tells Taba what it does: a bidder that
// takes part in auctions. Start an agent or a server, then
//
//	go run ./examples/client --url http://127.0.0.1:8279 --for 10s
//
// and look at the tabs bids_made, bids_won, winning_bid_price and
// build_version. A client is safe for concurrent use and never makes its
// callers wait.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	"github.com/tabaproject/taba"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("client", flag.ContinueOnError)
	url := flags.String("url", "http://127.0.0.1:8279", "an agent or a server")
	name := flags.String("client", "", "the name of this instance (default: host/program)")
	length := flags.Duration("for", 10*time.Second, "how long to bid")
	every := flags.Duration("every", 10*time.Millisecond, "the time between auctions")
	if err := flags.Parse(args); err != nil {
		return err
	}

	c := taba.New(taba.Config{
		URL:     *url,
		Client:  *name,
		OnError: func(err error) { fmt.Fprintln(os.Stderr, err) },
	})
	ctx, cancel := context.WithTimeout(ctx, *length)
	defer cancel()
	bid(ctx, newBidder(c), *every)

	// Send what is left; a program that skips this loses its last second.
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := c.Close(end)
	s := c.Stats()
	fmt.Fprintf(out, "%d events recorded, %d acknowledged, %d dropped\n", s.Recorded, s.Sent, s.DroppedTotal())
	return err
}

// bidder holds its handles: they are resolved once.
type bidder struct {
	made, won taba.Counter
	price     taba.Percentile
	spent     taba.Totals
}

func newBidder(c *taba.Client) *bidder {
	c.Gauge("build_version").Set("1.4.2")
	return &bidder{
		made:  c.Counter("bids_made"),
		won:   c.Counter("bids_won"),
		price: c.Percentile("winning_bid_price"),
		spent: c.Totals("spent"),
	}
}

// bid takes part in auctions until ctx ends.
func bid(ctx context.Context, b *bidder, every time.Duration) {
	auctions := time.NewTicker(every)
	defer auctions.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-auctions.C:
			b.auction()
		}
	}
}

func (b *bidder) auction() {
	b.made.Add(1)
	price := 0.5 + rand.ExpFloat64()
	if rand.IntN(3) > 0 {
		return // somebody paid more
	}
	b.won.Add(1)
	b.price.Record(price)
	b.spent.Add(price)
}
