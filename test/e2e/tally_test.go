package e2e

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tally counts what is done to processes, says now and then how far it is, and
// fails the test if in the end there is less than is wanted. It is safe for
// concurrent use.
type tally struct {
	t    *testing.T
	what string
	want int

	mu    sync.Mutex
	begun bool // somebody asked whether there is more to do
	done  int
	said  time.Time
}

// saying is how often a tally says how far it is.
const saying = 15 * time.Second

// wanted starts a tally of what the variable says, or else of as much as is
// done whenever the tests run.
func wanted(t *testing.T, what, variable string, usual int) *tally {
	t.Helper()
	y := &tally{t: t, what: what, want: usual, said: time.Now()}
	if text := os.Getenv(variable); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s: %v", variable, err)
		}
		y.want = n
	}
	t.Cleanup(y.end)
	return y
}

// more reports whether more is to be done. It ends with the first failure, and
// with an interrupt.
func (y *tally) more() bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.begun = true
	return y.done < y.want && !y.t.Failed() && interrupted.Err() == nil
}

// add counts n more.
func (y *tally) add(n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.done += n
	if time.Since(y.said) >= saying {
		y.said = time.Now()
		y.t.Logf("%d of %d %s", y.done, y.want, y.what)
	}
}

// end says how much was done and, if that is too little, why: then something
// failed before, or there was an interrupt. If -run leaves out all that would do
// anything nothing is wanted.
func (y *tally) end() {
	text, good := y.sum(y.t.Failed(), interrupted.Err() != nil)
	y.t.Log(text)
	if !good {
		y.t.Fail()
	}
}

func (y *tally) sum(failed, stopped bool) (text string, good bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	short := fmt.Sprintf("%d of %d %s", y.done, y.want, y.what)
	switch {
	case y.done >= y.want:
		return fmt.Sprintf("%d %s", y.done, y.what), true
	case failed:
		return short + ", as something failed before", false
	case stopped:
		return short + ", as there was an interrupt", false
	case !y.begun:
		return short + ", as -run leaves out what would do it", true
	}
	return short, false
}

// interrupted ends with the first Ctrl-C; then tests end what they have begun
// and say how far they came. The second one ends the process.
var interrupted = interrupts()

func interrupts() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx
}

func TestTally(t *testing.T) {
	f := func(y *tally, failed, stopped bool, want string, good bool) {
		t.Helper()
		y.what, y.want = "faults", 3
		if text, ok := y.sum(failed, stopped); text != want || ok != good {
			t.Errorf("got %q %v, want %q %v", text, ok, want, good)
		}
	}
	f(&tally{begun: true, done: 3}, false, false, "3 faults", true)
	f(&tally{begun: true, done: 2}, false, false, "2 of 3 faults", false)
	f(&tally{begun: true}, true, false, "0 of 3 faults, as something failed before", false)
	f(&tally{begun: true}, false, true, "0 of 3 faults, as there was an interrupt", false)
	f(&tally{}, false, false, "0 of 3 faults, as -run leaves out what would do it", true)
}
