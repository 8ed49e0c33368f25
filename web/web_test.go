package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// get asks h for a path, with headers in pairs.
func get(h http.HandlerFunc, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h(w, r)
	return w
}

func bundled(t *testing.T) {
	t.Helper()
	if !Built() {
		t.Fatal("the page is not bundled: make test does it with Node, which make deps installs on Debian and Ubuntu")
	}
}

func TestPage(t *testing.T) {
	bundled(t)
	w := get(Page, "/ui/tab?name=x")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `<script type="module" src="/assets/`) {
		t.Errorf("the page is %d %q", w.Code, w.Body)
	}
	if p := w.Header().Get("Content-Security-Policy"); strings.Contains(p, "unsafe") || !strings.Contains(p, "default-src 'none'") {
		t.Errorf("the policy is %q", p)
	}
	if inline := regexp.MustCompile(`<style|<script>| style=| on[a-z]+=`).FindString(w.Body.String()); inline != "" {
		t.Errorf("the page has %q, which its policy forbids", inline)
	}
	for _, file := range regexp.MustCompile(`"(/assets/[^"]+)"`).FindAllStringSubmatch(w.Body.String(), -1) {
		asset(t, file[1])
	}
}

// asset holds a file of the page to its compressed copy.
func asset(t *testing.T, path string) {
	plain := get(Asset, path)
	small := get(Asset, path, "Accept-Encoding", "gzip, br")
	if plain.Code != http.StatusOK || small.Header().Get("Content-Encoding") != "gzip" || small.Body.Len() >= plain.Body.Len() {
		t.Fatalf("%s: %d, %d bytes; compressed: %q, %d bytes", path, plain.Code, plain.Body.Len(), small.Header(), small.Body.Len())
	}
	z, err := gzip.NewReader(small.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil || !bytes.Equal(text, plain.Body.Bytes()) {
		t.Errorf("%s: the compressed copy is another file: %v", path, err)
	}
	if kind := plain.Header().Get("Content-Type"); kind == "" || strings.Contains(kind, "html") {
		t.Errorf("%s: the type is %q", path, kind)
	}
}

func TestAssetsThatAreNotThere(t *testing.T) {
	for _, path := range []string{"/assets/", "/assets/none.js", "/assets/../index.html", "/assets/../../web.go", "/index.html.gz", "/assets"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		w := httptest.NewRecorder()
		Asset(w, r)
		if w.Code == http.StatusOK && !strings.Contains(path, "index.html") {
			t.Errorf("%s is answered %d", path, w.Code)
		}
	}
}

// TestSize holds the page to what a phone on a bad line can wait for.
func TestSize(t *testing.T) {
	bundled(t)
	const most = 150_000
	total := 0
	err := fs.WalkDir(dist, "dist", func(path string, d fs.DirEntry, err error) error {
		if err == nil && (strings.HasSuffix(path, ".gz") || strings.HasSuffix(path, ".html")) {
			info, err := d.Info()
			if err != nil {
				return err
			}
			total += int(info.Size())
		}
		return err
	})
	if err != nil || total > most {
		t.Errorf("the page has %d bytes compressed, more than %d: %v", total, most, err)
	}
	t.Logf("the page has %d bytes compressed", total)
}
