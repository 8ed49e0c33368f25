package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/wait"
)

// every is how often is looked whether everything has been counted.
const every = 200 * time.Millisecond

// ReadBack waits until everything acknowledged is counted and the agents have
// nothing left to forward, at most for as long as Options.Settle, and returns
// what was found. The error says that the server could not be read.
func (s *Session) ReadBack(ctx context.Context) (*Report, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Settle)
	defer cancel()
	var last *Report
	var lastErr error
	for {
		if s.counted(ctx) && s.drained(ctx) {
			switch r, err := s.report(ctx); {
			case err == nil && r.Total().Missing == 0:
				return r, nil
			case err == nil:
				last = r
			case ctx.Err() == nil:
				lastErr = err
			}
		}
		if wait.For(ctx, every) != nil {
			break
		}
	}
	// The time is up: what is there now is the result. A server that is too
	// busy to answer is asked again.
	final, stop := context.WithTimeout(context.WithoutCancel(ctx), s.opts.Settle)
	defer stop()
	r, err := s.report(final)
	for err != nil && last == nil && timedOut(err) && final.Err() == nil {
		r, err = s.report(final)
	}
	if err == nil {
		return r, nil
	}
	if last != nil {
		return last, nil
	}
	return nil, errors.Join(lastErr, err)
}

// timedOut reports whether an answer did not come in time.
func timedOut(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// counted reports whether the server has at least as many events in the first
// tab as were acknowledged.
func (s *Session) counted(ctx context.Context) bool {
	var posts uint64
	for _, w := range s.writers {
		posts += w.counts()[acknowledged]
	}
	var tabs map[string]cell
	err := s.server.JSON(ctx, "/tabs", cli.Query{Names: s.tabs[:1]}, &tabs)
	return err == nil && tabs[s.tabs[0]].Count >= posts
}

// report reads every cell, tab by tab, and compares it with the ledgers.
func (s *Session) report(ctx context.Context) (*Report, error) {
	r := &Report{Rows: make([]Row, len(s.targets)), Names: s.Tabs()}
	r.Reads, r.ReadFaults = s.reader.result()
	rows := map[*target]*Row{}
	for i, t := range s.targets {
		r.Rows[i].Name = t.name
		rows[t] = &r.Rows[i]
	}
	for _, w := range s.writers {
		var p Progress
		p.add(w.counts(), uint64(s.opts.PerPost))
		row := rows[w.target]
		row.Sent += p.Sent
		row.Acknowledged += p.Acknowledged
		row.InDoubt += p.InDoubt
	}
	for i, tab := range s.tabs {
		s.back.Store(int64(i))
		cells, err := s.cells(ctx, tab)
		if err != nil {
			return nil, fmt.Errorf("read %s back: %w", tab, err)
		}
		for _, w := range s.writers {
			for page := range w.pages() {
				client := w.names.client(w.id, page)
				r.cell(rows[w.target], tab, client, cells[client], w.page(page))
				delete(cells, client)
			}
		}
		for _, client := range slices.Sorted(maps.Keys(cells)) {
			r.found("%s, %s: counted %d events that nobody sent", tab, client, cells[client].Count)
			r.Stray += cells[client].Count
		}
	}
	return r, nil
}

// cells asks for all cells of a tab.
func (s *Session) cells(ctx context.Context, tab string) (map[string]cell, error) {
	var answer map[string]map[string]cell
	if err := s.server.JSON(ctx, "/projection", cli.Query{Names: []string{tab}}, &answer); err != nil {
		return nil, err
	}
	cells := make(map[string]cell, len(answer))
	for client, tabs := range answer {
		cells[client] = tabs[tab]
	}
	return cells, nil
}
