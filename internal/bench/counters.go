package bench

import (
	"bufio"
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"golang.org/x/sys/unix"

	"github.com/tabaproject/taba/internal/cli"
)

// Counters are what a process tells in /metrics, summed over labels.
type Counters map[string]float64

// Names in /metrics that reports are made of.
const (
	metricCPU      = "process_cpu_seconds_total"
	metricAllocs   = "go_memstats_mallocs_total"
	metricMutex    = "go_mutex_wait_seconds_total"
	metricReads    = "process_io_read_syscalls_total"
	metricWrites   = "process_io_write_syscalls_total"
	metricRSS      = "process_resident_memory_bytes"
	metricPeak     = "process_resident_memory_peak_bytes"
	metricSwitches = "taba_process_voluntary_switches_total"
	metricReceived = "taba_ingest_bytes_total"
	metricCopied   = "taba_ingest_copied_bytes_total"
	metricCommits  = "taba_commits_total"
	metricEvents   = "taba_events_appended_total"
	metricLines    = "taba_statsd_lines_total"
	metricLog      = "taba_log_bytes"
	metricRecords  = "taba_record_bytes"
)

func parseCounters(text []byte) Counters {
	c := Counters{}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		series, value, ok := strings.Cut(s.Text(), " ")
		if !ok || series == "#" {
			continue
		}
		name, _, _ := strings.Cut(series, "{")
		v, err := strconv.ParseFloat(value, 64)
		if err == nil {
			c[name] += v
		}
	}
	return c
}

// own is what this process counts: the sender.
func own() Counters {
	var b bytes.Buffer
	metrics.WriteProcessMetrics(&b)
	c := parseCounters(b.Bytes())
	c[metricCPU] = OwnCPU().Seconds() // finer than ticks
	c[metricSwitches] = float64(usage().Nvcsw)
	return c
}

// OwnCPU is the user and system time of this process.
func OwnCPU() time.Duration {
	u := usage()
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func usage() (u unix.Rusage) {
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u) // it fails for a wrong argument only
	return u
}

// since returns how much more there is than there was. What the process did
// not tell is not there.
func (c Counters) since(before Counters) Counters {
	d := Counters{}
	for name, v := range c {
		d[name] = v - before[name]
	}
	return d
}

// newClient asks on connections of its own, and not for compressed answers.
func newClient(url, token string) *cli.Client {
	const patience = 5 * time.Minute
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true
	return &cli.Client{URL: url, Token: token, HTTP: &http.Client{Transport: t, Timeout: patience}}
}
