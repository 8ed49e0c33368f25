package fleet

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// Event is one event of a Process. Its payload is JSON text.
type Event struct {
	Time    float64 // UTC seconds
	Payload string
}

// Recorded is what a Process recorded since it was last taken: events per tab,
// in the order of Tabs.
type Recorded [tabCount][]Event

// Process simulates one bidder.
type Process struct {
	name   string
	zone   *zone
	index  int // within the fleet
	fleet  int // size of the fleet
	rate   float64
	random *rand.Rand
	out    Recorded
	said   time.Duration // when build_version was last recorded
}

// zone is a place with processes.
type zone struct {
	name string
	away float64 // milliseconds to the exchange
}

var zones = []*zone{{"us-east", 4}, {"us-west", 7}, {"eu-west", 13}}

// newProcess returns process index of a fleet, which handles rate requests a
// second on average.
func newProcess(index, fleet int, rate float64, seed uint64) *Process {
	z := zones[index%len(zones)]
	return &Process{
		name: fmt.Sprintf("bidder-%s-%03d", z.name, index/len(zones)),
		zone: z, index: index, fleet: fleet, rate: rate,
		random: rand.New(rand.NewPCG(seed, uint64(index))),
		said:   -buildPeriod,
	}
}

// Name is the process's name as a client.
func (p *Process) Name() string { return p.name }

// Step simulates the d before now; age is how long the fleet has been running
// at now.
func (p *Process) Step(now time.Time, age, d time.Duration) {
	t := float64(now.UnixNano()) / 1e9
	release := releaseAt(age, p.index, p.fleet)
	for range p.poisson(p.rate * traffic(age) * d.Seconds()) {
		p.bid(t-p.random.Float64()*d.Seconds(), release)
	}
	if age-p.said >= buildPeriod {
		p.said = age
		p.add(build, t, strconv.Quote(release.String()))
	}
	if p.leads(age) {
		p.add(leader, t, fmt.Sprintf("[%q, %.3f]", p.zone.name, t+leaderLease.Seconds()))
	}
}

// Take returns what was recorded since the last Take, each tab in the order of
// time. The memory is the Process's own: it is valid until the next Step.
func (p *Process) Take() *Recorded {
	taken := p.out
	for i := range p.out {
		p.out[i] = p.out[i][:0]
		slices.SortFunc(taken[i], func(a, b Event) int {
			switch {
			case a.Time < b.Time:
				return -1
			case a.Time > b.Time:
				return 1
			}
			return 0
		})
	}
	return &taken
}

func (p *Process) add(tab int, t float64, payload string) {
	p.out[tab] = append(p.out[tab], Event{Time: t, Payload: payload})
}

func (p *Process) addNumber(tab int, t, v float64, decimals int) {
	p.add(tab, t, strconv.FormatFloat(v, 'f', decimals, 64))
}

// The market: chances and medians of what happens to one bid request.
const (
	winChance     = 0.18
	errorChance   = 1.0 / 6000
	priceMedian   = 1.31 // dollars per thousand views
	priceSpread   = 0.45
	latencySpread = 0.35
	bytesMedian   = 38_000
	bytesSpread   = 0.8
)

// bid simulates one bid request.
func (p *Process) bid(t float64, r release) {
	p.add(requests, t, "1")
	took := p.zone.away + p.logNormal(r.think(), latencySpread)
	if p.random.Float64() < 0.002 { // garbage collection, a slow disk, a lost packet
		took += 40 + p.random.ExpFloat64()*60
	}
	p.addNumber(latency, t, took, 2)
	if p.random.Float64() < errorChance {
		p.fail(t, took)
	}
	if took > 100 || p.random.Float64() >= winChance {
		p.add(lost, t, "1")
		return
	}
	paid := p.logNormal(priceMedian, priceSpread)
	p.add(won, t, "1")
	p.addNumber(price, t, paid, 4)
	p.addNumber(spend, t, paid/1000, 6)
	p.addNumber(size, t, p.logNormal(bytesMedian, bytesSpread), 0)
}

// errorExpiry is how long an error stays in the Buffer of recent ones.
const errorExpiry = 60

var failures = []string{"exchange timed out", "creative not found", "budget service refused", "price floor missing"}

func (p *Process) fail(t, took float64) {
	what := fmt.Sprintf("%s: %s after %.0f ms", p.name, failures[p.random.IntN(len(failures))], took)
	p.add(errorsSeen, t, fmt.Sprintf("[%q, %.3f]", what, t+errorExpiry))
}

func (p *Process) logNormal(median, spread float64) float64 {
	return median * math.Exp(p.random.NormFloat64()*spread)
}

// poisson draws how often something happens that happens mean times on
// average. Means are small here: a process handles tens of requests a step.
func (p *Process) poisson(mean float64) int {
	if mean > 200 { // where the normal distribution is as good
		return max(0, int(math.Round(mean+math.Sqrt(mean)*p.random.NormFloat64())))
	}
	n, left := 0, math.Exp(-mean)
	for product := p.random.Float64(); product > left; product *= p.random.Float64() {
		n++
	}
	return n
}

// traffic is the fleet's load at an age, around 1: tides and a flash crowd
// every minute and a half.
func traffic(age time.Duration) float64 {
	s := age.Seconds()
	tide := 1 + 0.3*math.Sin(2*math.Pi*s/45)
	if math.Mod(s, 90) > 75 && math.Mod(s, 90) < 82 {
		return tide * 1.8
	}
	return tide
}
