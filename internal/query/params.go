package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tabaproject/taba/internal/view"
)

// params are the parameters of a request: from the query string, else from a
// JSON object in the body, which is read only when something is not in the
// query string.
type params struct {
	names []string          // those that the endpoint takes
	query map[string]string // still percent-encoded: where a comma was encoded matters
	body  func() (map[string]any, error)
}

// parse reads the query string and refuses parameters that are not in names.
func parse(w http.ResponseWriter, r *http.Request, names []string, maxBody int64) (*params, error) {
	p := &params{names: names, query: map[string]string{}}
	var unknown []string
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		if err != nil {
			return nil, badRequest("The query string is malformed: " + err.Error())
		}
		switch {
		case slices.Contains(names, key):
			p.query[key] = value
		case !slices.Contains(unknown, key):
			unknown = append(unknown, key)
		}
	}
	if unknown != nil {
		return nil, badRequest("Invalid parameters: " + strings.Join(unknown, ", "))
	}
	var object map[string]any
	var err error
	read := false
	p.body = func() (map[string]any, error) {
		if !read {
			read = true
			object, err = readBody(w, r, maxBody)
		}
		return object, err
	}
	return p, nil
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) (map[string]any, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, &failure{http.StatusRequestEntityTooLarge,
			fmt.Sprintf("The parameters in the body are longer than %d bytes", limit)}
	}
	if err != nil {
		return nil, badRequest("The body could not be read: " + err.Error())
	}
	if len(body) == 0 {
		return nil, nil
	}
	var object map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&object); err != nil {
		return nil, badRequest("The parameters in the body are not a JSON object: " + err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, badRequest("The parameters in the body are not one JSON object: something follows it")
	}
	return object, nil
}

// has reports whether a parameter was given, with whatever value.
func (p *params) has(key string) (bool, error) {
	if _, ok := p.query[key]; ok {
		return true, nil
	}
	object, err := p.body()
	return object[key] != nil, err
}

// raw returns a parameter with commas that are part of a name still encoded;
// empty if it was not given.
func (p *params) raw(key string) (string, error) {
	if v, ok := p.query[key]; ok {
		return v, nil
	}
	object, err := p.body()
	if err != nil || object[key] == nil {
		return "", err
	}
	s, ok := object[key].(string)
	if !ok {
		return "", badRequest(fmt.Sprintf("Parameter %q in the body must be a string", key))
	}
	return strings.ReplaceAll(url.QueryEscape(s), "%2C", ","), nil
}

// selector returns what a parameter chooses: a regular expression if re was
// given, else a list. Without the parameter, or for an endpoint that does not
// take it, that is everything.
func (p *params) selector(key string) (view.Selector, error) {
	if !slices.Contains(p.names, key) {
		return view.Selector{}, nil
	}
	isPattern, err := p.has("re")
	if err != nil {
		return view.Selector{}, err
	}
	raw, err := p.raw(key)
	if err != nil || raw == "" {
		return view.Selector{}, err
	}
	if !isPattern {
		return parseList(key, raw)
	}
	expr, err := url.QueryUnescape(raw)
	if err != nil {
		return view.Selector{}, malformed(key, err)
	}
	s, err := view.Pattern(expr)
	if err != nil {
		return s, badRequest(fmt.Sprintf("Parameter %q: %v", key, err))
	}
	return s, nil
}

func malformed(key string, err error) error {
	return badRequest(fmt.Sprintf("Parameter %q is malformed: %v", key, err))
}

// parseList reads a list of names. In a name, a comma is written %2C. Since
// many programs encode all commas of a query string, an encoded one still
// separates where no name has it; encoded twice, it never does.
func parseList(key, raw string) (view.Selector, error) {
	list := view.List()
	for piece := range strings.SplitSeq(raw, ",") {
		name, err := url.QueryUnescape(piece)
		if err != nil {
			return list, malformed(key, err)
		}
		whole := commas.Replace(name)
		if parts := strings.Split(name, ","); len(parts) > 1 {
			for i := range parts {
				parts[i] = commas.Replace(parts[i])
			}
			list = list.Either(whole, parts...)
		} else {
			list = list.With(whole)
		}
	}
	return list, nil
}

var commas = strings.NewReplacer("%2C", ",", "%2c", ",")
