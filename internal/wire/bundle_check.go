package wire

import (
	"errors"
	"fmt"
)

// checkBundle checks that what a bundle declares is there and adds up, so that
// reading it cannot fail.
func (d *BatchDecoder) checkBundle(m []byte) error {
	c := Columns{second: d.second}
	if err := c.parse(m); err != nil {
		return err
	}
	if int64(c.Series) >= int64(len(d.series)) {
		return fmt.Errorf("series %d is not declared", c.Series)
	}
	n := uint64(len(c.values) / 8)
	if len(c.values)%8 != 0 {
		return fmt.Errorf("values has %d bytes, which is no multiple of 8", len(c.values))
	}
	if len(c.seconds)+len(c.counts) > 0 {
		if err := c.checkRuns(n); err != nil {
			return err
		}
	}
	if len(c.weights)+len(c.events) == 0 {
		return d.count(n)
	}
	if len(c.weights) > 0 {
		sum, err := checkWeights(c.weights, n)
		if err != nil {
			return in("weights", err)
		}
		n = sum
	}
	events, err := checkRaw(c.events)
	if err != nil {
		return err
	}
	if err := d.count(n); err != nil {
		return err
	}
	return d.count(events)
}

// count adds n to the events that the Batch stands for.
func (d *BatchDecoder) count(n uint64) error {
	if n > MaxBatchEvents-d.events {
		return fmt.Errorf("more than %d events", uint64(MaxBatchEvents))
	}
	d.events += n
	return nil
}

// checkRuns checks the runs of n values.
func (c *Columns) checkRuns(n uint64) error {
	runs := 0
	second := c.second
	for b := c.seconds; len(b) > 0; runs++ {
		v, rest, err := cutUint(b)
		if err != nil {
			return in("seconds", err)
		}
		delta := int64(v>>1) ^ -int64(v&1)
		if delta < -2*maxSecond || delta > 2*maxSecond {
			return fmt.Errorf("seconds: %d is no time", delta)
		}
		if second += delta; second < -maxSecond || second > maxSecond {
			return fmt.Errorf("seconds: %d is no time", second)
		}
		b = rest
	}
	if len(c.counts) == 0 {
		if runs > 1 || runs == 1 && n == 0 {
			return fmt.Errorf("%d runs without counts, of %d values", runs, n)
		}
		return nil
	}
	return c.checkCounts(max(runs, 1), n)
}

func (c *Columns) checkCounts(runs int, n uint64) error {
	var sum uint64
	counts := 0
	for b := c.counts; len(b) > 0; counts++ {
		v, rest, err := cutUint(b)
		switch {
		case err != nil:
			return in("counts", err)
		case v == 0 || v > n-sum:
			return fmt.Errorf("counts: a run of %d values, %d are left", v, n-sum)
		}
		sum += v
		b = rest
	}
	if counts != runs || sum != n {
		return fmt.Errorf("%d counts of %d values, for %d runs of %d values", counts, sum, runs, n)
	}
	return nil
}

// checkWeights returns how many events n weights stand for.
func checkWeights(b []byte, n uint64) (sum uint64, err error) {
	for ; len(b) > 0; n-- {
		w, rest, err := cutUint(b)
		switch {
		case err != nil:
			return 0, err
		case n == 0:
			return 0, errors.New("there are more of them than values")
		case w == 0 || w > MaxBatchEvents-sum:
			return 0, fmt.Errorf("%d is out of range", w)
		}
		sum += w
		b = rest
	}
	if n > 0 {
		return 0, errors.New("there are fewer of them than values")
	}
	return sum, nil
}

// checkRaw returns how many events those beside the values stand for.
func checkRaw(m []byte) (sum uint64, err error) {
	for n := 0; len(m) > 0; n++ {
		b, rest, err := cutBytes(m[1:])
		if err != nil {
			return 0, inNth("event", n, err)
		}
		e, err := parseEvent(b)
		if err != nil {
			return 0, inNth("event", n, err)
		}
		if e.Weight > MaxBatchEvents-sum {
			return 0, fmt.Errorf("event %d: weight: %d is out of range", n, e.Weight)
		}
		sum += max(e.Weight, 1)
		m = rest
	}
	return sum, nil
}

// checkPartial checks a Partial but for its State.
func (d *BatchDecoder) checkPartial(m []byte) error {
	var p PartialBytes
	if err := p.parse(m); err != nil {
		return err
	}
	if int64(p.Series) >= int64(len(d.series)) {
		return fmt.Errorf("series %d is not declared", p.Series)
	}
	return d.count(p.Events)
}
