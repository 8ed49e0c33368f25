package verify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/wait"
)

// between is the time from an answer to the next question: reading must leave
// the processor to what is read.
const between = 2 * time.Millisecond

// A reader stays with a few tabs for a while. A server that was just started
// reads a tab from disk, with all its clients, when it is first asked for it.
const (
	few   = 4
	while = 2 * time.Second
)

// reader reads single cells while they are being written to.
type reader struct {
	session *Session
	seen    map[string][pageSize]uint8

	mu     sync.Mutex
	reads  uint64
	faults []string
}

// run reads until ctx ends. Reads that get no answer count for nothing: what
// is proven is what answers say.
func (r *reader) run(ctx context.Context) {
	for begun := time.Now(); ctx.Err() == nil; {
		w := r.session.writers[rand.IntN(len(r.session.writers))]
		page := w.pages() - 1 - min(rand.IntN(8), rand.IntN(8)) // new ones more often than old ones
		next := between
		slot := few*int(time.Since(begun)/while) + rand.IntN(few)
		if page < 0 || !r.read(ctx, w, page, slot%len(w.tabs)) {
			next = pause
		}
		_ = wait.For(ctx, next) // the loop sees that ctx has ended
	}
}

// read reads one cell and checks it. It reports whether there was an answer.
func (r *reader) read(ctx context.Context, w *writer, page, slot int) bool {
	tab, client := w.tabs[slot], w.names.client(w.id, page)
	before := w.page(page)
	var answer map[string]map[string]cell
	q := cli.Query{Names: []string{tab}, Clients: []string{client}}
	if err := r.session.server.JSON(ctx, "/projection", q, &answer); err != nil {
		return false
	}
	after := w.page(page)
	now, legible := answer[client][tab].times()
	key := tab + " " + client
	fault := ""
	if legible {
		fault = compare(before, after, r.seen[key], now, w.target.direct)
		r.seen[key] = now
	} else {
		fault = fmt.Sprintf("count %d and total %.0f do not fit together", answer[client][tab].Count, answer[client][tab].Total)
	}
	r.note(key, fault)
	return true
}

// compare holds one answer against what was known before and after it. Of
// what agents acknowledge an answer may not have everything yet.
func compare(before, after [pageSize]outcome, seen, now [pageSize]uint8, direct bool) string {
	for i, times := range now {
		switch {
		case times > 1:
			return fmt.Sprintf("the event of post %d is there %d times", i, times)
		case times == 1 && after[i] == notSent:
			return fmt.Sprintf("the event of post %d is there and was not sent", i)
		case times == 0 && seen[i] > 0:
			return fmt.Sprintf("the event of post %d was there and is gone", i)
		case times == 0 && direct && before[i] == acknowledged:
			return fmt.Sprintf("the event of post %d was acknowledged before and is not there", i)
		}
	}
	return ""
}

func (r *reader) note(where, fault string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads++
	if fault != "" {
		r.faults = append(r.faults, "read of "+where+": "+fault)
	}
}

// result returns how many answers there were and what was wrong with them.
func (r *reader) result() (reads uint64, faults []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reads, r.faults
}
