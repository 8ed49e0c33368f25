package sim

// kind is something that happens in a life and is counted.
type kind int

const (
	nLives kind = iota
	nSteps
	nAttempted    // events
	nAcknowledged // events
	nQuarantined  // events
	nReads
	nCompactions
	nLost     // messages
	nRepeated // messages
	nLate     // messages, and what reaches the store late
	nKills
	nPowerCuts
	nFailovers
	nSplits
	nDiskErrors
	nCopies // spools cloned or restored
	nCollections
	kinds
)

// kindNames head the columns of a table.
var kindNames = [kinds]string{
	"lives", "steps", "events", "acknowledged", "quarantined", "reads", "compactions", "msgs lost", "repeated", "late",
	"kills", "power cuts", "failovers", "splits", "disk errors", "copies", "collections",
}

// Tally is how often what happened.
type Tally [kinds]int

// Add adds another one.
func (t *Tally) Add(o *Tally) {
	for k, n := range o {
		t[k] += n
	}
}

// Life is what came of one seed.
type Life struct {
	Tally Tally
	Story string // if it was to be told
	Err   error  // what was wrong
}
