package app

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of settings into the documentation")

const operations = "../../docs/operations.md"

// TestDocumentationListsEverySetting compares the tables in the documentation
// with the struct tags; -update writes them.
func TestDocumentationListsEverySetting(t *testing.T) {
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for _, section := range []string{SectionServer, SectionAgent} {
		begin, end := "<!-- settings: "+section+" -->\n", "<!-- end -->"
		before, rest, ok := strings.Cut(want, begin)
		if !ok {
			t.Fatalf("%s lacks the line %q", operations, begin)
		}
		_, after, ok := strings.Cut(rest, end)
		if !ok {
			t.Fatalf("%s lacks the line %q after %q", operations, end, begin)
		}
		want = before + begin + settingsTable(section) + end + after
	}
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s does not list the settings as they are; run: go test ./internal/app -run Documentation -update", operations)
	}
	if err := os.WriteFile(operations, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func settingsTable(section string) string {
	var b strings.Builder
	b.WriteString("| key | flag | variable | default | values | what it is |\n|---|---|---|---|---|---|\n")
	for _, k := range Keys(section) {
		def := "-"
		if k.Default != "" {
			def = "`" + k.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `--%s` | `%s` | %s | %s | %s |\n",
			k.Name, k.Flag(), k.Env(), def, strings.ReplaceAll(k.Kind, "|", ", "), k.Help)
	}
	return b.String()
}
