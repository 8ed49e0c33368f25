package sim

import (
	"flag"
	"fmt"
	"testing"
	"testing/cryptotest"
)

var (
	seeds = flag.Int("seeds", 12, "seeds of each mix")
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
			t.Fatalf("seed %d: %v\nagain: %v\n%s", seed, err, again, story)
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

// live runs one seed. Ids and tokens that would be random are the seed's too.
func live(t *testing.T, m Mix, b *Bug, seed uint64, tell bool) (story string, err error) {
	t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, seed)
		story, err = Run(m, b, seed, tell)
	})
	return story, err
}

// TestBugs puts every bug back and looks for it.
func TestBugs(t *testing.T) {
	for _, b := range Bugs {
		t.Run(b.Name, func(t *testing.T) {
			seed, seen := hunt(t, &b)
			if seen == nil {
				t.Fatalf("not found in %d seeds of %q", bugSeeds, b.Mix.Name)
			}
			t.Logf("| %s | %s | %d | %.100v |", b.Name, b.Mix.Name, seed, seen)
		})
	}
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
