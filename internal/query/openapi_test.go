package query_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// description is the served OpenAPI document, and a compiler of the schemas in
// it: those of OpenAPI 3.1 are JSON Schema.
type description struct {
	paths    map[string]map[string]operation
	compiler *jsonschema.Compiler
}

type operation struct {
	Parameters []struct {
		Name     string
		Required bool
	}
	Responses map[string]struct {
		Ref string `json:"$ref"`
	}
}

func describe(t *testing.T, s *server) *description {
	t.Helper()
	a := s.do(t, "GET /v2/openapi.json", "")
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	d := decode[struct {
		OpenAPI string
		Paths   map[string]map[string]operation
	}](t, a)
	if !strings.HasPrefix(d.OpenAPI, "3.1.") {
		t.Errorf("the version is %q", d.OpenAPI)
	}
	return &description{paths: d.Paths, compiler: c}
}

// check holds an answer to the schema at a place in the document.
func (d *description) check(t *testing.T, pointer, body string) {
	t.Helper()
	schema, err := d.compiler.Compile("openapi.json#" + pointer)
	if err != nil {
		t.Fatalf("%s: %v", pointer, err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s\nis not as described: %v", body, err)
	}
}

func responses(path, method, status string) string {
	return "/paths/" + strings.ReplaceAll(path, "/", "~1") + "/" + method + "/responses/" + status + "/content/application~1json/schema"
}

// TestAnswersAreAsDescribed walks real answers along the OpenAPI document.
func TestAnswersAreAsDescribed(t *testing.T) {
	s := auction(t)
	conflict(t, s, "bids.won", "Gauge")
	d := describe(t, s)
	for _, q := range []string{
		"latency by (dc) last 1h", "users", "build", "p99.9, count(bids*) by (tab, client) last 10m", "count, p50(bids.won) last 1h",
		"latency last 1h step 10m", "count(none)", "top 2 rate(bids*) by (client) last 1h step auto", "count(*) by (tab) limit 2",
	} {
		d.check(t, responses("/v2/query", "get", "200"), s.do(t, "GET /v2/query?q="+url.QueryEscape(q), "").body)
		if !strings.Contains(q, "users") && !strings.Contains(q, "build") && !strings.Contains(q, "*) by (tab) ") {
			d.check(t, responses("/v2/series", "get", "200"), s.do(t, "GET /v2/series?q="+url.QueryEscape(q), "").body)
		}
	}
	for _, q := range []string{"", "?by=client&sort=bytes", "?by=dc&match=lat*&limit=1", "?by=tab&sort=key"} {
		d.check(t, responses("/v2/top", "get", "200"), s.do(t, "GET /v2/top"+q, "").body)
	}
	d.check(t, responses("/v2/status", "get", "200"), s.do(t, "GET /v2/status", "").body)
	for _, name := range []string{"bids.won", "latency;dc=us", "build", "bidswon", "none"} {
		d.check(t, responses("/v2/explain", "get", "200"), s.do(t, "GET /v2/explain?name="+url.QueryEscape(name), "").body)
	}
	body := `{"values": ["p99.9"], "select": [{"glob": "lat*", "tags": [{"tag": "dc", "op": "!=", "value": "us"}]}], "clients": [{"name": "web-3"}], "by": ["dc"], "last": "1h", "limit": 1}`
	d.check(t, "/components/schemas/Query", body)
	d.check(t, responses("/v2/query", "post", "200"), s.do(t, "POST /v2/query", body).body)
	for _, list := range []string{"/v2/names", "/v2/clients", "/v2/tags", "/v2/tag-values", "/v2/types"} {
		params := "?limit=1"
		switch list {
		case "/v2/tag-values":
			params += "&tag=dc"
		case "/v2/types":
			params = ""
		}
		d.check(t, responses(list, "get", "200"), s.do(t, "GET "+list+params, "").body)
	}
	x := s.live(t, "q=latency+last+1h")
	_, data := x.next()
	d.check(t, "/components/schemas/Answer", data)
	for _, path := range []string{"/v2/query", "/v2/query?q=bid+last+37x", "/v2/query?q=p50(spend)", "/v2/query?q=a+last+2d", "/v2/names?x=1", "/v2/live"} {
		d.check(t, "/components/schemas/Error", s.do(t, "GET "+path, "").body)
	}
	d.check(t, "/components/schemas/Error", s.do(t, "PUT /v2/query", "").body)
}

// TestRoutesAreDescribed: the document has every route of v2 that reads, with
// the parameters that it takes.
func TestRoutesAreDescribed(t *testing.T) {
	s := start(t, mem())
	d := describe(t, s)
	described := map[string]bool{}
	for path, operations := range d.paths {
		described[path] = true
		var names []string
		for _, p := range operations["get"].Parameters {
			names = append(names, p.Name)
		}
		x := decode[told](t, s.do(t, "GET "+path+"?nosuch=1", ""))
		_, taken, _ := strings.Cut(x.Error.Message, "; use ")
		if want := strings.Join(names, ", "); taken != want && (want != "" || taken != "none") {
			t.Errorf("%s takes %q, described are %q", path, taken, want)
		}
	}
	for _, r := range s.query.Routes() {
		if strings.HasPrefix(r.Pattern, "/v2/") && r.Pattern != "/v2/check" && !described[r.Pattern] {
			t.Errorf("%s is not described", r.Pattern)
		}
	}
	codes := decode[struct {
		Components struct {
			Schemas struct {
				Error struct {
					Properties struct {
						Error struct {
							Properties struct{ Code struct{ Enum []string } }
						}
					}
				}
			}
		}
	}](t, s.do(t, "GET /v2/openapi.json", "")).Components.Schemas.Error.Properties.Error.Properties.Code.Enum
	var b strings.Builder
	s.query.WritePrometheus(&b)
	for line := range strings.Lines(b.String()) {
		if _, code, ok := strings.Cut(line, `{reason="`); ok {
			if code, _, _ = strings.Cut(code, `"`); !slices.Contains(codes, code) {
				t.Errorf("the code %s is not described", code)
			}
		}
	}
}
