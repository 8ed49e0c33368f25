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
		key = unescape(key)
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

// flag reports whether a parameter was given in the query string with a value
// that says yes: any but 0 and false.
func (p *params) flag(key string) bool {
	v, ok := p.query[key]
	return ok && v != "0" && v != "false"
}

// raw returns a parameter with commas that are part of a name still encoded;
// empty if it was not given.
func (p *params) raw(key string) (string, error) {
	if v, ok := p.query[key]; ok {
		return v, nil
	}
	object, err := p.body()
	if err != nil || isNothing(object[key]) {
		return "", err
	}
	s, ok := object[key].(string)
	if !ok {
		return "", badRequest(fmt.Sprintf("Parameter %q in the body must be a string", key))
	}
	return strings.ReplaceAll(url.QueryEscape(s), "%2C", ","), nil
}

// isNothing reports whether a JSON value says in v1's eyes that a parameter was
// not given: null, false, zero, or something empty.
func isNothing(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case float64:
		return v == 0
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// unescape decodes a part of a query string. As in v1, a percent sign that
// begins no escape stands for itself.
func unescape(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	var b strings.Builder
	for len(s) > 0 {
		piece := s[:1]
		if len(s) >= 3 && s[0] == '%' {
			if _, err := url.QueryUnescape(s[:3]); err == nil {
				piece = s[:3]
			}
		}
		s = s[len(piece):]
		if decoded, err := url.QueryUnescape(piece); err == nil {
			piece = decoded
		}
		b.WriteString(piece)
	}
	return b.String()
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
		return parseList(raw), nil
	}
	s, err := view.Pattern(unescape(raw))
	if err != nil {
		return s, badRequest(fmt.Sprintf("Parameter %q: %v", key, err))
	}
	return s, nil
}

// parseList reads a list of names. In a name, a comma is written %2C. Since
// many programs encode all commas of a query string, an encoded one still
// separates where no name has it; encoded twice, it never does.
func parseList(raw string) view.Selector {
	list := view.List()
	for piece := range strings.SplitSeq(raw, ",") {
		name := unescape(piece)
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
	return list
}

var commas = strings.NewReplacer("%2C", ",", "%2c", ",")
