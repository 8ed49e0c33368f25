package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/ingest/ingesttest"
)

const (
	desk  = 1280 // pixels, the width of a window
	tall  = 900
	phone = 390
)

// TestOverview: how much comes in, and which tabs get most of it.
func TestOverview(t *testing.T) {
	p := look(t, demo, "/", desk, tall)
	p.sees(".tile", "Events per second")
	p.until(`parseFloat(document.querySelector(".tile b").innerText.replaceAll(",", "")) > 100`)
	p.sees("table", "bid_requests")
	p.sees(".tile", "ok")
	p.until(`document.querySelector(".state").dataset.state === "live"`)
	p.until(`document.querySelector("svg.spark path")?.getAttribute("d").includes("L")`)
	p.shot("overview")
}

// TestSearch types, and opens what is found with the keyboard alone.
func TestSearch(t *testing.T) {
	p := look(t, demo, "/", desk, tall)
	p.sees("table", "bid_latency_ms")
	p.press("/", "l", "a", "t", "e", "n")
	p.sees("#hits li", "bid_latency_ms")
	p.shot("search")
	p.press(enter)
	p.until(`location.pathname === "/ui/tab" && new URLSearchParams(location.search).get("name") === "bid_latency_ms"`)
	p.sees("h1", "bid_latency_ms")
	p.press("/", "b", "i", "d", "d", "e", "r", "-", "e")
	p.sees("#hits li", "bidder-eu-west-000")
	p.press(escape)
	p.until(`document.querySelector("#hits").hidden && document.activeElement === document.body`)
}

// TestTab sees its numbers change, follows a link to a client, and comes back.
func TestTab(t *testing.T) {
	p := look(t, demo, "/ui/tab?name=bid_latency_ms", desk, tall)
	p.sees("table", "p99")
	const cell = `[...document.querySelectorAll("tr")].find(r => r.cells[0]?.innerText === "Count").cells[1].innerText`
	before := value[string](p, cell)
	p.until(fmt.Sprintf(`%s !== %q`, cell, before))
	p.until(`document.querySelectorAll("canvas").length === 2`)
	p.until(`document.querySelectorAll(".histogram rect").length > 10`)
	p.until(`[...document.querySelectorAll(".legend b")].every(b => b.innerText !== "–")`)
	p.do(chromedp.SendKeys(chromedp.CSS(`input[aria-label^="Another percentile"]`), "97.5"+enter))
	p.sees(".shape table", "p97.5")
	p.shot("tab")
	p.press(escape, "2")
	p.until(`location.search.includes("last=1h")`)
	p.click(`main a[href^="/ui/client?"]`)
	p.sees("h1", "bidder-")
	p.sees("table", "bid_latency_ms")
	p.shot("client")
	p.do(chromedp.NavigateBack())
	p.sees("h1", "bid_latency_ms")
	p.until(`location.search.includes("last=1h")`)
}

// TestEveryType opens a tab of each Type: each shows what it tells.
func TestEveryType(t *testing.T) {
	demo.post(t, "web-1", "users", event("Unique", "1"), event("Unique", "2"))
	for tab, want := range map[string]string{
		"bids_won": "Events per second", "spend_usd": "Total", "creative_bytes": "Distribution, of all time", "build_version": "4.",
		"zone_leader": "eu-west", "recent_errors": "Latest values", "users": "Different values", "winning_bid_price": "p90",
	} {
		t.Run(tab, func(t *testing.T) {
			p := look(t, demo, "/ui/tab?name="+tab, desk, tall)
			p.sees("section", want)
			p.sees("section", "Clients")
			p.until(`[...document.querySelectorAll("main .problem")].every(e => e.hidden)`)
			p.until(`[...document.querySelectorAll(".panel:not([hidden]) .body")].every(e => e.innerText !== "…")`)
			p.shot(tab)
		})
	}
}

