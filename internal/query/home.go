package query

import (
	_ "embed"
	"net/http"
	"strings"
)

//go:embed home.html
var homePage []byte

// home links to the API. Whoever asks for something else than a page finds
// nothing here, as in v1.
func home(w http.ResponseWriter, r *http.Request) {
	if a := r.Header.Get("Accept"); a != "" && !strings.Contains(a, "text/html") && !strings.Contains(a, "*/*") {
		NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		Error(w, r, http.StatusMethodNotAllowed, "Method not allowed: use GET")
		return
	}
	head := w.Header()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(homePage) // who hung up needs no page
}
