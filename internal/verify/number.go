package verify

import (
	"fmt"
	"math/bits"
)

// pageSize is how many posts share a page: as many digits in base 4 as a
// float64 holds exactly.
const pageSize = 26

// names of the tabs and clients of one run.
type names struct{ run string }

func (n names) tab(slot int) string { return fmt.Sprintf("taba_verify.%s.%03d", n.run, slot) }

func (n names) client(writer, page int) string {
	return fmt.Sprintf("taba_verify.%s.w%d.p%d", n.run, writer, page)
}

// weight is the value of the events of a page's i-th post.
func weight(i int) int64 { return 1 << (2 * i) }

// cell is what the server answers for one tab and one client.
type cell struct {
	Count uint64  `json:"count"`
	Total float64 `json:"total"`
}

// times says how often the event of each post of a page was counted. legible
// is false if the total cannot be read as one digit for each post; then times
// means nothing and the count is all that is known.
func (c cell) times() (times [pageSize]uint8, legible bool) {
	total := uint64(c.Total)
	if c.Total < 0 || float64(total) != c.Total || bits.Len64(total) > 2*pageSize {
		return times, false
	}
	var sum uint64
	for i := range times {
		times[i] = uint8(total >> (2 * i) & 3)
		sum += uint64(times[i])
	}
	return times, sum == c.Count
}
