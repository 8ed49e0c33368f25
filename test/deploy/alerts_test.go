package deploy

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/tabaproject/taba/internal/app"
)

// alerts is a file of rules of Prometheus.
type alerts struct {
	Groups []struct {
		Name  string  `yaml:"name"`
		Rules []alert `yaml:"rules"`
	} `yaml:"groups"`
}

type alert struct {
	Alert       string `yaml:"alert"`
	Expr        string `yaml:"expr"`
	For         string `yaml:"for"`
	Annotations struct {
		Summary     string `yaml:"summary"`
		Description string `yaml:"description"`
	} `yaml:"annotations"`
}

// withoutMetric are alarms that no metric tells, and what tells them.
var withoutMetric = map[string]string{
	"Redis is full":           "the text of readyz; the alarm is that of a process that is not ready",
	"a server counts wrongly": "/v2/check",
}

// TestAlerts: each alarm that operations.md tells of is a rule, of metrics that
// servers and agents have.
func TestAlerts(t *testing.T) {
	var file alerts
	read(t, "alerts.yaml", text(t, "prometheus", "alerts.yaml"), &file)
	have := exposed(t, serve(t)) + exposed(t, serveAgent(t))
	told := alarmsTold(t)
	ruled := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			r.check(t, have)
			if ruled[r.Annotations.Summary] = true; !told[r.Annotations.Summary] {
				t.Errorf("%s: operations.md does not tell of %q", r.Alert, r.Annotations.Summary)
			}
		}
	}
	for alarm := range told {
		if _, ok := withoutMetric[alarm]; ok == ruled[alarm] {
			t.Errorf("operations.md tells of %q: it is a rule: %v, and only a text tells of it: %v", alarm, ruled[alarm], ok)
		}
	}
}

// check checks the rule against what servers and agents expose.
func (r *alert) check(t *testing.T, have string) {
	t.Helper()
	if _, err := model.ParseDuration(r.For); r.For != "" && err != nil {
		t.Errorf("%s: for %q: %v", r.Alert, r.For, err)
	}
	if r.Alert == "" || r.Annotations.Description == "" {
		t.Errorf("%s: it lacks a name or a description: %+v", r.Alert, r)
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.Expr)
	if err != nil {
		t.Errorf("%s: %v", r.Alert, err)
		return
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok && v.Name != "up" {
			if !regexp.MustCompile(`(?m)^` + v.Name + `[ {]`).MatchString(have) {
				t.Errorf("%s: neither servers nor agents have the metric %s", r.Alert, v.Name)
			}
			for _, m := range v.LabelMatchers {
				if m.Name != model.MetricNameLabel && !strings.Contains(have, v.Name+"{"+m.Name+`="`+m.Value+`"`) {
					t.Errorf("%s: %s has no label %s", r.Alert, v.Name, m)
				}
			}
		}
		return nil
	})
}

// alarmsTold are the names in the table of alarms of operations.md.
func alarmsTold(t *testing.T) map[string]bool {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join(dir, "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "\n## Alarms\n")
	table, _, _ = strings.Cut(table, "\n## ")
	told := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+) \|`).FindAllStringSubmatch(table, -1) {
		told[row[1]] = row[1] != "alarm"
	}
	delete(told, "alarm")
	if len(told) < len(withoutMetric) {
		t.Fatalf("the table of alarms is not found: %v", told)
	}
	return told
}

// exposed is what a process tells Prometheus.
func exposed(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^taba_ready 1$`).Match(body) {
		t.Errorf("%s does not say that it is ready", url)
	}
	return string(body)
}

// serveAgent runs an agent of no server's until the test ends.
func serveAgent(t *testing.T) (url string) {
	t.Helper()
	cfg := app.DefaultAgentConfig()
	cfg.Listen, cfg.Spool, cfg.Servers = "127.0.0.1:0", t.TempDir(), []string{"http://127.0.0.1:1"}
	return run(t, func(ctx context.Context, o app.Options) error { return app.RunAgent(ctx, cfg, o) })
}
