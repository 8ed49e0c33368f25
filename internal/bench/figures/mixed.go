package figures

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Tabs of several Types, as a service has them: of ten, seven CounterGroups,
// two PercentileGroups and a TotalsCounter.

func mixedType(tab int) string {
	switch tab % 10 {
	case 3, 6:
		return "PercentileGroup"
	case 9:
		return "TotalsCounter"
	}
	return "CounterGroup"
}

func mixedTab(tab int) string { return fmt.Sprintf("service.metric_%05d", tab) }

// mixedBody is a v1 body of one client with so many events for each of tabs,
// which happened at the ages given, in turn.
func mixedBody(client string, tabs []int, perTab int, ages ...time.Duration) []byte {
	var b bytes.Buffer
	now := time.Now()
	fmt.Fprintf(&b, "1\n\n%s\n\n", client)
	for _, t := range tabs {
		b.WriteString(mixedTab(t))
		b.WriteByte('\n')
		for e := range perTab {
			at := now.Add(-ages[e%len(ages)]).Unix()
			fmt.Fprintf(&b, "[\"%s\", %d.%02d, \"%d.%d\"]\n", mixedType(t), at, e%100, (e*7919+t)%1000, e%10)
		}
		b.WriteByte('\n')
	}
	b.WriteString("\n")
	return b.Bytes()
}

// countOf reads how many events an answer to /tabs?name= has counted: of all
// time, or of a day for a Type that has no such figure.
func countOf(answer []byte) (int, error) {
	_, text, ok := bytes.Cut(answer, []byte(": "))
	if !ok {
		return 0, fmt.Errorf("there is no such tab: %.80q", answer)
	}
	type cell struct{ Count int }
	var all struct {
		cell
		Day cell `json:"1d"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return 0, fmt.Errorf("%w in %.80q", err, answer)
	}
	return max(all.Count, all.Day.Count), nil
}
