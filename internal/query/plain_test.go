package query_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tabaproject/taba/web"
)

// TestHome asks for the page, or the plain one where none was bundled.
func TestHome(t *testing.T) {
	s := start(t, mem())
	want := `href="/plain/style.css"`
	if web.Built() {
		want = `src="/assets/`
	}
	for _, path := range []string{"/", "/ui/tab?name=x", "/ui/cluster"} {
		for _, accept := range []string{"text/html,application/xhtml+xml", "*/*"} {
			a := s.do(t, "GET "+path, "", "Accept: "+accept)
			if !web.Built() && a.status == 303 {
				a = s.do(t, "GET "+a.head.Get("Location"), "", "Accept: "+accept)
			}
			if a.status != 200 || !strings.Contains(a.body, want) {
				t.Errorf("%s as %s: %d %.80q", path, accept, a.status, a.body)
			}
			csp := a.head.Get("Content-Security-Policy")
			if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
				t.Errorf("Content-Security-Policy %q", csp)
			}
		}
		if a := s.do(t, "GET "+path, "", "Accept: text/plain"); a.status != 404 {
			t.Errorf("%s as text: %d, want 404 as in v1", path, a.status)
		}
		if a := s.do(t, "POST "+path, ""); a.status != 405 || a.head.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d, Allow %q", path, a.status, a.head.Get("Allow"))
		}
	}
}

func TestPlainPage(t *testing.T) {
	const script = `<img src=x onerror=alert(1)>`
	s := documented(t)
	s.record(t, `Gauge build@web-1 0 "v1"`, "CounterGroup "+strings.ReplaceAll(script, " ", "_")+"@"+"<b> 1 1")
	f := func(path string, status int, want ...string) {
		t.Helper()
		a := s.do(t, "GET "+path, "")
		if a.status != status || strings.Contains(a.body, "<img") || strings.Contains(a.body, "<b>") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		for _, text := range want {
			if !strings.Contains(a.body, text) {
				t.Errorf("%s lacks %q:\n%s", path, text, a.body)
			}
		}
	}
	f("/plain", 200, "taba_server.testhost.8300", " tabs, ", "Busiest in the last minute",
		`href="/plain/tab?name=bid_latency_ms%3bdc%3dus-east%3bexchange%3da"`, "CounterGroup", "&lt;img_src=x_onerror=alert(1)&gt;")
	f("/plain?find=latency", 200, "Tabs with “latency”", "bid_latency_ms;dc=eu-west;exchange=a")
	f("/plain?find=nosuch", 200, "There is none.")
	f("/plain/tab?name=bid_latency_ms", 200, "PercentileGroup", `<th scope="col" class="number">10m</th>`, "p99", "web-2")
	f("/plain/tab?name=bids_won", 200, "CounterGroup", "ever", "total")
	f("/plain/tab?name=build", 200, "Gauge", "v1", "web-1")
	f("/plain/tab?name=nosuch", 200, "There is no such tab.")
	f("/plain/tab?name="+url.QueryEscape("<img_src=x_onerror=alert(1)>"), 200, "&lt;img_src=x_onerror=alert(1)&gt;", "&lt;b&gt;")
	f("/plain/style.css", 200, "color-scheme")
	if a := s.do(t, "POST /plain", ""); a.status != 405 {
		t.Errorf("POST /plain: %d", a.status)
	}
}
