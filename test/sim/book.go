package sim

import (
	"fmt"
	"strconv"
	"strings"
)

// fate is what is known of one event.
type fate struct {
	tab     string
	a1, a2  bool // acknowledged
	told    bool // to an agent that it is applied
	seen    bool // by a read that must not be taken back
	excused bool // may be missing: deleted, or lost with a disk, outside the promise
	gone    bool // must be missing: acknowledged, then deleted
	held    bool // in the quarantine of an agent
	copies  int  // of disks it was on that had no id yet, which nobody can tell apart
}

// Book keeps what was attempted and acknowledged and compares it with what is
// answered.
type Book struct {
	fates  []fate // by id; 0 is no event
	strict bool   // what was acknowledged, or seen, cannot be taken back
}

func newBook(strict bool) *Book { return &Book{fates: make([]fate, 1), strict: strict} }

// attempt makes a new event.
func (b *Book) attempt(tab string) uint32 {
	b.fates = append(b.fates, fate{tab: tab})
	return uint32(len(b.fates) - 1)
}

func (b *Book) each(list []uint32, f func(*fate)) {
	for _, id := range list {
		f(&b.fates[id])
	}
}

// deleted excuses what was attempted so far; if it was certain to be counted
// and the delete is certain too, it must be gone.
func (b *Book) deleted(tab string, certain bool, upTo int) {
	for i := range b.fates[:upTo] {
		if f := &b.fates[i]; f.tab == tab {
			f.gone = f.gone || certain && f.a2 && !f.excused && b.strict
			f.excused = true
		}
	}
}

// answer is what a read answered: per tab, the numbers as rendered.
type answer map[string]string

// check compares an answer with what must and what may be in it. At rest
// everything acknowledged must.
func (b *Book) check(a answer, rest bool) error {
	counts := make([]int, len(b.fates))
	for tab, text := range a {
		for _, word := range strings.Fields(text) {
			id, err := strconv.Atoi(word)
			if err != nil || id <= 0 || id >= len(counts) || b.fates[id].tab != tab {
				return fmt.Errorf("tab %s holds %s, which nobody sent to it", tab, word)
			}
			counts[id]++
		}
	}
	for id := 1; id < len(counts); id++ {
		if err := b.fates[id].fits(counts[id], b.strict, rest); err != nil {
			return fmt.Errorf("event %d of tab %s %w", id, b.fates[id].tab, err)
		}
	}
	if b.strict {
		for id := range counts {
			b.fates[id].seen = b.fates[id].seen || counts[id] > 0
		}
	}
	return nil
}

func (f *fate) fits(count int, strict, rest bool) error {
	switch {
	case count > 1+f.copies:
		return fmt.Errorf("is counted %d times", count)
	case count > f.copies && f.gone:
		return fmt.Errorf("was deleted and is back")
	case count >= 1 || f.excused:
		return nil
	case strict && f.seen:
		return fmt.Errorf("was in an earlier answer and is missing")
	case strict && f.a2:
		return fmt.Errorf("was acknowledged by a server and is missing")
	case rest && f.a1 && !f.held:
		return fmt.Errorf("was acknowledged by an agent and is lost")
	}
	return nil
}
