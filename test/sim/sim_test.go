package sim

import (
	"flag"
	"fmt"
	"iter"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"text/tabwriter"
	"time"

	"github.com/tabaproject/taba/internal/quiet"
)

var (
	spreading = flag.Bool("spread", false, "use a process for each CPU")
	inAll     = flag.Int("lives", 0, "seeds over all mixes together; 0: -seeds of each")
	seeds     = flag.Int("seeds", 2, "seeds of each mix")
	first     = flag.Uint64("first", 1, "the first seed")
	only      = flag.String("mix", "", "regexp of the mixes to run")
	tell      = flag.Bool("tell", false, "tell the story of every life, also of those that end well")
)

func TestMain(m *testing.M) {
	quiet.Restore()
	m.Run()
}

// mixes are all faults that correct code must stand: those that are for it, and
// those that are aimed at bugs. It is the bug that is found, and not the mix.
func mixes() []Mix {
	all := slices.Clone(Mixes)
	for i := range Bugs {
		m := Bugs[i].Mix
		if !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	return all
}

// TestLives runs what ships through every mix of faults.
func TestLives(t *testing.T) {
	began := time.Now()
	all := mixes()
	chosen := choose(t, all)
	each := *seeds
	if *inAll > 0 {
		each = (*inAll + len(chosen) - 1) / len(chosen)
	}
	if *tell {
		for seed := *first; seed < *first+uint64(each); seed++ {
			for _, i := range chosen {
				story(t, all[i], seed)
			}
		}
		return
	}
	tallies := make([]Tally, len(all))
	var failures []failure
	progress := newProgress(each * len(chosen))
	interrupted := spread(t, rounds(chosen, each), func(r result) {
		tallies[r.Job.Which].Add(&r.Tally)
		for _, b := range r.Bad {
			f := failure{all[r.Job.Which], b}
			failures = append(failures, f)
			fmt.Println("bad:", f)
		}
		progress.add(r.Tally[nLives], len(failures))
	})
	printTallies(all, tallies)
	fmt.Printf("%d lives, %d bad, in %v\n", progress.done, len(failures), time.Since(began).Round(time.Second))
	if interrupted {
		t.Errorf("interrupted after %d of %d lives", progress.done, progress.all)
	}
	report(t, failures)
}

// TestOnceBad lives the lives again that long runs found to go wrong, by a bug
// of the product or of what the simulator expects.
func TestOnceBad(t *testing.T) {
	for _, once := range []struct {
		mix   string
		seeds []uint64
	}{
		{"stale replicas, WAIT 0", []uint64{489}},
		{"full disks", []uint64{942}},
		{"power", []uint64{3209, 11898}},
		{"clones and stale replicas", []uint64{2300}},
		{"clients and stale replicas, WAIT 0", []uint64{4212}},
		{"copied spools end, stale replicas", []uint64{712}},
		{"power of agents", []uint64{9124, 18701}},
		{"pebble from a backup", []uint64{1609, 2007}},
		{"pebble, everything", []uint64{487, 512, 17233}},
	} {
		for i, m := range mixes() {
			if m.Name != once.mix {
				continue
			}
			for _, seed := range once.seeds {
				for _, b := range work(t, job{Which: i, First: seed, Seeds: 1}).Bad {
					t.Errorf("%s, seed %d: %s", m.Name, b.Seed, b.What)
				}
			}
		}
	}
}

// choose is which mixes -mix means.
func choose(t *testing.T, all []Mix) (chosen []int) {
	re, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if re.MatchString(all[i].Name) {
			chosen = append(chosen, i)
		}
	}
	if chosen == nil {
		t.Fatalf("no mix matches %q", *only)
	}
	return chosen
}

// rounds gives every mix a few seeds at a time, so that a run that is
// interrupted has seen all of them.
func rounds(chosen []int, each int) iter.Seq[job] {
	const few = 5
	return func(yield func(job) bool) {
		for n := 0; n < each; n += few {
			for _, i := range chosen {
				if !yield(job{Which: i, First: *first + uint64(n), Seeds: min(few, each-n)}) {
					return
				}
			}
		}
	}
}

// failure is a seed of a mix that correct code did not stand.
type failure struct {
	mix Mix
	bad
}

// String says how the seed is run again, and what was bad.
func (f failure) String() string {
	return fmt.Sprintf("-run TestLives -mix '^%s$' -first %d -seeds 1: %s", regexp.QuoteMeta(f.mix.Name), f.Seed, f.What)
}

