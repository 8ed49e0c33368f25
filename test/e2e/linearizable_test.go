package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/tabaproject/taba/internal/cli"
)

// A tab is a register to which posts add and which queries read: whatever the
// order in which clients of the server see their answers, there must be one
// order of all posts and queries that explains every answer and in which
// nothing that ended comes after what began later.

// Histories have from minOperations to maxOperations operations; so many are
// made at once, on one server.
const (
	minOperations = 40
	maxOperations = 200
	together      = 25
)

// sum is what a TotalsCounter answers.
type sum struct {
	Count uint64  `json:"count"`
	Total float64 `json:"total"`
}

// add is the input of a post, of one event with this value; the input of a
// query is nil and its output a sum.
type add float64

var tabModel = porcupine.Model{
	Init: func() any { return sum{} },
	Step: func(state, input, output any) (bool, any) {
		s := state.(sum)
		if v, ok := input.(add); ok {
			return true, sum{s.Count + 1, s.Total + float64(v)}
		}
		return output.(sum) == s, s
	},
	DescribeOperation: func(input, output any) string {
		if v, ok := input.(add); ok {
			return fmt.Sprintf("post(%v)", float64(v))
		}
		return fmt.Sprintf("query() -> %+v", output)
	},
}

// never is when a post ends whose answer did not come: it may take effect at
// any time from its call on, also after everything else, which is as good as
// not at all.
const never = math.MaxInt64

// history is what the clients of one tab see. It is safe for concurrent use.
type history struct {
	server *process
	tab    string
	size   int           // operations it is to have
	began  *atomic.Int64 // operations of all histories
	base   time.Time

	mu  sync.Mutex
	ops []porcupine.Operation
	n   int // operations begun
}

// TestLinearizable posts to and queries tabs of servers that are killed, and
// requires of each tab's history that it is linearizable.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	done := wanted(t, "linearizable histories", "TABA_CHAOS_HISTORIES", 300)
	for range 2 {
		t.Run("server", func(t *testing.T) {
			t.Parallel()
			server := launchServer(t, scratch(t))
			for made := 0; done.more(); made += together {
				for _, h := range makeHistories(t, server, made) {
					h.check(t)
				}
				done.add(together)
			}
		})
	}
}

// makeHistories has clients of many tabs work while the server is killed.
func makeHistories(t *testing.T, server *process, first int) []*history {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
	defer cancel()
	var clients sync.WaitGroup
	var began atomic.Int64
	var all int
	list := make([]*history, together)
	for i := range list {
		h := &history{
			server: server, tab: fmt.Sprint("register", first+i), began: &began, base: time.Now(),
			size: minOperations + rand.IntN(maxOperations-minOperations+1),
		}
		list[i], all = h, all+h.size
		for c := range 5 {
			clients.Go(func() { h.client(ctx, c) })
		}
	}
	kill := int64(all / 4 * (1 + rand.IntN(3)))
	eventually(t, "the clients are at work", func() bool { return began.Load() >= kill })
	server.restart()
	clients.Wait()
	if ctx.Err() != nil {
		t.Fatal("the clients do not end")
	}
	return list
}

// client posts, if it is one of the first three, or queries, until the history
// is full.
func (h *history) client(ctx context.Context, c int) {
	for ctx.Err() == nil && h.more() {
		call := h.now()
		var op porcupine.Operation
		var ok bool
		if c < 3 {
			op, ok = h.post(ctx, c)
		} else {
			op, ok = h.query(ctx)
		}
		if !ok {
			h.again(ctx)
			continue
		}
		op.ClientId, op.Call = c, call
		h.mu.Lock()
		h.ops = append(h.ops, op)
		h.mu.Unlock()
	}
}

func (h *history) more() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	h.began.Add(1)
	return h.n <= h.size
}

// again takes back an operation that did not take place, and lets the server
// come up.
func (h *history) again(ctx context.Context) {
	h.mu.Lock()
	h.n--
	h.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Millisecond):
	}
}

