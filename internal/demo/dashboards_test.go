package demo

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"github.com/tabaproject/taba/internal/cli"
	"github.com/tabaproject/taba/internal/fleet"
)

const grafana = "../../deploy/grafana"

// dashboard is as much of a Grafana dashboard as there is to be wrong.
type dashboard struct {
	UID, Title string
	Panels     []struct {
		ID      int
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct {
			Expr       string
			Instant    bool
			Datasource struct{ Type, UID string }
		}
	}
	Templating struct {
		List []struct{ Name, Type string }
	}
}

func dashboards(t *testing.T) (all []dashboard) {
	t.Helper()
	files, err := filepath.Glob(grafana + "/dashboards/*.json")
	if err != nil || len(files) < 2 {
		t.Fatalf("dashboards: %v %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil || d.UID == "" || len(d.Panels) == 0 {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, d)
	}
	return all
}

// chosen is what Grafana puts in for variables.
var chosen = strings.NewReplacer("${metric}", fleet.TabLatency, "$window", "1m", "$__rate_interval", "1m", "$__interval", "15s")

// TestDashboards watches a fleet as Grafana would: every panel of every dashboard
// has something to show.
func TestDashboards(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := &address{found: make(chan string, 1)}
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{Clients: 10, Requests: 200, Out: cli.Output{W: out}, Version: "test"})
	}()
	server := <-out.found
	api := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			if len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s, %s: it has no query, or no place: %+v", d.Title, p.Title, p.GridPos)
			}
			for _, q := range p.Targets {
				expr := chosen.Replace(q.Expr)
				if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil || q.Datasource.UID != "taba" || strings.Contains(expr, "$") {
					t.Errorf("%s, %s: %s: %v", d.Title, p.Title, expr, err)
				}
				shows(t, api, server, expr, q.Instant)
			}
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	nothingLeft(t)
}

// shows asks until there is something, which there is soon after events are.
func shows(t *testing.T, api *http.Client, server, expr string, instant bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		now := time.Now().Unix()
		path, form := "/api/v1/query", url.Values{"query": {expr}}
		if !instant {
			path = "/api/v1/query_range"
			form["start"], form["end"], form["step"] = []string{strconv.FormatInt(now-3600, 10)}, []string{strconv.FormatInt(now, 10)}, []string{"15"}
		}
		resp, err := api.PostForm(server+path, form)
		if err != nil {
			t.Fatal(err)
		}
		var x struct {
			Error string
			Data  struct{ Result []any }
		}
		err = json.NewDecoder(resp.Body).Decode(&x)
		_ = resp.Body.Close()
		switch {
		case err != nil || x.Error != "":
			t.Fatalf("%s: %v %s", expr, err, x.Error)
		case len(x.Data.Result) > 0:
			return
		case time.Now().After(deadline):
			t.Fatalf("%s shows nothing", expr)
		}
	}
}

// address finds the server's address in what the demonstration writes, once it
// shows events.
type address struct {
	mu    sync.Mutex
	text  string
	found chan string
	once  sync.Once
}

var serverAddress = regexp.MustCompile(`http://[0-9.:]+`)

func (a *address) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.text += string(p)
	if i := strings.Index(a.text, "/tabs?name="); i > 0 && strings.Contains(a.text, "events/s") {
		all := serverAddress.FindAllString(a.text[:i], -1)
		a.once.Do(func() { a.found <- all[len(all)-1] })
	}
	return len(p), nil
}

// TestProvisioning: the files that Grafana reads are YAML and name the data
// source that the dashboards ask for.
func TestProvisioning(t *testing.T) {
	read := func(file string, into any) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(grafana, "provisioning", file))
		if err == nil {
			err = yaml.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct{ UID, Type, URL string }
	}
	read("datasources/taba.yaml", &sources)
	if s := sources.Datasources; sources.APIVersion != 1 || len(s) != 1 || s[0].UID != "taba" || s[0].Type != "prometheus" || s[0].URL != "http://127.0.0.1:8300" {
		t.Errorf("data sources: %+v", sources)
	}
	var boards struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Type    string
			Options struct{ Path string }
		}
	}
	read("dashboards/taba.yaml", &boards)
	if p := boards.Providers; boards.APIVersion != 1 || len(p) != 1 || p[0].Type != "file" || p[0].Options.Path == "" {
		t.Errorf("dashboards: %+v", boards)
	}
}
