package member

import "cmp"

// reads is the newest level of encodings that a member reads.
func (g *Group) reads(p *Peer) int { return cmp.Or(p.Info.Encodings, g.o.Unsaid) }

// lookers are those who look after vbuckets: of the members with the role, those
// that read the most. The others would set aside what they cannot read.
func (g *Group) lookers(list []Peer) (names []string) {
	most := 0
	for i := range list {
		p := &list[i]
		if !p.Info.Has(Back) || g.reads(p) < most {
			continue
		}
		if n := g.reads(p); n > most {
			most, names = n, nil
		}
		names = append(names, p.Info.Name)
	}
	return names
}

// agree finds the level of encodings that all members read.
func (g *Group) agree(list []Peer) {
	level, least := 0, ""
	for i := range list {
		if n := g.reads(&list[i]); level == 0 || n < level {
			level, least = n, list[i].Info.Name
		}
	}
	before := int(g.level.Swap(int64(level)))
	switch {
	case !g.met:
	case level > before:
		g.o.Log.Info("all servers read newer encodings, which are written from now on", "encodings", level, "before", before)
	case level < before:
		g.o.Log.Warn("a server reads older encodings only, which are written from now on; what is written already it sets aside until /upgrade here writes it anew",
			"server", least, "encodings", level, "before", before)
	}
	g.met = g.track.looked
}

// Encodings is the level of encodings that all members read: Oldest, until they
// have been seen. It is cheap.
func (g *Group) Encodings() int { return int(g.level.Load()) }
