package cli

import "fmt"

// StatusDelivery is what had to be sent again, and what is lost or in doubt.
type StatusDelivery struct {
	Resent     uint64  `json:"resent_parts"`
	ResentAt   float64 `json:"resent_at"`
	Restored   uint64  `json:"restored_events"`
	Lost       uint64  `json:"lost_events"`
	InDoubt    uint64  `json:"in_doubt_events"`
	LossAt     float64 `json:"loss_at"`
	Damaged    uint64  `json:"damaged_records"`
	PostedLost uint64  `json:"posted_lost_events"`
}

// rows say it in sentences; that nothing is lost is one of them.
func (d *StatusDelivery) rows(where string) (rows [][]string) {
	add := func(key, format string, args ...any) {
		rows = append(rows, []string{key, fmt.Sprintf(format, args...)})
	}
	switch {
	case d.Resent == 0 && d.Restored == 0:
		add("sent again", "nothing")
	case d.Restored == 0:
		add("sent again", "%s parts, last at %s; the store had lost none of them", count(&d.Resent), clock(d.ResentAt))
	default:
		add("sent again", "%s parts, last at %s; the store had lost %s events of them", count(&d.Resent), clock(d.ResentAt), count(&d.Restored))
	}
	lost := d.Lost + d.PostedLost
	switch {
	case lost > 0:
		add("lost", "%s events for certain%s%s", count(&lost), where, since(d.LossAt))
	case d.InDoubt > 0 || d.Damaged > 0:
		add("lost", "no event for certain")
	default:
		add("lost", "nothing")
	}
	if d.PostedLost > 0 {
		add("", "%s of them were posted to servers", count(&d.PostedLost))
	}
	if d.InDoubt > 0 {
		add("in doubt", "%s events: they may be counted or not", count(&d.InDoubt))
	}
	if d.Damaged > 0 {
		add("damaged", "%s records of spools cannot be read", count(&d.Damaged))
	}
	return rows
}

// clockOr is nothing if it never was.
func clockOr(seconds float64) string {
	if seconds == 0 {
		return ""
	}
	return clock(seconds)
}

func since(at float64) string {
	if at == 0 {
		return ""
	}
	return ", last at " + clock(at)
}

// where says what vbuckets agents lost events in.
func (s *Status) where() string {
	list := s.Agents
	if s.Spool != nil {
		list = []StatusAgent{*s.Spool}
	}
	var all []string
	for _, a := range list {
		if a.LostWhere != "" {
			all = append(all, "in "+a.LostWhere)
		}
	}
	if len(all) != 1 {
		return "" // the agents say it, one by one
	}
	return " " + all[0]
}
