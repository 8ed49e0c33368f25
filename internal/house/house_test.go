package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tabaproject/taba"

// room is one package: what of ours it may import, and why that is so. "."
// is the root package.
type room struct {
	may string // packages of ours, separated by blanks
	why string
}

// plan has a line for every package. The one rule: imports point at the store,
// and the store points at nothing of ours.
var plan = map[string]room{
	// Nouns.
	"state":                      {"", "what a Type is; users import it to make their own"},
	"state/builtin":              {"state", "a Type knows only what a Type is"},
	"state/statetest":            {"state", "the law is the same for Types of ours and of users"},
	"internal/pyjson":            {"", "text in, text out"},
	"internal/wait":              {"", "a time that one may be called away from; it knows nobody"},
	"internal/store":             {"", "the store points at nothing: engines move bytes and know no Type"},
	"internal/store/storetest":   {"internal/store", "the contract is tested without knowing who calls it"},
	"internal/store/pebblestore": {"internal/store internal/store/seglog", "an engine knows the contract and its disk"},
	"internal/store/seglog":      {"", "the log moves bytes and knows neither entries nor engines"},
	"internal/store/redisstore":  {"internal/store", "an engine knows the contract and its servers"},
	"internal/wire":              {"state internal/pyjson internal/store", "bytes to events and parts; the only language processes share"},
	"internal/trail":             {"", "what became of names: texts and counts; it knows nobody who notes them"},
	"internal/wire/statsdtext":   {"", "lines of text to metrics; it knows no Type"},

	// What writes.
	"internal/fold":              {"state internal/store internal/wire", "events to Partials: pure, no network, no clock"},
	"internal/commit":            {"state internal/fold internal/store internal/wire", "Partials into a store, one commit in flight"},
	"internal/ingest":            {"state internal/fold internal/gather internal/store internal/trail internal/wire", "the door hands Partials to a function and knows no engine"},
	"internal/stream":            {"internal/wire", "moves frames; what to do about them is its callers' business"},
	"internal/gather":            {"", "bytes and connections of slow senders; of what they send it knows how long a request is"},
	"internal/statsd":            {"state internal/fold internal/store internal/trail internal/wire/statsdtext", "the door for statsd; it hands Partials on as ingest does"},
	"internal/ingest/ingesttest": {"internal/ingest", "whatever serves routes is tested alike"},
	"internal/spool":             {"", "the log moves bytes and knows neither Types nor servers"},
	"internal/forward":           {"state internal/fold internal/store internal/wire internal/spool", "spool to servers; it meets them only in wire"},

	"internal/member": {"internal/store", "who shares a store, and who does what; it knows neither the work nor the network"},

	// What reads.
	"internal/view":       {"state internal/store internal/wait", "records and log to States; it never writes events"},
	"internal/query":      {"state internal/pyjson internal/query/eval internal/query/lang internal/store internal/trail internal/view web internal/wait", "questions to answers; it knows views, not engines"},
	"internal/query/eval": {"state internal/query/lang internal/view", "a query and a view to an answer; it knows no HTTP"},
	"internal/query/lang": {"", "text to queries; it knows nobody who answers them"},
	"internal/promapi":    {"state internal/query/lang internal/store internal/view", "the same for those who ask in PromQL; it knows views, not engines"},
	"web":                 {"", "the files of the page; it asks over HTTP, as anybody"},

	// What knows them all, and what is beside them.
	"internal/app":           {"state state/builtin internal/wire internal/gather internal/ingest internal/statsd internal/fold internal/commit internal/spool internal/forward internal/store internal/store/pebblestore internal/store/redisstore internal/member internal/trail internal/view internal/query internal/promapi", "wiring: the only place that knows every stage"},
	"internal/cli":           {"", "asks servers as any client does, over HTTP"},
	"internal/screen":        {"internal/cli", "draws what it asks, as any client does; what it draws with is only here"},
	"internal/fleet":         {"internal/wire internal/wait", "records as any client does, over HTTP"},
	"internal/demo":          {"internal/app internal/child internal/cli internal/fleet internal/redisrun internal/wire internal/wait", "a server and an agent in one process, or a cluster of many, seen from outside"},
	"internal/verify":        {"internal/cli internal/wire internal/wait", "sends and asks as any client does, over HTTP"},
	"internal/verify/chaos":  {"internal/child internal/cli internal/verify internal/wait", "starts processes and knows them from outside only"},
	"internal/vectors":       {"", "reads the golden vectors; every stage tests itself against them"},
	"internal/quiet":         {"", "initialised before everything that logs while it is"},
	"internal/child":         {"", "starts processes and knows none of them"},
	"internal/capacity":      {"", "arithmetic"},
	"internal/redisrun":      {"internal/child", "starts Redis and Sentinels and knows nobody who uses them"},
	"internal/disktest":      {"", "a disk that fails; it knows nobody who is tested on it"},
	"internal/bench":         {"internal/child internal/cli internal/stream internal/wire internal/wait", "offers load to processes and measures them from outside"},
	"internal/bench/figures": {". internal/bench internal/cli internal/redisrun internal/stream internal/wire internal/wait", "what is to be reached, measured from outside and in the client"},
	"internal/house":         {"", "rules only"},
	"cmd/taba":               {"internal/app internal/bench internal/bench/figures internal/capacity internal/cli internal/demo internal/ingest internal/quiet internal/screen internal/verify internal/verify/chaos internal/wire", "one file per sub-command"},
	".":                      {"internal/wire", "applications import it: the words on the wire, no storage engine, no server"},

	// Programs and tests of the whole.
	"test/deploy":      {"", "files for other programs, and what Taba says of the settings in them"},
	"test/scale":       {"", "many agents of what ships in one process, on a real Redis"},
	"test/e2e":         {"", "real processes, seen from outside"},
	"test/browser":     {"", "a real server, seen in a real browser"},
	"test/sim":         {"state internal/wire internal/ingest internal/fold internal/commit internal/spool internal/forward internal/store internal/store/pebblestore internal/view", "whole clusters of what ships, on simulated disks, clocks and networks"},
	"examples/client":  {".", "what an application writes"},
	"examples/owntype": {"state", "what the author of a Type writes"},
}

