package sim

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"testing/cryptotest"
)

var (
	seeds = flag.Int("seeds", 6, "seeds of each mix")
	first = flag.Uint64("first", 1, "the first seed")
)

// TestCorrect runs what ships through every mix of faults.
func TestCorrect(t *testing.T) {
	for _, m := range Mixes {
		t.Run(m.Name, func(t *testing.T) {
			stands(t, m, *seeds)
		})
	}
}

// stands fails with the story of the first bad seed.
func stands(t *testing.T, m Mix, seeds int) {
	t.Helper()
	for seed := *first; seed < *first+uint64(seeds); seed++ {
		if _, err := live(t, m, nil, seed, false); err != nil {
			story, again := live(t, m, nil, seed, true)
			t.Fatalf("seed %d (-run '%s$' -first %d -seeds 1): %v\nagain: %v\n%s", seed, t.Name(), seed, err, again, story)
		}
	}
}

// TestAimed runs what ships through the mixes that are aimed at bugs: it is
// the bug that is found, and not the mix.
func TestAimed(t *testing.T) {
	for _, b := range Bugs {
		t.Run(b.Name, func(t *testing.T) { stands(t, b.Mix, *seeds) })
	}
}

// TestReplay lives the same life twice: the story is the same, word by word.
// Where Pebble is under it, its goroutines have a say in the names of files.
func TestReplay(t *testing.T) {
	for _, m := range Mixes {
		if m.Pebble {
			continue
		}
		for seed := uint64(1); seed <= 3; seed++ {
			one, err1 := live(t, m, nil, seed, true)
			two, err2 := live(t, m, nil, seed, true)
			if one != two || fmt.Sprint(err1) != fmt.Sprint(err2) {
				t.Fatalf("%s, seed %d: %v, then %v; the stories part at\n%s", m.Name, seed, err1, err2, parting(one, two))
			}
			if strings.Count(one, "\n") < m.Steps/4 {
				t.Errorf("%s, seed %d: hardly anything happened:\n%s", m.Name, seed, one)
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

// live runs one seed. Ids and tokens that would be random are the seed's too.
func live(t *testing.T, m Mix, b *Bug, seed uint64, tell bool) (story string, err error) {
	cryptotest.SetGlobalRandom(t, seed)
	return Run(m, b, seed, tell)
}

// TestBugs puts every bug back and looks for it.
func TestBugs(t *testing.T) {
	table := "\n| bug put back | mix of faults | first bad seed | what was seen |\n|---|---|---|---|\n"
	for _, b := range Bugs {
		seed, seen := hunt(t, &b)
		if seen == nil {
			t.Errorf("%s: not found in %d seeds of %q", b.Name, bugSeeds, b.Mix.Name)
			continue
		}
		what, _, _ := strings.Cut(seen.Error(), "\n")
		table += fmt.Sprintf("| %s | %s | %d | %.110s |\n", b.Name, b.Mix.Name, seed, what)
	}
	t.Log(table)
}

// bugSeeds is within how many seeds a bug must be found.
const bugSeeds = 200

func hunt(t *testing.T, b *Bug) (seed uint64, seen error) {
	for seed = 1; seed <= bugSeeds; seed++ {
		if _, err := live(t, b.Mix, b, seed, false); err != nil {
			return seed, err
		}
	}
	return 0, nil
}