// TestTags groups by a tag, and goes down into one of its values.
func TestTags(t *testing.T) {
	for i, tags := range []string{"dc=us;host=a", "dc=us;host=b", "dc=eu;host=c"} {
		demo.post(t, fmt.Sprintf("web-%d", i), "page_ms;"+tags, event("PercentileGroup", fmt.Sprint(10*(i+1))), event("PercentileGroup", "7"))
	}
	p := look(t, demo, "/ui/tab?name=page_ms", desk, tall)
	p.sees(".choice", "host")
	p.sees("section table", "eu")
	p.sees(".type", "3 tabs")
	p.shot("tags")
	p.click(`a[href*="where=dc%3Dus"]`)
	p.sees(".type", "2 tabs")
	p.sees(".chips", "us")
	p.shot("where")
}

// TestCluster sees servers, agents, the store and what an event costs.
func TestCluster(t *testing.T) {
	demo.refuse(t)
	p := look(t, demo, "/ui/cluster", desk, tall)
	p.sees("section", "taba_server")
	p.sees("section", "Context switches")
	p.sees("section", "pebble")
	p.sees("section", "parts")
	p.until(`[...document.querySelectorAll("section")].find(s => s.innerText.startsWith("Refused")).querySelectorAll("tbody tr").length > 0`)
	p.shot("cluster")
}

// refuse has the server refuse something.
func (s *server) refuse(t *testing.T) {
	t.Helper()
	s.post(t, "web-1", "of_no_type", event("NoSuchType", "1"))
}

// TestExplain asks about a tab that counts, one that is misspelt and one that was
// refused.
func TestExplain(t *testing.T) {
	p := look(t, demo, "/ui/explain", desk, tall)
	p.press("b", "i", "d", "s", "_", "w", "o", "n", enter)
	p.sees(".verdict", "It counts")
	p.sees(".steps", "served")
	p.shot("explain")
	p.open("/ui/explain?name=bids_wonn")
	p.sees(".verdict", "others like it")
	p.sees("table", "bids_won")
	p.shot("explain-near")
	demo.refuse(t)
	p.open("/ui/explain?name=of_no_type")
	p.sees(".verdict", "It is refused")
	p.sees(".traces", "What to do")
	p.shot("explain-refused")
	p.open("/ui/tab?name=nosuch")
	p.sees("main", "There is no such tab yet")
	p.click(`main a[href^="/ui/explain"]`)
	p.sees(".verdict", "Never seen")
}

// TestAppears: a tab that is not there shows up when its first event has come.
func TestAppears(t *testing.T) {
	p := look(t, demo, "/ui/tab?name=just_now", desk, tall)
	p.sees("main", "There is no such tab yet")
	demo.post(t, "web-1", "just_now", event("CounterGroup", "42"))
	p.sees("table", "42")
}

// TestNamesAreData: a name that is markup is shown as it is, everywhere.
func TestNamesAreData(t *testing.T) {
	const name = `<img src=x onerror=alert(1)>`
	const client = `<script>alert(2)</script>"'&`
	demo.post(t, client, name, event("CounterGroup", "1"), event("CounterGroup", "1"))
	p := look(t, demo, "/ui/tab?name="+escaped(name), desk, tall)
	p.sees("h1", name)
	p.sees("table", client)
	p.shot("markup")
	for _, path := range []string{"/ui/tabs", "/ui/tabs?find=" + escaped("<img"), "/ui/explain?name=" + escaped(name), "/ui/client?name=" + escaped(client)} {
		p.open(path)
		p.sees("main", name)
	}
	p.press("/")
	p.do(chromedp.SendKeys(chromedp.CSS(".search input"), "<img"))
	p.sees("#hits li", name)
	if n := value[int](p, `document.querySelectorAll("img, main script").length`); n != 0 {
		t.Errorf("%d elements were made of names", n)
	}
}

// TestDark: as the system has it, and as a person chooses.
func TestDark(t *testing.T) {
	dark := call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
	p := look(t, demo, "/ui/tab?name=bid_latency_ms", desk, tall, dark)
	const lightness = `getComputedStyle(document.body).backgroundColor.match(/\d+/g).reduce((a, b) => a + +b, 0)`
	p.until(lightness + " < 150")
	p.until(`document.querySelectorAll("canvas").length === 2`)
	p.sees("table", "p99")
	p.shot("dark")
	p.click("button.theme")
	p.until(lightness + " > 600")
	p.do(chromedp.Reload())
	p.until(lightness + " > 600")
	p.press("d")
	p.until(lightness + " < 150")
}

