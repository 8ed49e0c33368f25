package app

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/wire"
	"github.com/tabaproject/taba/state"
	"github.com/tabaproject/taba/state/builtin"
)

// sender is a Source that sends parts of counters, as an agent does.
type sender struct {
	t     *testing.T
	store store.Store
	id    store.SourceID
	head  store.Head
}

func newSender(t *testing.T, st store.Store) *sender {
	id, err := st.Open(t.Context(), store.ClassSpool, store.Nonce{1}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &sender{t: t, store: st, id: id}
}

// one is the State of one event.
func one() []byte {
	s := builtin.CounterGroup{}.New()
	at := float64(time.Now().Unix())
	s.Fold(at, &state.Bundle{Tab: "t", Client: "c", Events: []state.Event{{Time: at, Value: 1, Number: true}}}, func(int, state.Reason) {})
	return s.Append(nil)
}

// batch is the next one, of an event for each "tab client", or "tab client Type".
func (s *sender) batch(names ...string) []byte {
	var w store.BodyWriter
	for _, n := range names {
		f := append(strings.Fields(n), "CounterGroup")
		w.Tab(store.Tab{Name: f[0], Type: f[2]})
		w.Partial(f[1], 1, func(dst []byte) []byte { return append(dst, one()...) })
	}
	body := bytes.Clone(w.Bytes())
	digest := wire.DigestOf(body)
	next := store.Head{Seq: s.head.Seq + 1}
	next.Chain = store.NextChain(s.head.Chain, next.Seq, s.head.Seq, digest)
	p := store.Part{Source: s.id, Seq: next.Seq, Prev: s.head.Seq, Chain: next.Chain, Digest: digest, Events: uint64(len(names)), Body: body}
	s.head = next
	meta := s.store.Meta()
	return wire.AppendBatch(nil, &wire.Batch{StoreID: meta.ID, Partition: meta.Partition, Parts: []store.Part{p}})
}

// send sends a Batch to a server and wants a verdict.
func (s *sender) send(to *server, batch []byte, want store.Verdict) {
	s.t.Helper()
	w := ask(to.front.mux, "POST", "/v2/batch", string(batch))
	var r wire.BatchReply
	if err := wire.DecodeBatchReply(w.Body.Bytes(), &r); err != nil || w.Code != http.StatusOK || len(r.Results) != 1 || r.Results[0].Verdict != want {
		s.t.Fatalf("got %d %+v, want %v: %v", w.Code, r.Results, want, err)
	}
}

// beside returns another server of the same store.
func beside(t *testing.T, s *server, limits Limits) *server {
	cfg := s.cfg
	cfg.Limits = limits
	other := &server{cfg: cfg, opts: s.opts, store: s.store, counts: ingest.NewMetrics(), budget: ingest.NewBudget(1 << 20), rest: newRest()}
	auth, err := ingest.NewAuth("", other.counts)
	if err != nil {
		t.Fatal(err)
	}
	other.wire(builtin.Registry(), auth)
	t.Cleanup(other.query.Close)
	return other
}

// An agent has acknowledged what it sends. So nothing of it is refused, whatever
// the limits of a server say: what is over them counts in overflow tabs and
// clients, once, and what comes behind it is applied.
func TestPartsBeyondLimitsOverflow(t *testing.T) {
	cfg := DefaultServerConfig()
	cfg.Store = "memory"
	cfg.Limits.Tabs, cfg.Limits.States = 2, 4
	s := testServer(t, cfg)
	from := newSender(t, s.store)
	count := func(to *server, tab, client string, want int) {
		t.Helper()
		got := ask(to.front.mux, "GET", "/projection?name="+tab+"&client="+client, "").Body.String()
		if !strings.Contains(got, fmt.Sprintf(`"1d": {"count": %d,`, want)) {
			t.Errorf("%s of %s: got %s, want %d", tab, client, got, want)
		}
	}

	from.send(s, from.batch("known a", "known b"), store.Applied)
	many := from.batch("known a", "known b", "x a", "y a", "z a", "y b", "y odd Odd", "y bad Gauge")
	from.send(s, many, store.Applied)
	from.send(s, many, store.Duplicate)
	from.send(beside(t, s, Limits{}), many, store.Duplicate)
	from.send(s, from.batch("known a", "x a", "x b", "x c", "x d", "known c"), store.Applied)

	for _, to := range []*server{s, beside(t, s, cfg.Limits)} {
		count(to, "known", "a", 3)
		count(to, "known", "b", 2)
		count(to, "x", "a", 2)
		count(to, "x", ingest.OverflowClient, 3)
		count(to, "known", ingest.OverflowClient, 1)
		count(to, ingest.OverflowTab+".CounterGroup", ingest.OverflowClient, 3)
	}
	check := ask(s.front.mux, "GET", "/check", "")
	if check.Code != http.StatusOK {
		t.Errorf("the ledger: %d %s", check.Code, check.Body)
	}
	got := ask(s.front.mux, "GET", "/metrics", "").Body.String()
	for _, want := range []string{
		`taba_events_appended_total{vbucket="0"} 16`,
		`taba_ingest_overflow_events_total{reason="tabs"} 5`, `taba_ingest_overflow_events_total{reason="states"} 4`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("/metrics say\n%s\nwithout %s", got, want)
		}
	}
}
