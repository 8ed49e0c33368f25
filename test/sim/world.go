package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tabaproject/taba/internal/fold"
	"github.com/tabaproject/taba/internal/forward"
	"github.com/tabaproject/taba/internal/ingest"
	"github.com/tabaproject/taba/internal/store"
	"github.com/tabaproject/taba/internal/store/pebblestore"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state"
)

// World is one cluster under one seed.
type World struct {
	mix   Mix
	bug   *Bug
	rng   *rand.Rand
	book  *Book
	tale  *tale
	tally Tally

	now    time.Duration // of every monotonic clock
	skew   time.Duration // of the store's clock
	retain time.Duration // of agents

	store   store.Store // what servers are linked to
	cluster *Cluster    // nil with Pebble
	engine  *pebblestore.Store
	disk    *disk // of Pebble
	servers []*server
	agents  []*agent
	clients []*client
	nonces  int // that clients have used
	backup  *storeBackup
	sent    []store.Part // by agents
	twins   [][]uint32   // events on disks that were copied, since the store was last restored
	net     []*parcel
	late    []func() // what reaches the store late
	away    []bool   // vbuckets whose shard is away

	budget  *ingest.Budget
	metrics *ingest.Metrics
	faults  bool
	err     error // the first thing that was wrong
}

// party is who sends requests.
type party interface {
	title() string
	era() int // of the process; replies to earlier ones go nowhere
	courier
	hear(q *forward.Request, r *forward.Reply)
}

// parcel is a message on the network: a request, or the reply to one.
type parcel struct {
	from  party
	life  int
	q     *forward.Request
	reply *forward.Reply // nil: it is the request
	given bool           // its sender has given up waiting
}

// Run lives one life. The story is told if tell is set.
func Run(m Mix, bug *Bug, seed uint64, tell bool) Life {
	w := &World{
		mix: m, bug: bug, rng: rand.New(rand.NewPCG(seed, 1)), book: newBook(m.Wait || m.Pebble), tale: &tale{on: tell},
		budget: ingest.NewBudget(1 << 30), metrics: ingest.NewMetrics(), faults: true,
		retain: 15 * time.Minute,
	}
	w.live()
	if w.engine != nil {
		_ = w.engine.Shutdown()
	}
	w.sum()
	return Life{w.tally, w.tale.String(), w.err}
}

func (w *World) live() {
	w.begin()
	acts := w.actions()
	for range w.mix.Steps {
		if w.err != nil {
			return
		}
		w.count(nSteps)
		w.act(acts)
	}
	if w.err == nil {
		w.rest()
	}
}

// sum ends the tally.
func (w *World) sum() {
	w.count(nLives)
	for i := range w.book.fates[1:] {
		f := &w.book.fates[i+1]
		w.count(nAttempted)
		if f.a1 || f.a2 {
			w.count(nAcknowledged)
		}
		if f.held {
			w.count(nQuarantined)
		}
	}
	for _, a := range w.agents {
		w.tally[nDiskErrors] += a.disk.failures()
	}
	if w.disk != nil {
		w.tally[nDiskErrors] += w.disk.failures()
	}
}

func (w *World) count(k kind) { w.tally[k]++ }

// stopped counts the end of a process.
func (w *World) stopped(power bool) (how string) {
	if power {
		w.count(nPowerCuts)
		return "loses power"
	}
	w.count(nKills)
	return "is killed"
}

func (w *World) begin() {
	if w.mix.Pebble {
		w.openPebble(newMachine(vfs.NewCrashableMem()))
	} else {
		w.cluster = newCluster(w.mix.VBuckets, w.mix.Wait)
		w.away = make([]bool, w.mix.VBuckets)
		w.bug.onCluster(w.cluster)
		w.store = w.bug.onStore(w, w.cluster)
	}
	for i := range 2 {
		w.servers = append(w.servers, w.startServer(fmt.Sprint("server ", i)))
	}
	for i := range w.mix.Clients {
		w.clients = append(w.clients, newClient(w, fmt.Sprint("client ", i)))
	}
	for i := range w.mix.Agents {
		a := w.startAgent(fmt.Sprint("agent ", i), newMachine(vfs.NewCrashableMem()))
		for range 10 * w.mix.early() {
			a.work()
			w.arriveAll(true)
		}
	}
}

func (w *World) fail(err error) {
	if w.err == nil {
		w.err = err
		w.say("WRONG: %v", err)
	}
}

func (w *World) say(format string, args ...any) { w.tale.say(format, args...) }

