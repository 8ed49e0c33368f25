package query_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tabaproject/taba/internal/query"
	"github.com/tabaproject/taba/internal/view"
	"github.com/tabaproject/taba/state/builtin"
)

// FuzzRequest sends any query string and body: whatever they are, the answer
// is one of a few, and nothing breaks.
func FuzzRequest(f *testing.F) {
	f.Add("/names", "name=a%2Cb&re", "", "")
	f.Add("/tabs", "re=1&name=%28", `{"client": "x"}`, "application/json")
	f.Add("/supertabs", "", `{"name": ["a"]}`, "application/json-detailed")
	f.Add("/delete", "name=a,%2C,", "{}", "")
	f.Add("/check", "dry=false", "", "*/*")
	f.Add("/v2/query", "q=p99(a{b=~\"c\"})+by+(d)+last+37m&limit=3", "", "")
	f.Add("/v2/series", "step=5m", `{"select": [{"glob": "a*", "tags": [{"tag": "b", "op": "!~", "value": "c"}]}], "by": ["prefix(2)"], "top": 3}`, "")
	f.Add("/v2/names", "prefix=a&match=b*%7B%7D&after=c&limit=9", "", "")
	f.Add("/v2/tag-values", "tag=a;b&prefix=~", "", "")
	st, reg := mem(), builtin.Registry()
	h := query.New(query.Options{View: view.New(st, reg, view.Options{}), Compactor: view.NewCompactor(st, reg, view.CompactorOptions{})})
	f.Cleanup(h.Close)
	h.EndLive() // a stream would not end by itself
	f.Fuzz(func(t *testing.T, path, raw, body, accept string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.URL.Path, r.URL.RawQuery = "/"+strings.TrimPrefix(path, "/"), raw
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusServiceUnavailable:
		case http.StatusMovedPermanently, http.StatusTemporaryRedirect: // the mux cleans paths
		default:
			t.Errorf("%s?%s: %d %s", path, raw, w.Code, w.Body)
		}
	})
}
