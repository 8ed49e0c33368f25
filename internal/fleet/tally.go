package fleet

import "sync"

// perTab counts events per tab, in the order of Tabs.
type perTab [tabCount]uint64

func (p *perTab) add(q *perTab) {
	for i := range p {
		p[i] += q[i]
	}
}

func (p *perTab) sum() (n uint64) {
	for _, v := range p {
		n += v
	}
	return n
}

// Counts is how many events became of what.
type Counts struct {
	Recorded     uint64 // by the processes
	Acknowledged uint64 // by the receiver
	InDoubt      uint64 // in posts whose outcome is unknown
	Lost         uint64 // never taken: the receiver was busy to the end
	Err          error  // why posts are in doubt: the last one's

	// RecordedOf and AcknowledgedOf are per tab.
	RecordedOf, AcknowledgedOf map[string]uint64
}

// tally keeps Counts. It is safe for concurrent use, once per post.
type tally struct {
	mu              sync.Mutex
	rec, ack        perTab
	doubtful, given uint64
	err             error
}

func (t *tally) recorded(n *perTab) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rec.add(n)
}

func (t *tally) acknowledged(n *perTab) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ack.add(n)
}

func (t *tally) inDoubt(n *perTab, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.doubtful += n.sum()
	t.err = err
}

func (t *tally) lost(n *perTab) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.given += n.sum()
}

func (t *tally) read() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := Counts{
		Recorded: t.rec.sum(), Acknowledged: t.ack.sum(), InDoubt: t.doubtful, Lost: t.given, Err: t.err,
		RecordedOf: map[string]uint64{}, AcknowledgedOf: map[string]uint64{},
	}
	for i, tab := range Tabs {
		c.RecordedOf[tab.Name] = t.rec[i]
		c.AcknowledgedOf[tab.Name] = t.ack[i]
	}
	return c
}