func (w *World) chance(percent int) bool {
	return w.faults && percent > 0 && w.rng.IntN(100) < percent
}

// weather decides whether the replicas answer from now on.
func (w *World) weather() {
	if w.cluster != nil {
		w.cluster.stuck = w.chance(w.mix.Stuck)
	}
}

// storeClock is what servers think the time is.
func (w *World) storeClock() time.Time { return birthday.Add(w.now + w.skew) }

func (w *World) unix() float64 { return float64(birthday.Add(w.now).UnixMilli()) / 1000 }

// action is one thing that may happen, and how often it does.
type action struct {
	weight int
	do     func()
}

func (w *World) actions() []action {
	m := &w.mix
	return []action{
		{m.Post, w.post},
		{m.Agent, func() { w.anyAgent().work() }},
		{m.Deliver, func() { w.arrive(false) }},
		{m.Read, w.look},
		{m.Compact, w.compact},
		{m.Replicate, w.replicate},
		{m.Tick, func() { w.now += time.Duration(w.rng.IntN(4000)) * time.Millisecond }},
		{m.Failover, w.failover},
		{m.KillAgent, func() { w.anyAgent().disk.stopSoon(false) }},
		{m.CutAgent, func() { w.anyAgent().disk.stopSoon(true) }},
		{m.KillServer, w.killServer},
		{m.CutServer, func() { w.disk.stopSoon(true) }},
		{m.Clone, w.clone},
		{m.Restore, w.restore},
		{m.RestoreStore, w.restoreStore},
		{m.Client, w.anyClient},
		{m.Move, w.move},
		{m.Away, w.leave},
		{m.Fill, func() { w.anyAgent().fill() }},
		{m.GC, w.collect},
		{m.Jump, w.jump},
		{m.Leap, w.leap},
		{m.Delete, w.delete},
		{m.Prune, w.prune},
	}
}

// act lets one thing happen, and starts again whatever stopped meanwhile.
func (w *World) act(acts []action) {
	total := 0
	for _, a := range acts {
		total += a.weight
	}
	n := w.rng.IntN(total)
	for _, a := range acts {
		if n -= a.weight; n < 0 {
			a.do()
			break
		}
	}
	for _, a := range w.agents {
		a.rise()
	}
	w.risePebble()
	w.heal(10)
}

func (w *World) anyAgent() *agent   { return w.agents[w.rng.IntN(len(w.agents))] }
func (w *World) anyServer() *server { return w.servers[w.rng.IntN(len(w.servers))] }

func (w *World) tab() string {
	n := w.mix.Tabs
	if n == 0 {
		n = 4
	}
	return fmt.Sprintf("tab%d", w.rng.IntN(n))
}

// events makes some events of one tab, by two clients, and folds them.
func (w *World) events(client string) (*fold.Accumulator, []uint32) {
	acc := fold.New(registry)
	tab := w.tab()
	var list []uint32
	for range 1 + w.rng.IntN(2) {
		id := w.book.attempt(tab)
		list = append(list, id)
		e := state.Event{Time: w.unix(), Value: float64(id), Number: true}
		acc.Fold(w.unix(), "", "IDs", &state.Bundle{Tab: tab, Client: fmt.Sprintf("%s.%d", client, w.rng.IntN(2)), Events: []state.Event{e}}, nil)
	}
	return acc, list
}

// post is an application sending something.
func (w *World) post() {
	if !w.mix.Direct || w.rng.IntN(4) > 0 {
		w.anyAgent().post()
		return
	}
	s := w.anyServer()
	acc, list := w.events(s.name)
	err := s.post(acc)
	w.say("%s is posted events %v: %s", s.name, list, outcome(err))
	if err == nil {
		w.book.each(list, func(f *fate) { f.a2 = true })
	}
}

// arrive lets a message arrive, be lost or be repeated.
func (w *World) arrive(first bool) {
	if len(w.late) > 0 && w.rng.IntN(4) == 0 {
		i := w.rng.IntN(len(w.late))
		w.count(nLate)
		do := w.late[i]
		w.late = append(w.late[:i:i], w.late[i+1:]...)
		do()
		return
	}
	if len(w.net) == 0 {
		return
	}
	i := w.rng.IntN(len(w.net))
	if first {
		i = 0
	}
	p := w.net[i]
	gone := w.chance(w.mix.Lose)
	if gone && !p.given && w.chance(w.mix.Late) { // it stays, and arrives late
		p.given = true
		w.count(nLate)
		w.answer(p, &forward.Reply{Err: fmt.Errorf("timed out")})
		return
	}
	switch {
	case gone || !w.chance(w.mix.Repeat):
		w.net = append(w.net[:i:i], w.net[i+1:]...)
	default:
		w.count(nRepeated)
	}
	if gone {
		w.count(nLost)
	}
	switch {
	case gone && !p.given:
		w.say("a message of %s is lost", p.from.title())
		w.answer(p, &forward.Reply{Err: fmt.Errorf("timed out")})
	case gone:
	case p.reply != nil:
		w.answer(p, p.reply)
	default:
		w.serve(p)
	}
}

