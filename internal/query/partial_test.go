package query_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tabaproject/taba/internal/store"
)

// severed is a store of which one vbucket can be away.
type severed struct {
	store.Store
	away atomic.Int64 // a vbucket; -1: none
}

func (s *severed) Load(ctx context.Context, vb int, r store.LoadRequest) (*store.Loaded, error) {
	if int64(vb) == s.away.Load() {
		return nil, fmt.Errorf("secret: %w", context.DeadlineExceeded) // as a store does whose server hangs
	}
	return s.Store.Load(ctx, vb, r)
}

// TestPartialAnswers: what a part of the store that is away has to do with is
// refused by v1 unless a partial answer is asked for, and is named by v2.
func TestPartialAnswers(t *testing.T) {
	st := &severed{Store: store.NewMem(store.MemOptions{VBuckets: 3})}
	st.away.Store(-1)
	s := start(t, st)
	names := make([]string, 3) // a tab of each vbucket
	for i := 0; slices.Contains(names, ""); i++ {
		name := fmt.Sprint("tab", i)
		if at := &names[st.Meta().Partition.Of("", name)]; *at == "" {
			*at = name
		}
	}
	s.post(t, names[0]+"@x", names[1]+"@y", names[2]+"@x")
	lists := []string{"/tabs", "/projection", "/supertabs", "/clients", "/names", "/types", "/ids"}
	v2 := []string{"/v2/query?q=" + url.QueryEscape("count(tab*) by (tab)"), "/v2/names", "/v2/clients", "/v2/tags", "/v2/tag-values?tag=a", "/v2/types"}
	d := describe(t, s)
	for _, away := range []int64{-1, 1, -1} {
		st.away.Store(away)
		for _, path := range lists {
			a := s.do(t, "GET "+path, "")
			switch {
			case away < 0 && a.status != 200:
				t.Errorf("%s: %d %s", path, a.status, a.body)
			case away >= 0 && (a.status != 503 || !strings.Contains(a.body, "Vbucket 1 cannot be read") || !strings.Contains(a.body, "partial=1")):
				t.Errorf("%s without a vbucket: %d %q", path, a.status, a.body)
			}
			a = s.do(t, "GET "+path+"?partial=1", "")
			if missing := a.head.Get("X-Taba-Missing"); a.status != 200 || (missing == "vbucket 1") != (away >= 0) || strings.Contains(a.body, names[1]) != (away < 0) && path != "/supertabs" && path != "/clients" {
				t.Errorf("%s?partial=1 without vbucket %d: %d, missing %q: %s", path, away, a.status, missing, a.body)
			}
			if a := s.do(t, "GET "+path+"?partial=0", ""); (a.status == 200) != (away < 0) {
				t.Errorf("%s?partial=0: %d", path, a.status)
			}
		}
		for _, path := range v2 {
			a := s.do(t, "GET "+path, "")
			x := decode[struct {
				Complete bool
				Missing  []struct {
					Reason   string
					VBuckets []int
				}
			}](t, a)
			if a.status != 200 || x.Complete != (away < 0) {
				t.Errorf("%s without vbucket %d: %d %s", path, away, a.status, a.body)
			}
			if away >= 0 && (len(x.Missing) != 1 || x.Missing[0].Reason != "unavailable" || !slices.Equal(x.Missing[0].VBuckets, []int{1})) {
				t.Errorf("%s says that %v is missing", path, x.Missing)
			}
			route, _, _ := strings.Cut(path, "?")
			d.check(t, responses(route, "get", "200"), a.body)
		}
		// What is elsewhere is answered as if nothing were the matter.
		for _, path := range []string{"/tabs?name=" + names[0], "/projection?name=" + names[0] + "," + names[2]} {
			if a := s.do(t, "GET "+path, ""); a.status != 200 || !strings.Contains(a.body, names[0]) {
				t.Errorf("%s without vbucket %d: %d %s", path, away, a.status, a.body)
			}
		}
		if a := s.do(t, "POST /delete?name="+names[1], ""); away >= 0 && a.status != 503 {
			t.Errorf("a tab that is away was deleted: %d %s", a.status, a.body)
		} else if away < 0 {
			s.post(t, names[1]+"@y")
		}
	}
}
