// Package web serves the page that shows a server in a browser: files that
// `make build` bundles from src into dist. They are part of the program if they
// were there when it was compiled; if they were not, Built says so, and somebody
// else has to have a page.
//
// # Concurrency and back-pressure
//
// Its handlers are safe for concurrent use. All they serve is in the program's
// memory already; they hold nothing per request.
package web

import (
	"bytes"
	"embed"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed all:dist
var dist embed.FS

// policy lets the page load what is its own and nothing else: no script or style
// in markup, no text that becomes markup, nobody's frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Built reports whether the page was bundled before the program was compiled.
func Built() bool {
	_, err := fs.Stat(dist, "dist/index.html")
	return err == nil
}

// Page answers a GET or HEAD with the page, which finds out from its address what to show.
func Page(w http.ResponseWriter, r *http.Request) {
	Secure(w.Header(), policy)
	w.Header().Set("Cache-Control", "no-cache") // the files that it names change with it
	serve(w, r, "dist/index.html")
}

// Asset answers a GET or HEAD with one of the page's files.
func Asset(w http.ResponseWriter, r *http.Request) {
	name := "dist" + path.Clean(r.URL.Path)
	if _, err := fs.Stat(dist, name); err != nil || strings.HasSuffix(name, ".gz") || strings.HasSuffix(r.URL.Path, "/") {
		http.NotFound(w, r)
		return
	}
	head := w.Header()
	Secure(head, "default-src 'none'")
	if strings.HasSuffix(name, ".svg") {
		head.Set("Cache-Control", "max-age=86400")
	} else {
		head.Set("Cache-Control", "max-age=31536000, immutable") // its name has a hash of it
	}
	head.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	head.Set("Vary", "Accept-Encoding")
	if _, err := fs.Stat(dist, name+".gz"); err == nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		head.Set("Content-Encoding", "gzip")
		name += ".gz"
	}
	serve(w, r, name)
}

// Secure sets the headers that every page has, with its Content-Security-Policy.
func Secure(head http.Header, policy string) {
	head.Set("Content-Security-Policy", policy)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
}

func serve(w http.ResponseWriter, r *http.Request, name string) {
	text, err := dist.ReadFile(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}
