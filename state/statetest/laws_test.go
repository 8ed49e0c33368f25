package statetest

import (
	"encoding/binary"
	"errors"
	"flag"
	"runtime"
	"strconv"
	"testing"

	"github.com/tabaproject/taba/state"
	"pgregory.net/rapid"
)

// A bug is one way for counting to break a law.
type bug string

const (
	noBug        bug = ""
	lastWins     bug = "Merge overwrites"
	countsMerges bug = "Merge counts itself"
	forgetsN     bug = "Merge forgets N"
	aliases      bug = "Merge keeps its source's memory"
	unversioned  bug = "Decode reads without looking"
	dirtyDecode  bug = "Decode leaves its State half filled"
	unclampable  bug = "Clamp moves again and again"
	dirtyReset   bug = "Reset forgets something"
	renderAdds   bug = "Render changes the State"
	resurrects   bug = "Expired changes its mind"
	keepsRefused bug = "refused events count"
	miscounts    bug = "the answer is wrong"
)

// counting is a Type that counts and remembers the largest number, with a bug
// if wanted.
type counting struct{ bug bug }

func (counting) Type() string       { return "Counting" }
func (h counting) New() state.State { return &counted{bug: h.bug, largest: new(uint64)} }
func (h counting) gen() (g Gen)     { g.Payloads, g.Model = payloads, countModel; return g }
func payload(e *state.Event) uint64 { return uint64(max(e.Value, 0)) }
func (s *counted) N() uint64        { return s.n }
func (s *counted) Size() int        { return 32 }
func (s *counted) Clamp(float64) (moved uint64) {
	if s.bug == unclampable {
		return s.n
	}
	return 0
}

func payloads(t *rapid.T, _ float64) []string {
	return rapid.SliceOfN(rapid.SampledFrom([]string{"1", "2", "7", `"bad"`}), 0, 4).Draw(t, "payloads")
}

func countModel(folds []Fold, _ float64) string {
	n := 0
	for _, f := range folds {
		for _, e := range f.Bundle.Events {
			n += int(e.Count())
		}
	}
	return strconv.Itoa(n)
}

type counted struct {
	bug     bug
	n       uint64
	largest *uint64
}

func (s *counted) Fold(_ float64, b *state.Bundle, refuse func(int, state.Reason)) {
	for i := range b.Events {
		e := &b.Events[i]
		if !e.Number {
			refuse(i, state.ReasonPayload)
			if s.bug == keepsRefused {
				*s.largest = max(*s.largest, 99)
			}
			continue
		}
		s.n += e.Count()
		*s.largest = max(*s.largest, payload(e))
	}
}

func (s *counted) Merge(src state.State) {
	o := src.(*counted)
	s.n += o.n
	switch s.bug {
	case lastWins:
		*s.largest = *o.largest
		return
	case countsMerges:
		*s.largest++
	case forgetsN:
		s.n -= o.n
	case aliases:
		if *o.largest > *s.largest {
			s.largest = o.largest
		}
	}
	*s.largest = max(*s.largest, *o.largest)
}

func (s *counted) Expired(at float64) bool {
	if s.bug == resurrects {
		return s.n == 0 || at < start+60
	}
	return s.n == 0
}

func (s *counted) Render(dst []byte, _ float64, _ state.Format) []byte {
	n := s.n
	switch s.bug {
	case renderAdds:
		*s.largest++
	case miscounts:
		n = min(n, 10)
	}
	return strconv.AppendUint(dst, n, 10)
}

func (s *counted) Append(dst []byte) []byte {
	dst = append(dst, 1)
	dst = binary.AppendUvarint(dst, s.n)
	return binary.AppendUvarint(dst, *s.largest)
}

func (s *counted) Decode(src []byte) error {
	if s.bug == unversioned {
		src = src[1:]
	} else if len(src) == 0 || src[0] != 1 {
		s.Reset()
		return errors.New("no version")
	} else {
		src = src[1:]
	}
	n, a := binary.Uvarint(src)
	largest, b := binary.Uvarint(src[max(a, 0):])
	if a <= 0 || b <= 0 {
		if s.Reset(); s.bug == dirtyDecode {
			s.n = n
		}
		return errors.New("cut off")
	}
	s.n, s.largest = n, &largest
	return nil
}

func (s *counted) Reset() {
	s.n = 0
	if s.bug != dirtyReset {
		*s.largest = 0
	}
}

func TestLawfulHandlerPasses(t *testing.T) {
	h := counting{noBug}
	Laws(t, h, h.gen())
}

// Every law catches the bugs that are there to break it.
func TestLawsCatchBugs(t *testing.T) {
	f := func(b bug, want ...string) {
		t.Helper()
		got := broken(t, counting{b})
		for _, name := range want {
			if !got[name] {
				t.Errorf("a Handler with the bug %q passes the law %q", b, name)
			}
		}
	}
	f(lastWins, "grouping and order do not matter", "the zero State is the identity")
	f(countsMerges, "grouping and order do not matter", "the zero State is the identity", "folding is merging a Partial")
	f(forgetsN, "the number of events is exact", "folding is merging a Partial")
	f(aliases, "Merge shares nothing with its source")
	f(unversioned, "no bytes make Decode panic")
	f(dirtyDecode, "no bytes make Decode panic")
	f(unclampable, "Clamp moves the future once")
	f(dirtyReset, "Reset makes the zero State")
	f(renderAdds, "rendering changes nothing")
	f(resurrects, "what has expired stays expired")
	f(keepsRefused, "refused events leave nothing")
	f(miscounts, "the model agrees")
}

// broken returns the laws that h breaks.
func broken(t *testing.T, h counting) map[string]bool {
	t.Helper()
	setFlag(t, "rapid.nofailfile", "true")
	setFlag(t, "rapid.shrinktime", "1ns")
	names := map[string]bool{}
	for _, l := range laws {
		probe := &probe{TB: t}
		done := make(chan struct{})
		go func() { // FailNow ends the goroutine
			defer close(done)
			rapid.Check(probe, func(t *rapid.T) { l.check(t, h, h.gen()) })
		}()
		<-done
		if probe.failed {
			names[l.name] = true
		}
	}
	return names
}

func setFlag(t *testing.T, name, value string) {
	t.Helper()
	old := flag.Lookup(name).Value.String()
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set(name, old) })
}

// A probe is a test whose failure is what is wanted.
type probe struct {
	testing.TB
	failed bool
}

func (p *probe) Helper()               {}
func (p *probe) Log(...any)            {}
func (p *probe) Logf(string, ...any)   {}
func (p *probe) Fail()                 { p.failed = true }
func (p *probe) Failed() bool          { return p.failed }
func (p *probe) FailNow()              { p.failed = true; runtime.Goexit() }
func (p *probe) Error(...any)          { p.failed = true }
func (p *probe) Errorf(string, ...any) { p.failed = true }
func (p *probe) Fatal(...any)          { p.FailNow() }
func (p *probe) Fatalf(string, ...any) { p.FailNow() }
