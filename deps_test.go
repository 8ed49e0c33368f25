package taba_test

import (
	"os/exec"
	"strings"
	"testing"
)

// Applications import this package: it must not bring them a storage engine,
// a server or a metrics library.
func TestImportsLittle(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	const module = "github.com/tabaproject/taba"
	allowed := map[string]string{
		module:                     "the client",
		module + "/internal/wire":  "the protocol",
		module + "/internal/store": "what the protocol's messages are made of",
		module + "/state":          "what events are",
	}
	for _, path := range strings.Fields(string(out)) {
		for _, heavy := range []string{"pebble", "redis", "rueidis", "VictoriaMetrics", "prometheus", "klauspost", "cobra", "yaml"} {
			if strings.Contains(path, heavy) {
				t.Errorf("%s is imported: applications should not have to build it", path)
			}
		}
		if ours := path == module || strings.HasPrefix(path, module+"/"); ours && allowed[path] == "" && path != module+"/internal/pyjson" {
			t.Errorf("%s is imported: the client knows only the protocol", path)
		}
	}
}
