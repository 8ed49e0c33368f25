package builtin

// wide is from how many values on a column is measured before it is folded.
// For less, putting the lanes together costs more than they save.
const wide = 32

// A measure is what one pass over a column tells.
type measure struct {
	total          sum // normal
	least, highest float64
}

// lanes is how many parts a column is added up in, side by side: adding to a sum
// has to wait for the addition before. Sums are exact (see sum), so nothing is
// lost. Four of them are one register of AVX2.
const lanes = 4

// A laned measure has one in each lane, totals in two parts that are not normal
// yet.
type laned struct {
	hi, lo         [lanes]float64
	least, highest [lanes]float64
}

// measured returns the measure of a column if it is worth it.
func measured(values []float64) *measure {
	if len(values) < wide {
		return nil
	}
	m := measureOf(values)
	return &m
}

// measureOf measures the finite values of a column, of at least one.
func measureOf(values []float64) measure {
	if len(values) < lanes {
		m := extremesSimply(values)
		m.total.addColumn(values, nil)
		return m
	}
	var l laned
	whole := len(values) &^ (lanes - 1)
	measureLanes(&l, values[:whole])
	return l.join(values[whole:])
}

// join puts the lanes together and adds what is left over.
func (l *laned) join(rest []float64) measure {
	m := measure{sum{l.hi[0], l.lo[0]}.normal(), l.least[0], l.highest[0]}
	for i := 1; i < lanes; i++ {
		m.total.merge(sum{l.hi[i], l.lo[i]}.normal())
		m.include(l.least[i])
		m.include(l.highest[i])
	}
	var left sum
	for _, v := range rest {
		left.add(v)
		m.include(v)
	}
	m.total.merge(left.normal())
	return m
}

// include widens the extremes to v.
func (m *measure) include(v float64) {
	if v < m.least {
		m.least = v
	}
	if v > m.highest {
		m.highest = v
	}
}

// extremesOf returns a measure of which the total is not asked for.
func extremesOf(values []float64) measure {
	if len(values) < wide {
		return extremesSimply(values)
	}
	return measureOf(values)
}

func extremesSimply(values []float64) measure {
	m := measure{least: values[0], highest: values[0]}
	for _, v := range values[1:] {
		m.include(v)
	}
	return m
}

// constant reports whether all values are the same. Of zeros there are two, so
// it says nothing about them.
func (m *measure) constant() bool { return m.least == m.highest && m.least != 0 }

// measureLanesSimply measures whole rows of values, one of each row in each
// lane. measureLanes does the same to the last bit, as fast as the processor can.
func measureLanesSimply(l *laned, values []float64) {
	for i := 0; i < lanes; i += 2 { // two at a time fit into the registers of every processor
		var a, b sum
		for v := values; len(v) >= lanes; v = v[lanes:] {
			a.add(v[i])
			b.add(v[i+1])
		}
		l.hi[i], l.lo[i], l.hi[i+1], l.lo[i+1] = a.hi, a.lo, b.hi, b.lo
	}
	for i := range lanes {
		least, highest := values[0], values[0]
		for v := values; len(v) >= lanes; v = v[lanes:] {
			if v[i] < least {
				least = v[i]
			}
			if v[i] > highest {
				highest = v[i]
			}
		}
		l.least[i], l.highest[i] = least, highest
	}
}
