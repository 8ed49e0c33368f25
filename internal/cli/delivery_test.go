package cli

import (
	"strings"
	"testing"
)

func TestDeliveryInWords(t *testing.T) {
	f := func(name string, d StatusDelivery, want ...string) {
		t.Helper()
		var got []string
		for _, row := range d.rows(" in vbucket 3") {
			got = append(got, strings.TrimSpace(strings.Join(row, ": ")))
		}
		text, at := strings.Join(got, "\n"), clock(1000)
		for i := range want {
			want[i] = strings.ReplaceAll(want[i], "AT", at)
		}
		if text != strings.Join(want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", name, text, strings.Join(want, "\n"))
		}
	}
	f("all is well", StatusDelivery{}, "sent again: nothing", "lost: nothing")
	f("answers were late", StatusDelivery{Resent: 12, ResentAt: 1000},
		"sent again: 12 parts, last at AT; the store had lost none of them", "lost: nothing")
	f("a failover that was made good", StatusDelivery{Resent: 12, ResentAt: 1000, Restored: 6000},
		"sent again: 12 parts, last at AT; the store had lost 6,000 events of them", "lost: nothing")
	f("a failover that was not", StatusDelivery{Lost: 600, LossAt: 1000},
		"sent again: nothing", "lost: 600 events for certain in vbucket 3, last at AT")
	f("of posts to servers too", StatusDelivery{Lost: 600, PostedLost: 1},
		"sent again: nothing", "lost: 601 events for certain in vbucket 3", ": 1 of them were posted to servers")
	f("in doubt", StatusDelivery{InDoubt: 40, Damaged: 3}, "sent again: nothing", "lost: no event for certain",
		"in doubt: 40 events: they may be counted or not", "damaged: 3 records of spools cannot be read")
}
