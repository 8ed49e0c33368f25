package statsd

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/trail"
)

// feed has a lane consume lines as of t0 plus some seconds.
func feed(d *Door, l *lane, after float64, lines ...string) {
	l.begin(t0 + after)
	l.consume([]byte(strings.Join(lines, "\n")), netip.Addr{})
	l.end()
}

// totals are what a CounterGroup with these totals of the last day shows.
func totals(tab string, n int, total float64) string {
	return fmt.Sprintf(`%s/CounterGroup here "count": %d, "total": %.2f, "average": %.2f`, tab, n, total, total/float64(n))
}

func TestMapping(t *testing.T) {
	s := newSink()
	s.types["known"] = "TotalsCounter"
	d := open(t, testOptions(s))
	feed(d, d.lane(), 0,
		"hits:1|c", "hits:1|c", "hits:2.5|c", "sampled:3|c|@0.1", "third:1|c|@0.3", "third:1|c|@0.3", "third:1|c|@0.3",
		"load:3|g", "load:7.5|g", "level:+3|g", "level:-1|g",
		"db:320|ms", "db:320|h", "db:-5|d|@0.5", "packed:1:2:3|h",
		"users:anna|s", "users:anna|s", "users:5|s",
		"tagged:1|c|#b:2,a:1", "tagged:1|c|#a:1,b:2", "several:1|c:2|c",
		"known:12|ms", "old:1|c|T1395954000", "future:1|c|T1995954000", "level2:4|g|T1395954000",
	)
	d.Stop()
	want := []string{
		`db/PercentileGroup here "count": 4, "total": 630.000000`,
		totals("future", 1, 1),
		totals("hits", 3, 4.5),
		`known/TotalsCounter here {"count": 1, "total": 12.00, "average": 12.00}`,
		`level/Gauge here {"2": 1}`,
		`level2/Gauge here {"4": 1}`,
		`load/Gauge here {"7.5": 1}`,
		totals("old", 1, 1),
		`packed/PercentileGroup here "count": 3, "total": 6.000000`,
		totals("sampled", 10, 30),
		totals("several", 2, 3),
		totals("tagged;a=1;b=2", 2, 2),
		totals("third", 10, 10), // three times 3.33
		`users/Unique here {"1m": 2, "10m": 2, "1h": 2, "1d": 2, "all": 2, "count": 3}`,
	}
	if got := s.dump(); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	for name, want := range map[string]string{"taba_statsd_clamped_values_total": "1", "taba_statsd_type_conflicts_total": "1", "taba_statsd_names": "14", "taba_statsd_lines_total": "25"} {
		if got := metric(t, d, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestGaugesChange(t *testing.T) {
	s := newSink()
	d := open(t, testOptions(s))
	l := d.lane()
	feed(d, l, 0, "level:10|g", "level:+5|g")
	s.await(t, `level/Gauge here {"15": 1}`)
	feed(d, l, 1, "level:-3|g", "level:-3|g")
	s.await(t, `level/Gauge here {"9": 1}`)
	feed(d, l, 2, "level:-3|g", "level:2|g", "level:+0.5|g")
	s.await(t, `level/Gauge here {"2.5": 1}`)
}

func TestGaugesWithSignsAreSet(t *testing.T) {
	s := newSink()
	o := testOptions(s)
	o.SetGauges = true
	d := open(t, o)
	feed(d, d.lane(), 0, "level:10|g", "level:-3|g")
	s.await(t, `level/Gauge here {"-3": 1}`)
}

// Every second is a batch of its own: windows tell seconds apart.
func TestSecondsAreApart(t *testing.T) {
	s := newSink()
	o := testOptions(s)
	ready := atomic.Bool{}
	o.Ready = func() error { // so that all is committed together
		if !ready.Load() {
			return errTest
		}
		return nil
	}
	d := open(t, o)
	l := d.lane()
	for i := range 100 {
		feed(d, l, float64(i), "hits:1|c")
	}
	ready.Store(true)
	d.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, clients := range s.all.Tabs {
		for _, st := range clients {
			got := string(st.Render(nil, t0+99, 0))
			if want := `{"1m": {"count": 60,`; !strings.HasPrefix(got, want) {
				t.Errorf("the last of 100 seconds are %s, want %s", got, want)
			}
		}
	}
}

func TestBadLines(t *testing.T) {
	s := newSink()
	s.types["messages"] = "Buffer"
	o := testOptions(s)
	o.Trail = trail.New(trail.Options{})
	d := open(t, o)
	feed(d, d.lane(), 0, "good:1|c", "bad", "bad:1|x", "", "bad:y|c", "bad:x|c", "_e{1,1}:a|b", "_sc|a|0", "users:|s", "bad:1|c|@7", "messages:5|g", "good:1|c")
	d.Stop()
	if got, want := s.dump(), totals("good", 2, 2); got != want {
		t.Errorf("committed %s, want %s", got, want)
	}
	var got []string
	for _, n := range o.Trail.All() {
		got = append(got, fmt.Sprint(n.Name, " ", n.Client, " ", n.Reason, " ", n.Events, " ", n.Detail))
	}
	slices.Sort(got)
	want := []string{
		"bad here no_value 1 bad", "bad here rate 1 bad:1|c|@7", "bad here type 1 bad:1|x", "bad here value 2 bad:x|c",
		"messages here payload 1 messages, a Buffer, does not take 5", "users here value 1 users:|s",
	}
	if !slices.Equal(got, want) {
		t.Errorf("noted\n%q\nwant\n%q", got, want)
	}
	for name, want := range map[string]string{
		`taba_statsd_refused_lines_total{reason="value"}`:         "3",
		`taba_statsd_refused_lines_total{reason="event"}`:         "1",
		`taba_statsd_refused_lines_total{reason="service_check"}`: "1",
		`taba_statsd_refused_events_total{reason="payload"}`:      "1",
	} {
		if got := metric(t, d, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// Names over the limit count in one tab; the others stay exact.
func TestNamesAreLimited(t *testing.T) {
	s := newSink()
	o := testOptions(s)
	o.Names = 10
	d := open(t, o)
	l := d.lane()
	for i := range 1000 {
		name := fmt.Sprint("random", i)
		feed(d, l, 0, "honest:2|c", name+":7|c|@0.5", name+"g:1|g", "honest:3|c")
	}
	d.Stop()
	// honest, and nine of the others: five counters and four gauges.
	got := s.dump()
	for _, want := range []string{
		totals("honest", 2000, 5000),
		strings.Replace(totals(OverflowTab, 995*2+996, 995*2+996), " here ", " statsd ", 1),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwithout\n%s", got, want)
		}
	}
	if n := strings.Count(got, "\n") + 1; n != 11 {
		t.Errorf("%d tabs, want 11", n)
	}
	if got := metric(t, d, `taba_statsd_overflow_values_total{reason="names"}`); got != "1991" {
		t.Errorf("%s values are over the limit, want 1991", got)
	}
}

// Names that are not used any more make place.
func TestNamesRest(t *testing.T) {
	s := newSink()
	n := newNames(2, s, noQuota{})
	get := func(tab string, now int64) *series {
		s, _ := n.get(seriesKey{"c", tab, 1}, now)
		return s
	}
	a, b := get("a", 0), get("b", 0)
	if get("c", 10) != n.overflow {
		t.Fatal("a third name has place")
	}
	a.used.Store(nameRests)
	if get("c", nameRests+1) == n.overflow {
		t.Error("a name that rests keeps its place")
	}
	if get("a", nameRests+2) != a || get("b", nameRests+2) == b {
		t.Error("another name than the one that rests was forgotten")
	}
}

func TestCacheIsBounded(t *testing.T) {
	s := newSink()
	o := testOptions(s)
	o.Names = 8
	d := open(t, o)
	l := d.lane()
	for i := range 200 { // spellings of one name
		feed(d, l, 0, fmt.Sprintf("hits:1|c|#a:%s", strings.Repeat(",", i)))
		l.mu.Lock()
		entries := l.cache.used
		l.mu.Unlock()
		if entries > 2*8+1 {
			t.Fatalf("%d entries", entries)
		}
	}
	d.Stop()
	if got, want := s.dump(), totals("hits;a=", 200, 200); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSampledLinesAreWeighed(t *testing.T) {
	for _, rate := range []float64{1, 0.75, 0.3, 0.07, 1e-9} {
		e := sample{inverse: 1 / rate}
		var sum float64
		for i := range 1000 {
			sum += float64(e.weigh())
			if want := float64(i+1) / rate; sum < want-0.6 || sum > want+0.6 {
				t.Fatalf("%d lines of rate %v stand for %v events, want %v", i+1, rate, sum, want)
			}
		}
	}
}

func TestOwners(t *testing.T) {
	f := func(client, addr, want string) {
		t.Helper()
		o := testOptions(newSink())
		o.Client = client
		d := open(t, o)
		var from netip.Addr
		if addr != "" {
			from = netip.MustParseAddr(addr)
		}
		if got := d.owner(from); got != want {
			t.Errorf("%q owns what %q sends, want %q", got, addr, want)
		}
	}
	f("", "", "here")
	f("", "127.0.0.1", "here")
	f("", "::1", "here")
	f("", "10.1.2.3", "10.1.2.3")
	f("", "fe80::1%eth0", "fe80::1")
	f("fleet", "10.1.2.3", "fleet")
}

// What cannot be committed now stays until it can, within the budget.
func TestStoreThatTakesNothing(t *testing.T) {
	s := newSink()
	o := testOptions(s)
	ready := atomic.Bool{}
	o.Ready = func() error {
		if ready.Load() {
			return nil
		}
		return errTest
	}
	d := open(t, o)
	l := d.lane()
	feed(d, l, 0, "hits:1|c")
	feed(d, l, 1, "hits:1|c")
	ready.Store(true)
	s.await(t, totals("hits", 2, 2))
}

func TestCommitThatFails(t *testing.T) {
	s := newSink()
	s.fail = errTest
	o := testOptions(s)
	d := open(t, o)
	feed(d, d.lane(), 0, "hits:1|c|@0.1", "hits:1|c")
	d.Stop()
	if got := metric(t, d, `taba_statsd_lost_events_total{reason="commit"}`); got != "11" {
		t.Errorf("%s events are lost, want 11", got)
	}
	if used := o.Budget.(*ingest.Budget).Used(); used != 0 {
		t.Errorf("%d bytes stay charged", used)
	}
}

func send(t *testing.T, network, addr string, packets ...string) {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, p := range packets {
		if _, err := conn.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
}

func frame(packet string) string {
	return string(binary.LittleEndian.AppendUint32(nil, uint32(len(packet)))) + packet
}

// Every kind of socket takes the same lines.
func TestSockets(t *testing.T) {
	s := newSink()
	d := open(t, testOptions(s))
	dir := t.TempDir()
	gram, stream := filepath.Join(dir, "gram"), filepath.Join(dir, "stream")
	udp, err := d.OpenUDP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := d.OpenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.OpenUnix(gram); err != nil {
		t.Fatal(err)
	}
	if err := d.OpenUnix("unixstream://" + stream); err != nil {
		t.Fatal(err)
	}
	send(t, "udp", udp, "udp:1|c\nudp:2|c\n", "udp:3|c")
	send(t, "tcp", tcp, "tcp:1|c\ntc", "p:2|c\ntcp:3|c")
	send(t, "unixgram", gram, "gram:1|c\ngram:2|c", "gram:3|c")
	send(t, "unix", stream, "lines:1|c\nlines:2|c\nlines:3", "|c\n")
	send(t, "unix", stream, frame("framed:1|c\nframed:2|c"), frame("framed:3|c\n")[:3], frame("framed:3|c\n")[3:])
	send(t, "unix", stream, "x:1|c")
	s.await(t, strings.Join([]string{
		totals("framed", 3, 6), totals("gram", 3, 6), totals("lines", 3, 6), totals("tcp", 3, 6), totals("udp", 3, 6), totals("x", 1, 1),
	}, "\n"))
	if got := metric(t, d, "taba_statsd_datagrams_total"); got != "4" {
		t.Errorf("%s datagrams, want 4", got)
	}
	if got := metric(t, d, fmt.Sprintf(`taba_statsd_receive_buffer_bytes{socket="0",address=%q}`, udp)); got == "0" {
		t.Error("the receive buffer was not read back")
	}
	if got := metric(t, d, `taba_statsd_dropped_datagrams_total{reason="kernel"}`); got != "0" {
		t.Errorf("%s datagrams are said to be dropped", got)
	}
}

// What had arrived before Stop is committed.
func TestStopDrains(t *testing.T) {
	s := newSink()
	d := open(t, testOptions(s))
	udp, err := d.OpenUDP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		send(t, "udp", udp, "hits:1|c\nhits:1|c")
	}
	d.Stop()
	if got, want := s.dump(), totals("hits", 400, 400); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestStaleSockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	s := newSink()
	d := open(t, testOptions(s))
	if err := d.OpenUnix(path); err == nil {
		t.Fatal("took a socket from a process that listens on it")
	}
	_ = conn.Close() // it leaves the socket
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	if err := d.OpenUnix(path); err != nil {
		t.Fatal(err)
	}
	send(t, "unixgram", path, "hits:1|c")
	s.await(t, totals("hits", 1, 1))
	d.Stop()
	if _, err := os.Stat(path); err == nil {
		t.Error("Stop leaves the socket")
	}
}

func TestLongLines(t *testing.T) {
	s := newSink()
	d := open(t, testOptions(s))
	tcp, err := d.OpenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	send(t, "tcp", tcp, "before:1|c\nx:1|c|#"+strings.Repeat("long", slabBytes)+"\nafter:1|c\n")
	s.await(t, totals("after", 1, 1)+"\n"+totals("before", 1, 1))
	if got := metric(t, d, `taba_statsd_refused_lines_total{reason="line_long"}`); got != "1" {
		t.Errorf("%s lines are too long, want 1", got)
	}
}

// While the budget is full, streams wait and datagrams are dropped.
func TestBackPressure(t *testing.T) {
	s := newSink()
	o := testOptions(s)
	budget := ingest.NewBudget(1 << 20)
	o.Budget = budget
	d := open(t, o)
	udp, err := d.OpenUDP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := d.OpenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	budget.Charge(1 << 20)
	send(t, "tcp", tcp, "stream:1|c\n")
	send(t, "udp", udp, "dropped:1|c")
	for metric(t, d, `taba_statsd_dropped_datagrams_total{reason="capacity"}`) == "0" {
		runtime.Gosched()
	}
	if got := s.dump(); got != "" {
		t.Errorf("over the budget, %s was committed", got)
	}
	budget.Charge(-1 << 20)
	s.await(t, totals("stream", 1, 1))
}
