package e2e

import (
	"context"
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

	mu   sync.Mutex
	done int
	said time.Time
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

func (y *tally) end() {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.done < y.want {
		y.t.Errorf("%d %s of %d", y.done, y.what, y.want)
		return
	}
	y.t.Logf("%d %s", y.done, y.what)
}

// interrupted ends with the first Ctrl-C; then tests end what they have begun
// and say how far they came. The second one ends the process.
var interrupted = interrupts()

func interrupts() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx
}