// TestPhone: nothing is wider than the window.
func TestPhone(t *testing.T) {
	p := look(t, demo, "/", phone, 844)
	p.sees("table", "bid_requests")
	p.until(`parseFloat(document.querySelector(".tile b").innerText.replaceAll(",", "")) > 0`)
	p.shot("phone-overview")
	for name, path := range map[string]string{
		"tab": "/ui/tab?name=bid_latency_ms", "cluster": "/ui/cluster", "explain": "/ui/explain?name=bids_won", "client": "/ui/client?name=bidder-eu-west-000",
	} {
		p.open(path)
		p.until(`[...document.querySelectorAll(".panel:not([hidden]) .body")].every(e => e.innerText !== "…")`)
		p.shot("phone-" + name)
	}
}

// TestPlain looks at the page that needs no script.
func TestPlain(t *testing.T) {
	p := look(t, demo, "/plain", desk, tall)
	p.sees("table", "bid_requests")
	p.shot("plain")
	p.click(`a[href="/plain/tab?name=bid_latency_ms"]`)
	p.sees("h1", "bid_latency_ms")
	p.sees("table", "p99")
	p.shot("plain-tab")
}

// TestKeys walks along rows and between pages without a mouse.
func TestKeys(t *testing.T) {
	p := look(t, demo, "/", desk, tall)
	p.sees("table", "bid_requests")
	p.press("j", "j")
	if n := value[int](p, `[...document.querySelectorAll("a[data-row]")].indexOf(document.activeElement)`); n != 1 {
		t.Errorf("after j j the row %d has the focus", n)
	}
	p.press("k", enter)
	p.until(`location.pathname === "/ui/tab"`)
	p.press("?")
	p.until(`document.querySelector("dialog.keys").open`)
	p.shot("help")
	p.press(escape)
	p.until(`!document.querySelector("dialog.keys").open`)
	for key, path := range map[string]string{"s": "/ui/cluster", "c": "/ui/clients", "t": "/ui/tabs", "e": "/ui/explain"} {
		p.press("g", key)
		p.until(fmt.Sprintf("location.pathname === %q", path))
		value[any](p, `document.activeElement.blur()`)
	}
	p.press("g", "o")
	p.until(`location.pathname === "/"`)
}

// TestToken: a server that wants a token is given one, and shows its numbers.
func TestToken(t *testing.T) {
	tokens := ingesttest.NewTokens(t)
	s, err := startServer(tokens.File)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	s.write = tokens.Secrets[ingest.Write]
	s.post(t, "web-1", "secret_bids", event("CounterGroup", "1"))
	p := look(t, s, "/", desk, tall)
	p.until(`document.querySelector("dialog.door").open`)
	p.do(chromedp.SendKeys(chromedp.CSS("#token"), "taba_WRONG"+enter))
	p.sees("dialog.door .problem", "not known")
	p.shot("token")
	p.do(chromedp.SendKeys(chromedp.CSS("#token"), tokens.Secrets[ingest.Read]+enter))
	p.sees("table", "secret_bids")
	if kept := value[string](p, `JSON.stringify(localStorage) + document.cookie`); strings.Contains(kept, "taba_") {
		t.Errorf("the token is kept: %s", kept)
	}
}

// TestStopping: a server that is gone is said to be gone.
func TestStopping(t *testing.T) {
	s, err := startServer("")
	if err != nil {
		t.Fatal(err)
	}
	stop := s.stop
	t.Cleanup(func() { stop() })
	s.post(t, "web-1", "bids_won", event("CounterGroup", "1"))
	p := look(t, s, "/ui/tab?name=bids_won", desk, tall)
	p.sees("table", "Count")
	stop()
	stop = func() {}
	p.sees(".banner", "The numbers stand still")
	p.shot("stopped")
}
