package disktest

import (
	"maps"
	"math/rand/v2"
	"path"
	"slices"
)

// remains is what a power loss leaves.
func (d *Disk) remains() *Disk {
	names := maps.Clone(d.sure)
	d.survive(names)
	next := New(d.rng.Uint64())
	how := d.rng.IntN(4)
	copies := map[*node]*node{}
	for _, name := range slices.Sorted(maps.Keys(names)) { // parents before children
		parent := path.Dir(name)
		if parent != "." && (next.now[parent] == nil || !next.now[parent].dir) {
			continue // nobody could find it
		}
		n := names[name]
		if copies[n] == nil {
			data := n.left(d.rng, how)
			copies[n] = &node{dir: n.dir, data: data, sure: slices.Clone(data)}
		}
		next.now[name] = copies[n]
	}
	next.sure = maps.Clone(next.now)
	return next
}

// survive adds the changes of names that a power loss leaves by chance.
func (d *Disk) survive(names map[string]*node) {
	how, first := d.rng.IntN(4), d.rng.IntN(len(d.doubt)+1)
	for i := range d.doubt {
		kept := false
		switch how {
		case 0: // none
		case 1:
			kept = true
		case 2: // as a journal does
			kept = i < first
		case 3:
			kept = d.rng.IntN(2) == 0
		}
		if kept {
			d.doubt[i].apply(names)
		}
	}
}

// sector is what a disk writes as a whole.
const sector = 512

// left is what a power loss leaves of a file.
func (n *node) left(rng *rand.Rand, how int) []byte {
	if how > 1 {
		how = rng.IntN(6)
	}
	switch how {
	case 0:
		return slices.Clone(n.sure)
	case 1:
		return slices.Clone(n.data)
	}
	return n.torn(rng)
}

// torn is what was synced with some of what was not: overwritten sectors by
// chance, and of what was added a beginning that ends anywhere.
func (n *node) torn(rng *rand.Rand) []byte {
	data := slices.Clone(n.sure)
	shared := min(len(data), len(n.data))
	for at := 0; at < shared; at += sector {
		if end := min(at+sector, shared); rng.IntN(2) == 0 {
			copy(data[at:end], n.data[at:end])
		}
	}
	if len(n.data) <= len(data) {
		return data
	}
	added := slices.Clone(n.data[len(data):])
	added = added[:rng.IntN(len(added)+1)]
	if len(added) > 1 {
		from, to := rng.IntN(len(added)), rng.IntN(len(added)+1)
		switch rng.IntN(4) {
		case 0: // the size was written, the data was not
			clear(added[from:])
		case 1: // later data was written first
			clear(added[min(from, to):max(from, to)])
		case 2: // what was there before
			for i := from; i < len(added); i++ {
				added[i] = byte(rng.Uint32())
			}
		}
	}
	return append(data, added...)
}

// copy is what the next process finds when only this one has ended.
func (d *Disk) copy() *Disk {
	next := New(d.rng.Uint64())
	copies := map[*node]*node{nil: nil}
	of := func(n *node) *node {
		if copies[n] == nil && n != nil {
			copies[n] = &node{dir: n.dir, data: slices.Clone(n.data), sure: slices.Clone(n.sure), stuck: n.stuck}
		}
		return copies[n]
	}
	for name, n := range d.now {
		next.now[name] = of(n)
	}
	for name, n := range d.sure {
		next.sure[name] = of(n)
	}
	for _, c := range d.doubt {
		c.node = of(c.node)
		next.doubt = append(next.doubt, c)
	}
	return next
}