// serve lets a request arrive.
func (w *World) serve(p *parcel) {
	s := w.servers[0]
	if p.q.Server == w.servers[1].name {
		s = w.servers[1]
	}
	q := w.misfit(p.from.out(p.q))
	w.say("%s gets from %s %v", s.name, p.from.title(), inWords{q})
	r := s.serve(q)
	w.say("  and answers: %v", verdicts{&r})
	p.from.back(p.q, &r)
	w.net = append(w.net, &parcel{from: p.from, life: p.life, q: p.q, reply: &r, given: p.given})
}

// misfit has a Batch arrive that was cut by another partition function than
// the server's, sometimes.
func (w *World) misfit(q *forward.Request) *forward.Request {
	if q.Send == nil || !w.chance(w.mix.Misfit) {
		return q
	}
	batch := *q.Send
	batch.Partition.Key++
	changed := *q
	changed.Send = &batch
	return &changed
}

// answer lets a reply arrive.
func (w *World) answer(p *parcel, r *forward.Reply) {
	w.told(p.q, r)
	if p.from.era() != p.life {
		return
	}
	w.say("%s learns: %v", p.from.title(), verdicts{r})
	p.from.hear(p.q, r)
}

// arriveAll lets everything arrive that is on its way.
func (w *World) arriveAll(first bool) {
	faults := w.faults
	w.faults = false
	for len(w.net) > 0 || len(w.late) > 0 {
		w.arrive(first)
	}
	w.faults = faults
}

// look reads through a server, or through a View that begins now, and compares
// it with the book.
func (w *World) look() {
	w.weather()
	s := w.anyServer()
	v := s.view
	if w.rng.IntN(2) == 0 {
		v = view.New(s.link, registry, view.Options{})
	}
	w.count(nReads)
	a, err := w.read(v)
	if err != nil {
		w.say("a read fails") // Views read side by side: which vbucket fails first is chance
		return
	}
	w.say("a read sees %v", a)
	if err := w.book.check(a, false); err != nil {
		w.fail(err)
	}
}

func (w *World) compact() {
	s := w.anyServer()
	w.weather()
	w.say("%s compacts", s.name)
	w.count(nCompactions)
	_ = s.compactor.Compact(context.Background())
}

// replicate lets the replicas come closer to the primary.
func (w *World) replicate() {
	if c := w.cluster; c != nil {
		c.safe += w.rng.IntN(len(c.history) - c.safe + 1)
	}
}

func (w *World) killServer() {
	i := w.rng.IntN(len(w.servers))
	w.say("%s %s and starts again", w.servers[i].name, w.stopped(false))
	w.servers[i] = w.startServer(w.servers[i].name)
}

// collect is a pass of garbage collection. Only one server makes them, because
// the time since the last pass is its own.
func (w *World) collect() {
	s := w.servers[0]
	w.weather()
	w.count(nCollections)
	n, err := s.link.GC(context.Background(), w.now-s.collected, w.storeClock())
	s.collected = w.now
	w.say("%s forgets %d sources: %s", s.name, n, outcome(err))
}

func (w *World) jump() {
	w.skew = time.Duration(w.rng.IntN(200)-60) * 24 * time.Hour
	w.say("the store's clock jumps to %v beside the others", w.skew)
}

func (w *World) leap() {
	d := time.Duration(1+w.rng.IntN(12*24)) * time.Hour
	w.now += d
	w.say("%v pass", d)
}

func (w *World) delete() {
	s := w.anyServer()
	tab := w.tab()
	w.weather()
	upTo := len(w.book.fates)
	err := s.compactor.Delete(context.Background(), []store.TabName{{Name: tab}})
	w.say("%s deletes %s: %s", s.name, tab, outcome(err))
	w.book.deleted(tab, err == nil, upTo)
}

func (w *World) prune() {
	s := w.anyServer()
	w.weather()
	at := w.unix() - float64(w.rng.IntN(30))
	err := s.compactor.Prune(context.Background(), at)
	w.say("%s prunes: %s", s.name, outcome(err))
}
