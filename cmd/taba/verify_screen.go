package main

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/verify"
)

// verifyScreen shows how far a run is: as a bar on a terminal, not at all
// elsewhere. Lines may be said meanwhile; they are written above the bar.
type verifyScreen struct {
	out cli.Output

	mu  sync.Mutex
	bar *progressbar.ProgressBar // nil: none is shown
}

func newVerifyScreen(out cli.Output) *verifyScreen { return &verifyScreen{out: out} }

// refresh is how often the bar moves.
const refresh = 100 * time.Millisecond

// events shows how many events have been sent, until stop is called.
func (v *verifyScreen) events(s *verify.Session, total uint64) (stop func()) {
	return v.show(int64(total), func() (int64, string) {
		p := s.Progress()
		return int64(min(p.Acknowledged+p.InDoubt, total)), v.describe(p)
	})
}

// duration shows how much of a time has passed, until stop is called.
func (v *verifyScreen) duration(s *verify.Session, begun time.Time, total time.Duration) (stop func()) {
	return v.show(total.Milliseconds(), func() (int64, string) {
		return min(time.Since(begun), total).Milliseconds(), v.describe(s.Progress())
	})
}

// waiting says what is waited for, until stop is called.
func (v *verifyScreen) waiting(s *verify.Session) (stop func()) {
	return v.show(-1, func() (int64, string) {
		p := s.Progress()
		if p.Back == 0 {
			return 0, "waiting until all is counted "
		}
		return 0, fmt.Sprintf("reading %s events back, tab %d of %d ", number(p.Sent), p.Back+1, p.Tabs)
	})
}

func (v *verifyScreen) describe(p verify.Progress) string {
	text := number(p.Acknowledged) + " acknowledged"
	if p.InDoubt > 0 {
		text += ", " + number(p.InDoubt) + " in doubt"
	}
	return text + ", " + number(p.Reads) + " answers checked "
}

// show moves a bar to where f says, again and again, until stop is called.
func (v *verifyScreen) show(total int64, f func() (int64, string)) (stop func()) {
	if !v.out.Terminal {
		return func() {}
	}
	v.mu.Lock()
	v.bar = progressbar.NewOptions64(total, v.options(total)...)
	v.mu.Unlock()
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(refresh)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				v.move(f())
			}
		}
	}()
	return func() {
		close(end)
		<-ended
		v.mu.Lock()
		defer v.mu.Unlock()
		_ = v.bar.Clear()
		v.bar = nil
	}
}

func (v *verifyScreen) options(total int64) []progressbar.Option {
	o := []progressbar.Option{
		progressbar.OptionSetWriter(v.out.W),
		progressbar.OptionSetWidth(24),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░", BarStart: "", BarEnd: ""}),
	}
	if total < 0 {
		o = append(o, progressbar.OptionSpinnerType(14))
	}
	return o
}

func (v *verifyScreen) move(to int64, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.bar.Describe(text)
	_ = v.bar.Set64(to)
}

// say writes a line above the bar.
func (v *verifyScreen) say(line string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.bar != nil {
		_ = v.bar.Clear()
	}
	_, _ = fmt.Fprintln(v.out.W, line)
	if v.bar != nil {
		_ = v.bar.RenderBlank()
	}
}

func number(n uint64) string { return cli.Group(strconv.FormatUint(n, 10)) }
