package query

import (
	"net/http"
	"strings"

	"github.com/tabaproject/taba/web"
)

// pages are the routes of what is seen in a browser. The page that is bundled
// holds no data: it can be loaded by anybody and asks for a token if it needs
// one to ask for the rest.
func (h *Handler) pages() []Route {
	return []Route{
		{Pattern: "/{$}", Scope: Open, Handler: shown(home)},
		{Pattern: "/ui/", Scope: Open, Handler: shown(home)},
		{Pattern: "/assets/", Scope: Open, Handler: shown(web.Asset)},
		{Pattern: "/plain", Scope: Read, Handler: shown(h.plain(h.plainHome))},
		{Pattern: "/plain/tab", Scope: Read, Handler: shown(h.plain(h.plainTab))},
		{Pattern: "/plain/style.css", Scope: Open, Handler: shown(plainStyle)},
	}
}

// shown is a handler of what is only looked at.
func shown(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			Error(w, r, http.StatusMethodNotAllowed, "Method not allowed: use GET")
			return
		}
		next(w, r)
	})
}

// home answers with the page or, if it was not bundled, leads to the plain one.
// Whoever asks for something else than a page finds nothing here, as in v1.
func home(w http.ResponseWriter, r *http.Request) {
	a := r.Header.Get("Accept")
	switch {
	case a != "" && !strings.Contains(a, "text/html") && !strings.Contains(a, "*/*"):
		NotFound(w, r)
	case web.Built():
		web.Page(w, r)
	case r.URL.Path == "/ui/tab":
		http.Redirect(w, r, "/plain/tab?"+r.URL.RawQuery, http.StatusSeeOther)
	default:
		http.Redirect(w, r, "/plain", http.StatusSeeOther)
	}
}