// listed is what `go list -json` tells of a package.
type listed struct {
	ImportPath                string
	Dir                       string
	Name                      string
	Imports                   []string
	GoFiles                   []string
	TestGoFiles, XTestGoFiles []string
}

// opening is how the package's comment begins.
func (p *listed) opening() string {
	if p.Name == "main" {
		return "Command " + filepath.Base(p.Dir) + " "
	}
	return "Package " + strings.TrimSuffix(p.Name, "_test") + " "
}

func packages(t *testing.T) map[string]listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Name,Imports,GoFiles,TestGoFiles,XTestGoFiles", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr(err))
	}
	all := map[string]listed{}
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatalf("go list: %v", err)
		}
		all[short(p.ImportPath)] = p
	}
	return all
}

// stderr is what a command that failed had to say.
func stderr(err error) string {
	exit := (*exec.ExitError)(nil)
	if errors.As(err, &exit) {
		return string(exit.Stderr)
	}
	return ""
}

// short is a package's path within the module.
func short(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

func ours(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

func TestImportsPointAtTheStore(t *testing.T) {
	for name, p := range packages(t) {
		r, ok := plan[name]
		if !ok {
			t.Errorf("%s is not in the plan: add a line that says what it may import, and why", name)
			continue
		}
		may := strings.Fields(r.may)
		for _, path := range p.Imports {
			if ours(path) && !slices.Contains(may, short(path)) {
				t.Errorf("%s imports %s, which the plan does not allow: %s", name, short(path), r.why)
			}
		}
	}
}

// TestPlanHasNoCycles holds the plan itself to the rule: it must be possible
// to build every package before those that may import it.
func TestPlanHasNoCycles(t *testing.T) {
	built := map[string]bool{}
	for progress := true; progress; {
		progress = false
		for name, r := range plan {
			ready := !slices.ContainsFunc(strings.Fields(r.may), func(dep string) bool { return !built[dep] })
			if !built[name] && ready {
				built[name], progress = true, true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(plan)) {
		if !built[name] {
			t.Errorf("%s cannot be built: what it may import leads back to it, or is not in the plan", name)
		}
	}
}

func TestPlanIsOfPackagesThatExist(t *testing.T) {
	all := packages(t)
	for _, name := range slices.Sorted(maps.Keys(plan)) {
		if _, ok := all[name]; !ok {
			t.Errorf("the plan has a line for %s, which does not exist", name)
		}
	}
}

// heavy are modules that an application must not get by importing the client
// or a Type.
var heavy = map[string]string{
	"github.com/cockroachdb/pebble/v2": "the storage engine",
	"github.com/spf13/cobra":           "the command line",
	"github.com/jedib0t/go-pretty/v6":  "tables",
	"github.com/prometheus/prometheus": "the query engine of Prometheus",
}

func TestPublicPackagesAreLight(t *testing.T) {
	for _, name := range []string{module, module + "/state", module + "/state/builtin"} {
		out, err := exec.Command("go", "list", "-deps", name).Output()
		if err != nil {
			t.Fatalf("go list -deps %s: %v", name, err)
		}
		for dep := range strings.Lines(string(out)) {
			for path, what := range heavy {
				if strings.HasPrefix(strings.TrimSpace(dep), path) {
					t.Errorf("%s pulls in %s (%s)", name, path, what)
				}
			}
		}
	}
}

// TestEveryPackageSaysWhatItIs checks for a comment that is more than a name,
// in exactly one file.
func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for name, p := range packages(t) {
		files := p.GoFiles
		if len(files) == 0 { // tests only
			files = slices.Concat(p.TestGoFiles, p.XTestGoFiles)
		}
		var comments []string
		for _, f := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, f), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if text := parsed.Doc.Text(); text != "" {
				comments = append(comments, text)
			}
		}
		switch {
		case len(comments) == 0:
			t.Errorf("%s has no package comment", name)
		case len(comments) > 1:
			t.Errorf("%s has %d package comments; keep one", name, len(comments))
		case !strings.HasPrefix(comments[0], p.opening()):
			t.Errorf("the package comment of %s does not begin with %q", name, p.opening())
		case len(comments[0]) < 80:
			t.Errorf("the package comment of %s says too little: %q", name, comments[0])
		}
	}
}
