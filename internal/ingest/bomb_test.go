package ingest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
)

// What is held of a bomb before it is refused is at most twice the limit: it
// fits into a budget of that. All that was ever allocated for it, most of it
// garbage by then, is three times the limit.
func TestZipBombTakesTwiceTheLimitAtMost(t *testing.T) {
	const limit, decoders = 16 << 20, 12 << 20
	bombs := compressed(t, strings.Repeat("\x00", 2*limit))
	for name, bomb := range bombs {
		o := Options{Budget: NewBudget(2*limit + decoders), Limits: Limits{Decompressed: limit, Ratio: 1 << 30}}.withDefaults()
		r := httptest.NewRequest(http.MethodPost, "/v2/batch", bytes.NewReader(bomb))
		r.Header.Set("Content-Encoding", name)
		l := lease{of: o.Budget}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := readAll(r, &o, newInflater(), &l)
		runtime.ReadMemStats(&after)
		if err == nil || asRefusal(err).status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: a bomb is answered %v", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 3*limit+decoders {
			t.Errorf("%s: a bomb of %d bytes took %d, want at most three times the limit of %d", name, len(bomb), took, limit)
		}
		l.free()
		wantEqual(t, "budget held", o.Budget.Used(), 0)
	}
}