func (h *history) now() int64 { return int64(time.Since(h.base)) }

// post posts one event of a value that others are not likely to have. Without a
// connection nothing took place.
func (h *history) post(ctx context.Context, c int) (porcupine.Operation, bool) {
	v := rand.IntN(1 << 30)
	body := fmt.Appendf(nil, "1\n\nc%d\n\n%s\n[\"TotalsCounter\", %d, \"%d\"]\n\n\n", c, h.tab, time.Now().Unix(), v)
	_, err := h.ask().Post(ctx, "/post", body)
	op := porcupine.Operation{Input: add(v), Return: never}
	if err == nil {
		op.Return = h.now()
	}
	dial := (*net.OpError)(nil)
	return op, !errors.As(err, &dial) || dial.Op != "dial"
}

// query asks for the tab over all clients, or over each of them: both must
// say the same. A query without an answer says nothing.
func (h *history) query(ctx context.Context) (porcupine.Operation, bool) {
	q := cli.Query{Names: []string{h.tab}}
	if rand.IntN(2) == 0 {
		q.Clients = []string{"c0", "c1", "c2"}
	}
	body, err := h.ask().Get(ctx, "/tabs", q, "application/json")
	var answer map[string]sum
	if err != nil || json.Unmarshal(body, &answer) != nil {
		return porcupine.Operation{}, false
	}
	return porcupine.Operation{Output: answer[h.tab], Return: h.now()}, true
}

func (h *history) ask() *cli.Client { return &cli.Client{URL: h.server.url, HTTP: linearClient} }

// linearClient keeps a connection for each client.
var linearClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 5 * together}, Timeout: patience}

// check requires that the history is linearizable; if it is not, a picture of
// it is left behind.
func (h *history) check(t *testing.T) {
	t.Helper()
	result, info := porcupine.CheckOperationsVerbose(tabModel, h.ops, patience)
	if result == porcupine.Ok {
		return
	}
	path := filepath.Join(t.ArtifactDir(), h.tab+".html")
	t.Errorf("the history of %s, %d operations: %s; see %s (%v)", h.tab, len(h.ops), result, path, porcupine.VisualizePath(tabModel, info, path))
}

// TestLinearizableFindsFaults holds the check itself to what it is for.
func TestLinearizableFindsFaults(t *testing.T) {
	post := func(v add, call, ret int64) porcupine.Operation {
		return porcupine.Operation{Input: v, Call: call, Return: ret}
	}
	query := func(n uint64, total float64, call, ret int64) porcupine.Operation {
		return porcupine.Operation{Output: sum{n, total}, Call: call, Return: ret}
	}
	f := func(what string, want bool, ops ...porcupine.Operation) {
		t.Helper()
		if got := porcupine.CheckOperations(tabModel, ops); got != want {
			t.Errorf("%s: linearizable is %v, want %v", what, got, want)
		}
	}
	f("seen at once", true, post(5, 0, 1), query(1, 5, 2, 3))
	f("a stale read", false, post(5, 0, 1), query(0, 0, 2, 3))
	f("seen while it is posted, or not", true, post(5, 0, 9), query(0, 0, 1, 2), query(1, 5, 3, 4))
	f("seen and gone", false, post(5, 0, 9), query(1, 5, 1, 2), query(0, 0, 3, 4))
	f("counted twice", false, post(5, 0, 1), query(2, 10, 2, 3))
	f("no answer, and it counts", true, post(5, 0, never), query(1, 5, 2, 3))
	f("no answer, and it counts later", true, post(5, 0, never), query(0, 0, 2, 3), query(1, 5, 4, 5))
	f("no answer, and it does not count", true, post(5, 0, never), query(0, 0, 2, 3))
	f("no answer, and it counts twice", false, post(5, 0, never), query(2, 10, 2, 3))
}
