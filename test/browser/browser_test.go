// Package browser shows the page of a real server, which a simulated fleet
// posts to, in a real Chromium, and does what a person does there. Whatever a
// test does: a dialog, an error in the console or something that the page's
// Content-Security-Policy stopped fails it. Every test leaves a screenshot in its
// directory of artifacts (-artifacts keeps them).
package browser_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/tabaproject/taba/web"
)

// patience is how long anything may take on a machine that is busy.
const patience = 60 * time.Second

// chromium is the one browser of all tests; each has a context of its own in it,
// with nothing in its storage.
var chromium context.Context

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if !web.Built() {
		fmt.Fprintln(os.Stderr, "the page is not bundled: make test does it with Node, which make deps installs on Debian and Ubuntu")
		return 1
	}
	ctx, cancel := chromedp.NewContext(context.Background())
	defer cancel()
	if err := chromedp.Do(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "the tests drive Chromium, which does not start (make deps installs it on Debian and Ubuntu): %v\n", err)
		return 1
	}
	chromium = ctx
	s, err := startDemo()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	demo = s
	defer s.stop()
	return m.Run()
}

// person looks at a server through a window of her own.
type person struct {
	testing.TB
	ctx   context.Context
	base  string
	close func() // the window

	mu       sync.Mutex
	problems []string
}

// look opens a window of a size on a path of a server.
func look(t testing.TB, s *server, path string, width, height int64, more ...chromedp.Action[chromedp.Void]) *person {
	t.Helper()
	ctx, closeWindow := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(closeWindow)
	if err := chromedp.Do(ctx); err != nil { // the window lives as long as the context of its first use
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	p := &person{TB: t, ctx: ctx, base: s.url, close: closeWindow}
	if err := chromedp.Listen(ctx, p.heard); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, text := range p.problems {
			t.Error(text)
		}
	})
	p.do(call(log.Enable, cdp.Empty{}), call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600,
	}))
	p.do(more...)
	p.open(path)
	return p
}

// call is a command of the protocol that Chromium is driven with.
func call[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// heard notes what must not happen.
func (p *person) heard(event any) {
	text := ""
	switch e := event.(type) {
	case *page.EventJavascriptDialogOpening:
		text = "a dialog opened: " + e.Message
	case *runtime.EventExceptionThrown:
		text = "an exception: " + e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			for _, a := range e.Args {
				text += " " + string(a.Value) + a.Description
			}
			text = "the console has:" + text
		}
	case *log.EventEntryAdded:
		// An answer of 401 or 503 is one of those that the page is there to explain.
		if (e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning) && e.Entry.Source != log.EntrySourceNetwork {
			text = fmt.Sprintf("the log has: %s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	}
	if text != "" {
		p.mu.Lock()
		p.problems = append(p.problems, text)
		p.mu.Unlock()
	}
}

func (p *person) do(actions ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.fail(err)
	}
}

// fail ends the test with what is seen.
func (p *person) fail(err error) {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), 10*time.Second)
	defer cancel()
	seen, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	p.ctx = ctx
	p.Fatalf("%v; the window shows %s", err, seen)
}

func (p *person) open(path string) {
	p.Helper()
	p.do(chromedp.Navigate(p.base+path), chromedp.WaitReady(chromedp.CSS("main")))
}

// until waits until an expression is true, whatever page the window goes to
// meanwhile.
func (p *person) until(js string) {
	p.Helper()
	wait := fmt.Sprintf(`new Promise(done => { const check = () => (%s) ? done(true) : setTimeout(check, 20); check(); })`, js)
	for {
		_, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](wait, chromedp.EvalAwaitPromise))
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "navigated") && !strings.Contains(err.Error(), "context was destroyed") {
			p.fail(fmt.Errorf("waiting for %s: %w", js, err))
		}
	}
}

// sees waits until an element has a text in it.
func (p *person) sees(selector, text string) {
	p.Helper()
	p.until(fmt.Sprintf(`[...document.querySelectorAll(%q)].some(e => e.innerText.includes(%q))`, selector, text))
}

// value evaluates an expression.
func value[T any](p *person, js string) T {
	p.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		p.fail(err)
	}
	return v
}

// press presses keys one after the other, as a keyboard does: what the page does
// with one instead of typing it is not typed.
func (p *person) press(keys ...string) {
	p.Helper()
	for _, k := range keys {
		e := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: k, Text: k}
		switch k {
		case enter:
			e.Key, e.WindowsVirtualKeyCode = "Enter", 13
		case escape:
			e.Key, e.WindowsVirtualKeyCode, e.Text = "Escape", 27, ""
		}
		up := e
		up.Type, up.Text = input.DispatchKeyEventTypeKeyUp, ""
		p.do(call(input.DispatchKeyEvent, e), call(input.DispatchKeyEvent, up))
	}
}

func (p *person) click(selector string) {
	p.Helper()
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

// shot keeps what is seen, from the top to the end of the page.
func (p *person) shot(name string) {
	p.Helper()
	if value[bool](p, `document.documentElement.scrollWidth > innerWidth`) {
		p.Errorf("%s: the page is wider than its window: %s", name, value[string](p,
			`[...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, .legend, svg, .u-wrap")).slice(0, 3).map(e => e.outerHTML.slice(0, 200)).join("\n")`))
	}
	value[any](p, `scrollTo(0, 0)`)
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.fail(err)
	}
	if err := os.WriteFile(filepath.Join(p.ArtifactDir(), name+".png"), png, 0o644); err != nil {
		p.Error(err)
	}
}

const escape, enter = "\x1b", "\r"

// post records events of v1 as a client.
func (s *server) post(t testing.TB, client, tab string, events ...string) {
	t.Helper()
	s.send(t, client, tab+"\n"+strings.Join(events, "\n")+"\n\n")
}

// send records blocks of events of v1 as a client.
func (s *server) send(t testing.TB, client, blocks string) {
	t.Helper()
	body := "1\n\n" + client + "\n\n" + blocks + "\n"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/post", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if s.write != "" {
		r.Header.Set("Authorization", "Bearer "+s.write)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("events of %s: %s", client, answer.Status)
	}
}

// event is one of v1.
func event(kind string, payload string) string {
	return fmt.Sprintf("[%q, %d, %q]", kind, time.Now().Unix(), payload)
}

func escaped(text string) string { return url.QueryEscape(text) }
