package forward

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/spool"
)

// TestHeldUpBetweenLooks: a process that is held up between looking what is due
// and going to sleep does not miss what became due meanwhile.
func TestHeldUpBetweenLooks(t *testing.T) {
	for late := 50 * time.Millisecond; late < 5*time.Second; late += 150 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			p, refusals := newPipe(true), 12
			p.before = func(string, string) error {
				if refusals--; refusals >= 0 {
					return &StatusError{Code: 503, Message: "busy"}
				}
				return nil
			}
			began, looks := time.Now(), atomic.Int64{}
			clock := func() time.Duration { return time.Since(began) + time.Duration(looks.Add(1))*late }
			f, err := prepare(vfs.NewMem(), "spool", spool.Options{}, Options{Servers: []string{"a"}, Transport: p, Fold: &sumFold{}}, clock)
			if err != nil {
				t.Fatal(err)
			}
			appendSome(t, f, 1, 5)
			go f.run()
			time.Sleep(10 * time.Minute) // of the bubble
			if got := p.total(); got != 5 {
				t.Errorf("with %v between two looks at the clock %d of 5 are counted", late, got)
			}
			mustClose(t, f)
		})
	}
}
