package fleet

import (
	"fmt"
	"time"
)

// Releases are rolled out process by process: the first soon after the fleet
// starts, then one every releaseEvery, each taking rollout.
const (
	firstRelease = 4 * time.Second
	releaseEvery = time.Minute
	rollout      = 20 * time.Second

	buildPeriod = 2 * time.Second // how often a process says which it runs
)

// release numbers the builds.
type release int

func (r release) String() string { return fmt.Sprintf("4.%d.0", 17+int(r)) }

// think is the median milliseconds a bid takes within the process. Every
// other build is a faster one.
func (r release) think() float64 {
	if r%2 == 1 {
		return 6
	}
	return 9
}

// releaseAt is the build that process index of a fleet runs at an age.
func releaseAt(age time.Duration, index, fleet int) release {
	turn := time.Duration(float64(rollout) * float64(index) / float64(max(1, fleet)))
	since := age - firstRelease - turn
	if since < 0 {
		return 0
	}
	return 1 + release(since/releaseEvery)
}

// A zone's leader is elected anew every leaderTerm and says for leaderLease at
// a time that it leads.
const (
	leaderTerm  = 15 * time.Second
	leaderLease = 3 * time.Second
)

// leads reports whether the process leads its zone at an age.
func (p *Process) leads(age time.Duration) bool {
	inZone := max(1, p.fleet/len(zones))
	return p.index/len(zones) == int(age/leaderTerm)%inZone
}
