package query_test

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// BenchmarkLive1000 commits and waits until each of 1,000 subscribers, all over
// connections of their own, has read the answer that has it. cpu-ms/update is
// the processor time that this takes, of the subscribers too: at one update a
// second, 100 would be a tenth of a processor.
func BenchmarkLive1000(b *testing.B) {
	s := start(b, mem())
	s.record(b, "PercentileGroup a@x 10 1")
	const subscribers = 1000
	at, err := url.Parse(s.url)
	if err != nil {
		b.Fatal(err)
	}
	var readers sync.WaitGroup
	got := make(chan string, subscribers)
	for range subscribers {
		conn, err := net.Dial("tcp", at.Host)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "GET /v2/live?q=count,p99(a)+last+10m HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
			b.Fatal(err)
		}
		readers.Go(func() {
			lines := bufio.NewScanner(conn)
			for lines.Scan() {
				if _, count, ok := strings.Cut(lines.Text(), `"values":{"count":`); ok {
					count, _, _ = strings.Cut(count, ",")
					got <- count
				}
			}
		})
	}
	wait := func(count string) {
		for n := 0; n < subscribers; {
			if <-got == count {
				n++
			}
		}
	}
	wait("1")
	before := processorTime()
	events := 1
	for b.Loop() {
		s.record(b, "PercentileGroup a@x 10 1")
		events++
		s.query.Committed()
		wait(fmt.Sprint(events))
	}
	b.ReportMetric(float64(processorTime()-before)/1e6/float64(b.N), "cpu-ms/update")
	s.query.EndLive()
	readers.Wait()
}