// report tells of bad seeds, and the story of the first.
func report(t *testing.T, failures []failure) {
	t.Helper()
	for i, f := range failures {
		t.Error(f)
		if i == 0 {
			story(t, f.mix, f.Seed)
		}
	}
}

func story(t *testing.T, m Mix, seed uint64) {
	t.Helper()
	l := live(t, m, nil, seed, true)
	if l.Err != nil {
		t.Errorf("%s, seed %d: %v", m.Name, seed, l.Err)
	}
	t.Logf("%s, seed %d:\n%s", m.Name, seed, l.Story)
}

// progress says now and then how far a run is.
type progress struct {
	all, done   int
	began, last time.Time
}

func newProgress(all int) *progress { return &progress{all: all, began: time.Now(), last: time.Now()} }

func (p *progress) add(n, failures int) {
	p.done += n
	if time.Since(p.last) < 10*time.Second {
		return
	}
	p.last = time.Now()
	spent := time.Since(p.began)
	left := time.Duration(float64(spent) / float64(p.done) * float64(p.all-p.done))
	fmt.Printf("%d of %d lives, %d bad, %v left\n", p.done, p.all, failures, left.Round(time.Second))
}

// printTallies prints what happened in the lives of every mix.
func printTallies(all []Mix, tallies []Tally) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\n", strings.Join(kindNames[:], "\t"), "\t\n")
	var sum Tally
	row := func(name string, t *Tally) {
		for _, n := range t {
			fmt.Fprint(w, n, "\t")
		}
		fmt.Fprint(w, "  ", name, "\n")
	}
	for i := range all {
		if tallies[i][nLives] > 0 {
			row(all[i].Name, &tallies[i])
		}
		sum.Add(&tallies[i])
	}
	row("all together", &sum)
	_ = w.Flush()
}

// TestReplay lives the same life twice: the story is the same, word by word.
// Where Pebble is under it that is almost certain and not certain: its
// goroutines have a say in which of its files fails first.
func TestReplay(t *testing.T) {
	for _, m := range Mixes {
		if m.Pebble {
			continue
		}
		for seed := uint64(1); seed <= 3; seed++ {
			one, two := live(t, m, nil, seed, true), live(t, m, nil, seed, true)
			if one.Story != two.Story || fmt.Sprint(one.Err) != fmt.Sprint(two.Err) {
				t.Fatalf("%s, seed %d: %v, then %v; the stories part at\n%s", m.Name, seed, one.Err, two.Err, parting(one.Story, two.Story))
			}
			if strings.Count(one.Story, "\n") < m.Steps/4 {
				t.Errorf("%s, seed %d: hardly anything happened:\n%s", m.Name, seed, one.Story)
			}
		}
	}
}

// parting is the first line in which two stories differ.
func parting(one, two string) string {
	a, b := strings.Split(one, "\n"), strings.Split(two, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return a[i] + "\n" + b[i]
		}
	}
	return "the end of the shorter one"
}

// TestNames: a mix is asked for by its name.
func TestNames(t *testing.T) {
	names := map[string]bool{}
	for _, m := range mixes() {
		if names[m.Name] {
			t.Errorf("two mixes are called %q", m.Name)
		}
		names[m.Name] = true
	}
}

// live runs one seed. Ids and tokens that would be random are the seed's too.
func live(t *testing.T, m Mix, b *Bug, seed uint64, tell bool) Life {
	cryptotest.SetGlobalRandom(t, seed)
	return Run(m, b, seed, tell)
}

// bugSeeds is within how many seeds a bug must be found.
const bugSeeds = 200

// TestBugs puts every bug back and looks for it.
func TestBugs(t *testing.T) {
	rows := make([]string, len(Bugs))
	hunts := func(yield func(job) bool) {
		for i := range Bugs {
			if !yield(job{Bug: true, Which: i, First: 1, Seeds: bugSeeds}) {
				return
			}
		}
	}
	interrupted := spread(t, hunts, func(r result) {
		b := &Bugs[r.Job.Which]
		if r.Bad == nil {
			t.Errorf("%s: not found in %d seeds of %q", b.Name, bugSeeds, b.Mix.Name)
			return
		}
		what, _, _ := strings.Cut(r.Bad[0].What, "\n")
		rows[r.Job.Which] = fmt.Sprintf("| %s | %s | %d | %.110s |\n", b.Name, b.Mix.Name, r.Bad[0].Seed, what)
	})
	if interrupted {
		t.Error("interrupted")
	}
	fmt.Print("\n| bug put back | mix of faults | first bad seed | what was seen |\n|---|---|---|---|\n", strings.Join(rows, ""), "\n")
}
